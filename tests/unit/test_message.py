"""The registry: what it takes, and what stands in it."""

import re
from collections.abc import Iterator
from typing import Any
from unittest import mock

import msgspec
import pytest

from protocol import message
from protocol.battle_events import PlayerReturned
from protocol.battles import BattleReason, SeatedElsewhere
from protocol.codec import encode
from protocol.errors import Failure, RequestReason, busy, conflict, forbidden, refused
from protocol.ids import uuid7
from protocol.message import (
    KEPT,
    RATES,
    Command,
    Delivery,
    Done,
    Event,
    Kind,
    Limit,
    Query,
    Spec,
    command,
    event,
    find,
    query,
    spec_of,
    specs,
)
from protocol.permissions import Permission
from server import app  # registers everything
from server.database.work import OutgoingEvent

assert app.DOMAINS
ALL = list(specs())
CALLS = list(specs(Kind.COMMAND, Kind.QUERY))
EVENTS = list(specs(Kind.EVENT))


def name_of(spec: Spec) -> str:
    """The name of a test's case."""
    return spec.name


@pytest.fixture(autouse=True)
def _forget_what_a_test_registers(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(message.REGISTRY, "_calls", dict(message.REGISTRY._calls))
    monkeypatch.setattr(message.REGISTRY, "_events", dict(message.REGISTRY._events))
    with mock.patch.dict(message._by_type):
        yield


def register(name: str) -> type[Command[Done]]:
    """Register a command of this test."""

    @command(name, permission=Permission.PLAY, limit=Limit.ACTION)
    class Something(Command[Done], frozen=True):
        """Does something."""

    return Something


def test_what_is_registered_is_found_by_name_and_by_type() -> None:
    something = register("tests.do")
    spec = find("tests.do")
    assert spec is not None
    assert spec is spec_of(something)
    assert (spec.kind, spec.reply, spec.domain, spec.doc) == (
        Kind.COMMAND,
        Done,
        "tests",
        "Does something.",
    )


def test_a_name_is_registered_once() -> None:
    register("tests.do")
    with pytest.raises(ValueError, match="already"):
        register("tests.do")


def test_a_type_is_registered_once() -> None:
    something = register("tests.do")
    with pytest.raises(ValueError, match="already"):
        command("tests.other", permission=Permission.PLAY, limit=Limit.ACTION)(something)


def test_a_name_has_a_domain_and_a_verb() -> None:
    with pytest.raises(ValueError, match=r"domain\.verb"):
        register("nodot")


def test_a_message_needs_a_docstring() -> None:
    with pytest.raises(ValueError, match="docstring"):

        @query("tests.ask", permission=Permission.PLAY)
        class Ask(Query[Done], frozen=True):
            pass


def test_a_command_derived_from_a_command_is_refused() -> None:
    something = register("tests.do")
    with pytest.raises(TypeError, match="directly"):

        @command("tests.more", permission=Permission.PLAY, limit=Limit.ACTION)
        class More(something, frozen=True):  # type: ignore[valid-type,misc]
            """Would inherit a reply."""


def test_a_query_cannot_be_registered_as_a_command() -> None:
    with pytest.raises(TypeError, match="Command"):

        @command("tests.ask", permission=Permission.PLAY, limit=Limit.ACTION)
        class Ask(Query[Done], frozen=True):
            """Asks."""


def test_an_unknown_name_is_nothing() -> None:
    assert find("tests.nothing") is None
    assert find("") is None


def test_an_event_says_its_room() -> None:
    @event("tests.happened", delivery=KEPT)
    class Happened(Event, frozen=True, kw_only=True):
        """It happened."""

    with pytest.raises(NotImplementedError):
        Happened().room()


@pytest.mark.parametrize("spec", ALL, ids=name_of)
def test_names_are_a_domain_and_a_word(spec: Spec) -> None:
    assert re.fullmatch(r"[a-z]+\.[a-z]+(_[a-z]+)*", spec.name)


@pytest.mark.parametrize("spec", CALLS, ids=name_of)
def test_calls_have_a_permission_a_limit_and_a_reply(spec: Spec) -> None:
    assert spec.permission in Permission
    assert spec.limit in RATES
    assert spec.reply is not None
    assert spec.delivery is None


@pytest.mark.parametrize("spec", CALLS, ids=name_of)
def test_calls_take_no_fields_but_their_own(spec: Spec) -> None:
    assert spec.type.__struct_config__.forbid_unknown_fields
    assert spec.type.__struct_config__.frozen
    has_request_id = "request_id" in spec.type.__struct_fields__
    assert has_request_id == (spec.kind is Kind.COMMAND)


@pytest.mark.parametrize("spec", EVENTS, ids=name_of)
def test_events_have_a_delivery_and_a_room(spec: Spec) -> None:
    assert spec.delivery in Delivery
    assert spec.permission is None
    assert spec.limit is None
    assert isinstance(example(spec.type).room(), str)


@pytest.mark.parametrize("spec", ALL, ids=name_of)
def test_messages_and_replies_come_back_from_their_json(spec: Spec) -> None:
    for kind in filter(None, (spec.type, spec.reply)):
        value = example(kind)
        assert msgspec.json.decode(encode(value), type=kind) == value


def example(kind: Any) -> Any:
    """A value of a type, from its description: the least it may hold."""
    info = msgspec.inspect.type_info(kind)
    return msgspec.convert(_of(info), kind, strict=False)


def _of(info: Any) -> Any:
    match info:
        case msgspec.inspect.Metadata():
            value = _of(info.type)
        case msgspec.inspect.StructType():
            value = {f.encode_name: _of(f.type) for f in info.fields if f.required}
        case msgspec.inspect.StrType():
            value = (uuid7() if info.pattern else "x")[: info.max_length]
        case msgspec.inspect.IntType() | msgspec.inspect.FloatType():
            value = info.ge or 0
        case msgspec.inspect.BoolType():
            value = True
        case msgspec.inspect.EnumType():
            value = next(iter(info.cls)).value
        case msgspec.inspect.UnionType():
            value = _of(info.types[0])
        case msgspec.inspect.ListType() | msgspec.inspect.VarTupleType():
            value = [_of(info.item_type)]
        case msgspec.inspect.DictType():
            value = {"key": _of(info.value_type)}
        case msgspec.inspect.RawType() | msgspec.inspect.AnyType():
            value = {}
        case _:
            raise NotImplementedError(info)
    return value


def test_every_class_of_limit_has_a_rate() -> None:
    assert set(RATES) == set(Limit)
    assert all(rate > 0 and burst >= 1 for rate, burst in RATES.values())


def test_an_event_of_a_log_is_not_told_without_its_number() -> None:
    event = PlayerReturned(battle_id=uuid7(), player_id=uuid7())
    with pytest.raises(ValueError, match=r"battles\.player_returned"):
        OutgoingEvent.of(event, "")
    assert OutgoingEvent.of(event, "", 7).seq == 7


def test_a_reason_comes_with_its_code_and_its_details() -> None:
    there = SeatedElsewhere("b1")
    failure = refused(BattleReason.SEATED_ELSEWHERE, "there", there)
    assert failure.error.details == {"battle_id": "b1"}
    assert refused(BattleReason.FULL, "full").error.details is None
    for wrong in (
        lambda: refused(BattleReason.SEATED_ELSEWHERE, "where?"),
        lambda: refused(BattleReason.FULL, "full", there),
        lambda: conflict(BattleReason.FULL, "full"),
        lambda: refused(RequestReason.REQUEST_ID_REUSED, "reused"),
    ):
        with pytest.raises(TypeError, match="comes with"):
            wrong()


def test_a_message_answers_with_the_reasons_that_it_declares() -> None:
    attack, get = find("battles.attack"), find("battles.get")
    assert attack is not None
    assert get is not None
    down = refused(BattleReason.DOWN, "down")
    reused = conflict(RequestReason.REQUEST_ID_REUSED, "reused")
    for fault in (down, reused, busy("later"), forbidden("no"), ValueError("ours")):
        assert attack.checked(fault) is fault
    nameless = Failure(msgspec.structs.replace(down.error, reason=None))
    misplaced = Failure(msgspec.structs.replace(busy("later").error, reason="down"))
    undeclared = [(attack, refused(BattleReason.FULL, "full")), (attack, nameless)]
    undeclared += [(attack, misplaced), (get, down), (get, reused)]
    for spec, fault in undeclared:
        found = spec.checked(fault)
        assert isinstance(found, message.UndeclaredReason)
        assert found.__cause__ is fault
        assert spec.name in str(found)
