"""Who may what, written by hand, and what the contracts say of each message.

The grants are not read from `protocol`: what changes there by mistake is to be noticed here.
Source: the table of permissions in the specification of operating.
"""

from protocol.domains import load
from protocol.message import Kind, Spec, specs
from tests.contracts import MESSAGES
from tests.contracts.contract import Needs

GRANTED: dict[str, set[str]] = {
    "player": {"connect", "play"},
    "viewer": {"connect", "read"},
    "user": {"connect", "play", "read", "operate"},
    "admin": {"connect", "play", "read", "operate", "administer"},
    "agent": {"connect", "agent"},
    "service without scopes": {"connect"},
    "service to read": {"connect", "read"},
    "service to operate": {"connect", "operate"},
    "service to read and operate": {"connect", "read", "operate"},
}

SCOPES: dict[str, tuple[str, ...]] = {
    "service without scopes": (),
    "service to read": ("read",),
    "service to operate": ("operate",),
    "service to read and operate": ("read", "operate"),
}
"""All sets of scopes that a service may have."""


def calls() -> list[Spec]:
    """Every command and query of the server; none that a test has registered."""
    load()
    return [s for s in specs(Kind.COMMAND, Kind.QUERY) if s.domain != "tests"]


def needs(spec: Spec) -> Needs:
    """What a message needs. Fails where nobody has written it down."""
    assert spec.name in MESSAGES, (
        f"{spec.name} is new: write its permission and data that looks right into"
        f" tests/contracts/{spec.domain}.py"
    )
    return MESSAGES[spec.name]
