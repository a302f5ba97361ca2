"""What the page says by hand of codes and reasons agrees with the registry."""

import re
from pathlib import Path

from protocol.domains import load
from protocol.errors import Code
from protocol.facts import reasons
from protocol.gateway import ExpiryReason

PAGE = Path(__file__).parents[2] / "server" / "dashboard"
NOT_SEEN = {"too_many_rooms", "request_id_reused"}
"""Reasons that only a fault of the page itself could bring about."""
GIVEN_UP = {"internal"}
"""Codes that may be retried, and the page tells the person at once instead."""
OF_SERVICES = {"revoked"}
"""What ends a connection with a service key, which the page never has."""


def named(file: str, before: str) -> set[str]:
    """The keys of an object, or the strings of a set, that begins with this."""
    text = (PAGE / file).read_text().partition(before)[2]
    assert text, f"{before} is not in {file}"
    body = re.split(r"^\}|\]\)", text, maxsplit=1, flags=re.MULTILINE)[0]
    return set(re.findall(r"^ +(\w+):", body, re.MULTILINE) or re.findall(r'"(\w+)"', body))


def test_every_reason_has_its_words() -> None:
    known = {reason.value for cls in reasons(load()) for reason in cls}
    assert named("words.js", "const REASONS = {") == known - NOT_SEEN


def test_it_retries_what_may_be_retried() -> None:
    may = {code.value for code in Code if code.retry}
    assert named("failure.js", "const RETRYABLE = new Set([") == may - GIVEN_UP


def test_it_comes_back_after_what_allows_it() -> None:
    never = {reason.value for reason in ExpiryReason if not reason.retry}
    assert named("words.js", "export const ENDED = {") == never - OF_SERVICES
