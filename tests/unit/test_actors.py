"""The names of actors, and in which rooms an event has which."""

import json
from typing import Any

import pytest

from protocol import actors
from protocol.battle_events import BattlesCounted
from protocol.codec import Meta
from protocol.message import Event
from protocol.permissions import Permission, Role, granted
from protocol.rooms import KINDS
from protocol.users import UserDeleted
from server.auth import Callers
from server.database import Work
from server.database.work import OutgoingEvent
from server.gateway import Identity, Oversight
from server.gateway.oversight import Overseen
from server.transport.outbox import Frame
from tests.store.bench import AT, claimed, listed
from tests.support.messages import calls

BOSS = actors.user("boss")
TO_THOSE_WHO_ACT_ON_OTHERS = {"operate", "administer"}


def test_users_services_and_the_server_are_told_apart() -> None:
    user = Identity("x", "X", granted(Role.PLAYER), Role.PLAYER)
    service = Identity("x", "X", frozenset({Permission.READ}))
    named = {user.actor, service.actor, actors.server("x"), actors.COMMAND_LINE}
    assert named == {"user:x", "service:x", "server:x", "server:cli"}


def test_an_id_may_be_any_text() -> None:
    kind, _, ident = actors.user("a:b c").partition(":")
    assert (kind, ident) == ("user", "a:b c")


def actor_in(event: Event, *, on_others: bool, **given: Any) -> str | None:
    """The actor that an event of a unit of the boss has."""
    work = Work(AT, actor=BOSS, on_others=on_others)
    work.publish(event, **given)
    return work.events[0].actor


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: str(kind.word))
def test_who_acts_on_others_is_named_to_those_who_do_so_too(
    kind: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = UserDeleted(user_id="u")
    monkeypatch.setattr(UserDeleted, "room", lambda _: kind("u" if kind.keyed else ""))
    named = kind.permission in TO_THOSE_WHO_ACT_ON_OTHERS
    assert actor_in(event, on_others=True) == (BOSS if named else "server:users")
    assert actor_in(event, on_others=False) == BOSS


def test_the_server_by_itself_acts_as_the_domain_of_the_event() -> None:
    work = Work(AT)
    work.publish(claimed("b"), seq=1)
    work.publish(UserDeleted(user_id="u"))
    assert [event.actor for event in work.events] == ["server:battles", "server:users"]


def test_only_what_is_kept_has_an_actor() -> None:
    assert actor_in(listed(), on_others=False) == BOSS
    assert actor_in(BattlesCounted(waiting=1, in_progress=0), on_others=False) is None
    assert OutgoingEvent.of(BattlesCounted(waiting=1, in_progress=0), AT).actor is None


def test_every_unit_of_a_command_that_acts_on_others_says_so() -> None:
    """Else its actor would be named to players: `Overseen` marks it with its guard."""

    async def check(_: Identity) -> None:
        return None

    guarded = [spec for spec in calls() if spec.guarded]
    assert {"users.delete", "users.disable"} <= {spec.name for spec in guarded}
    oversight = Oversight(Callers(None, lambda: None).guard, check, lambda *_: None)  # type: ignore[arg-type]
    boss = Identity("boss", "Boss", granted(Role.ADMIN), Role.ADMIN, session="s")
    for spec in calls():
        work = Work(AT, actor=boss.actor)
        Overseen(oversight, spec, None).guard(work, boss)  # type: ignore[arg-type]
        assert work.on_others == spec.guarded, spec.name


@pytest.mark.parametrize("actor", [BOSS, None])
def test_both_transports_have_the_same_actor_or_none(actor: str | None) -> None:
    meta = Meta(room="r", at=AT, seq=1, epoch="e", actor=actor)
    frame = Frame.of("a.b", b"{}", meta, OutgoingEvent.of(listed(), AT).delivery)
    _, _, beside = json.loads(frame.packet[2:])
    start = frame.plain.index(b"{")
    plain = json.loads(frame.plain[start:])
    assert beside.get("actor") == plain.get("actor") == actor
    assert ("actor" in beside, "actor" in plain) == (actor is not None, actor is not None)
