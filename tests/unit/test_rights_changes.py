"""Which identities a change of rights concerns."""

from typing import Any

import pytest

from protocol.gateway import ExpiryReason
from server.gateway import Identity, RightsChange
from server.gateway import rights as module
from server.gateway.rights import RightsChanges

OUT = ExpiryReason.LOGGED_OUT


def who(rights: int, **fields: Any) -> Identity:
    """Somebody whose rights were read after a change."""
    given = {"id": "alice", "name": "alice", "permissions": frozenset(), "session": "s1"}
    return Identity(**{**given, **fields}, rights=rights)


def change(version: int, session: str | None = "s1", person: str = "alice") -> RightsChange:
    """Another change of hers."""
    return RightsChange(version, person, session, OUT)


@pytest.mark.parametrize(
    ("changed", "identity", "concerned"),
    [
        (change(7), who(6), True),
        (change(7), who(7), False),
        (change(7), who(8), False),
        (change(7), who(6, session="s2"), False),
        (change(7), who(6, session=None), False),
        (change(7), who(6, id="bob"), False),
        (change(7, None), who(6), True),
        (change(7, None), who(6, session=None), True),
        (change(7, None), who(7), False),
        (change(7, None), who(6, id="bob"), False),
    ],
)
def test_a_change_concerns_whose_rights_were_read_before_it(
    changed: RightsChange, identity: Identity, concerned: bool
) -> None:
    changes = RightsChanges()
    assert changes.lapsed(identity) is None
    changes.remember(changed)
    assert changed.concerns(identity) is concerned
    assert changes.lapsed(identity) == (OUT if concerned else None)


def test_the_newest_change_of_each_is_remembered() -> None:
    changes = RightsChanges()
    changes.remember(change(3))
    changes.remember(change(5, None))
    changes.remember(change(6, "s2"))
    assert changes.lapsed(who(2, session="s1")) is OUT
    assert changes.lapsed(who(4, session="s1")) is OUT
    assert changes.lapsed(who(5, session="s1")) is None
    assert changes.lapsed(who(5, session="s2")) is OUT


def test_rights_from_before_what_is_known_are_not_good() -> None:
    changes = RightsChanges()
    changes.doubt(5)
    changes.doubt(3)
    assert changes.lapsed(who(4)) is ExpiryReason.RIGHTS_CHANGED
    assert changes.lapsed(who(5)) is None


def test_what_is_remembered_is_bounded_and_what_is_forgotten_is_in_doubt(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "MAX_REMEMBERED", 3)
    changes = RightsChanges()
    for version in range(1, 8):
        changes.remember(change(version, None, f"p{version}"))
    assert len(changes._newest) == 3
    assert changes.lapsed(who(3, id="p4")) is ExpiryReason.RIGHTS_CHANGED
    assert changes.lapsed(who(3, id="somebody")) is ExpiryReason.RIGHTS_CHANGED
    assert changes.lapsed(who(4, id="somebody")) is None
    assert changes.lapsed(who(4, id="p5")) is OUT
