"""A registry beside the server's own, and how its messages stand on the wire."""

import pytest

from protocol.message import (
    KEPT,
    REGISTRY,
    Command,
    Done,
    Event,
    Kind,
    Limit,
    Query,
    Registry,
    find,
    spec_of,
    specs,
)
from protocol.permissions import Permission
from server.conformance.messages import REGISTRY as CONFORMANCE
from server.gateway import unhandled


def test_what_stands_in_one_is_not_in_another() -> None:
    other = Registry()

    @other.query("tests.ask", permission=Permission.PLAY)
    class Ask(Query[Done], frozen=True):
        """Asks."""

    assert other.find("tests.ask") is spec_of(Ask)
    assert [spec.type for spec in other.specs()] == [Ask]
    assert find("tests.ask") is None
    assert REGISTRY.find("tests.ask") is None
    assert unhandled(other) == ["tests.ask"]


def test_a_type_stands_in_one_registry() -> None:
    one, other = Registry(), Registry()

    @one.command("tests.do", permission=Permission.PLAY, limit=Limit.ACTION)
    class Do(Command[Done], frozen=True):
        """Does."""

    with pytest.raises(ValueError, match="already"):
        other.command("tests.do", permission=Permission.PLAY, limit=Limit.ACTION)(Do)


def test_a_name_without_a_dot_is_declared() -> None:
    undotted = Registry(dotted=False)

    @undotted.command("strike", permission=Permission.PLAY, limit=Limit.ACTION)
    class Strike(Command[Done], frozen=True):
        """Strikes."""

    @undotted.event("strike", delivery=KEPT)
    class Struck(Event, frozen=True):
        """Has struck."""

    assert undotted.find("strike") is spec_of(Strike)
    assert [spec.type for spec in undotted.specs(Kind.EVENT)] == [Struck]
    with pytest.raises(ValueError, match="already"):

        @undotted.command("strike", permission=Permission.PLAY, limit=Limit.ACTION)
        class Again(Command[Done], frozen=True):
            """Strikes again."""


def test_an_event_of_a_registry_with_dots_has_a_name_of_its_own() -> None:
    registry = Registry()

    @registry.query("tests.ask", permission=Permission.PLAY)
    class Ask(Query[Done], frozen=True):
        """Asks."""

    with pytest.raises(ValueError, match="already"):

        @registry.event("tests.ask", delivery=KEPT)
        class Asked(Event, frozen=True):
            """Has asked."""


def test_the_servers_own_is_as_the_document_says() -> None:
    assert list(specs()) == list(REGISTRY.specs())


def test_conformance_mode_answers_all_it_knows() -> None:
    assert unhandled(CONFORMANCE) == []
    calls = [spec.name for spec in CONFORMANCE.specs(Kind.COMMAND, Kind.QUERY)]
    assert calls == ["attack", "bcast", "echo", "join"]
    assert not {spec.name for spec in specs()} & {spec.name for spec in CONFORMANCE.specs()}
