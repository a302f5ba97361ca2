"""What an address counts as."""

import pytest

from server.gateway import network
from server.transport.limits import address_of


@pytest.mark.parametrize(
    ("address", "counts_as"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff:ffff:ffff:ffff", "2001:db8:1:2::/64"),
        ("2001:DB8:0001:0002::1", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::1", "::/64"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("", ""),
        ("unknown", ""),
        ("203.0.113.7:80", ""),
        ("x" * 10_000, ""),
    ],
)
def test_an_address_counts_as_its_network(address: str, counts_as: str) -> None:
    assert network(address) == counts_as


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("2001:db8::1", "2001:db8::1"),
        ("fe80::1%<img src=x onerror=alert(1)>", "fe80::1"),
        ("<img src=x onerror=alert(1)>", ""),
        ("203.0.113.7\x9b1m", ""),
        ("", ""),
        ("x" * 60_000, ""),
    ],
)
def test_what_is_shown_as_an_address_is_one(given: str, shown: str) -> None:
    assert address_of({"client": (given, 0)}) == shown


def test_who_has_no_address_is_shown_without() -> None:
    assert address_of({"client": None}) == address_of({}) == ""
