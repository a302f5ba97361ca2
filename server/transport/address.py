"""What a client's address counts as."""

import ipaddress

from starlette.types import Scope


def address_of(scope: Scope) -> str:
    """Where a request is from, "" where that is not known.

    It is shown to others, and behind a proxy it is what somebody has written into a header: what is
    no address is nothing, and a zone, which may be anything, is left out.
    """
    client = scope.get("client")
    try:
        found = ipaddress.ip_address(client[0] if client else "")
    except ValueError:
        return ""
    return str(found).partition("%")[0]


def network(address: str) -> str:
    """An IPv4 address itself, an IPv6 address's /64, "" for what is neither.

    A /64 is what one household or machine is given: its addresses are one and the same client.
    Source: RFC 6177; RFC 4291, 2.5.5.2 for IPv4 addresses written as IPv6.
    """
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return ""
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.IPv6Network((int(found) >> 64 << 64, 64)))
