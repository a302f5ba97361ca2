"""The registry of open connections: in order, counted, and cheap however many there are."""

import random
from typing import Any

from protocol.ids import uuid7
from protocol.permissions import Role, granted
from server.gateway import Identity
from server.gateway.presence import ConnectionRegistry, Present
from tests.support.lines import Line

NUMBER = 300


def line(who: str, role: Role | None = Role.PLAYER) -> Line:
    """A connection of somebody, or of a service."""
    return Line(Identity(who, who, granted(role or Role.VIEWER), role))


def test_connections_come_in_pages_newest_first_whoever_goes_meanwhile() -> None:
    registry, rolls = ConnectionRegistry(), random.Random(7)
    there: list[Any] = []
    for n in range(NUMBER):
        there.append(line(f"p{n % 40}"))
        registry.add(there[-1])
        if n % 3 == 2:
            registry.remove(there.pop(rolls.randrange(len(there))))
    seen: list[Any] = []
    before = None
    while page := registry.newest(7, before):
        assert len(page) <= 7
        seen += page
        before = page[-1].number
        if gone := next((c for c in there if c not in seen), None):
            there.remove(gone)
            registry.remove(gone)
    assert seen == there[::-1]


def test_people_and_services_are_counted_once() -> None:
    registry = ConnectionRegistry()
    lines = [line("ada"), line("ada"), line("ben"), line("robot", None), line("robot", None)]
    for one in lines:
        registry.add(one)
    assert registry.present == Present(people=2, services=1, connections=5)
    for one in (*lines[::2], lines[0]):  # the first again: it is gone already
        registry.remove(one)
    assert registry.present == Present(people=1, services=1, connections=2)


def test_what_is_closed_or_gone_is_not_found() -> None:
    registry, open_one, closed = ConnectionRegistry(), line("ada"), line("ben")
    for one in (open_one, closed):
        registry.add(one)
    closed.close()
    assert registry.find(open_one.id) is open_one
    assert registry.find(closed.id) is None
    registry.remove(open_one)
    assert registry.find(open_one.id) is None
    assert registry.find(uuid7()) is None
