"""In which order the statements of a batch are sent, so that they take few round trips.

Statements of one kind go out together, in the order of their units. Those of a unit keep their
order, as other processes may wait for its locks, and so do those of different units that may touch
the same row. So there is one round trip a kind, and more only where kinds would have to be both
before and after each other.
"""

from collections.abc import Sequence
from typing import NamedTuple

from server.database.footprint import Places, clashes
from server.database.statement import Row, Statement
from server.database.work import Change, Work


class Sent(NamedTuple):
    """A statement of a unit."""

    unit: Work
    change: Change


Trip = tuple[Statement, list[Sent]]
"""What one round trip carries: executions of one statement, in order."""

_Last = dict[Row, int]
"""By values of the statements of one kind: the last of them with these values."""


class _Kind:
    """The statements of one kind that have not been sent, by their places among all."""

    __slots__ = ("behind", "blocked", "last", "unsent")

    def __init__(self) -> None:
        self.unsent: list[int] = []
        self.blocked = 0  # so many of them wait for statements of other kinds
        self.behind: list[tuple[_Last, Places]] = []  # where each finds what it comes behind
        self.last: list[tuple[_Last, Places]] = []  # where others find it


def trips(sent: Sequence[Sent]) -> list[Trip]:
    """The round trips of statements that are given in order.

    What comes of them is what would of the statements one after another. Raises TypeError where a
    value is of no type that a database takes.
    """
    kinds = _kinds(sent)
    if not any(kind.last for kind in kinds.values()) and (found := _in_turn(sent)) is not None:
        return found
    behind = _order(sent, kinds)
    waits: dict[int, int] = {}  # for so many statements of other kinds
    followers: dict[int, list[int]] = {}
    for place, before in behind.items():
        statement = sent[place].change.statement
        others = [other for other in before if sent[other].change.statement is not statement]
        if others:
            waits[place] = len(others)
            kinds[statement].blocked += 1
        for other in others:
            followers.setdefault(other, []).append(place)
    found = []
    while kinds:
        statement, going = _next(kinds, waits, behind)
        found.append((statement, [sent[place] for place in going]))
        for place in going:
            for follower in followers.get(place, ()):
                waits[follower] -= 1
                if not waits[follower]:
                    kinds[sent[follower].change.statement].blocked -= 1
        kind = kinds[statement]
        if len(going) == len(kind.unsent):
            del kinds[statement]
        else:
            gone = set(going)
            kind.unsent = [place for place in kind.unsent if place not in gone]
    return found


def _in_turn(sent: Sequence[Sent]) -> list[Trip] | None:
    """The kinds in the order in which they come up, if that is their order in each unit."""
    found: dict[Statement, tuple[int, list[Sent]]] = {}
    before: tuple[Work | None, int] = None, 0
    for each in sent:
        unit, change = each
        number, its = found.setdefault(change.statement, (len(found), []))
        if unit is before[0] and number < before[1]:
            return None
        before = unit, number
        its.append(each)
    return [(statement, its) for statement, (_, its) in found.items()]


def _kinds(sent: Sequence[Sent]) -> dict[Statement, _Kind]:
    """The kinds of statements, in the order in which they come up."""
    kinds = {change.statement: _Kind() for _, change in sent}
    for earlier, kind in kinds.items():
        lasts: dict[Places, _Last] = {}
        for later, other in kinds.items():
            for before, after in clashes(earlier, later) if later is not earlier else ():
                other.behind.append((lasts.setdefault(before, {}), after))
        # Those with the same values keep their order: to be behind the last is to be behind all.
        kind.last = [(last, places) for places, last in lasts.items()]
        kind.behind += kind.last
    return kinds


def _order(sent: Sequence[Sent], kinds: dict[Statement, _Kind]) -> dict[int, set[int]]:
    """What each statement comes behind, by their places."""
    behind: dict[int, set[int]] = {}
    unit: Work | None = None
    for place, (its, change) in enumerate(sent):
        kind = kinds[change.statement]
        kind.unsent.append(place)
        before = {place - 1} if its is unit else set()
        unit = its
        for last, places in kind.behind:
            found = last.get(_picked(change.values, places))
            if found is not None:
                before.add(found)
        for last, places in kind.last:
            last[_picked(change.values, places)] = place
        if before:
            behind[place] = before
    return behind


def _next(
    kinds: dict[Statement, _Kind], waits: dict[int, int], behind: dict[int, set[int]]
) -> tuple[Statement, list[int]]:
    """The statements that go next: all of a kind where that is possible, or as many as it is."""
    most: tuple[Statement, list[int]] | None = None
    for statement, kind in kinds.items():
        if not kind.blocked:
            return statement, kind.unsent
        held: set[int] = set()
        going: list[int] = []
        for place in kind.unsent:
            if waits.get(place) or not held.isdisjoint(behind.get(place, ())):
                held.add(place)
            else:
                going.append(place)
        if most is None or len(going) > len(most[1]):
            most = statement, going
    assert most is not None
    return most


def _picked(values: Row, places: Places) -> Row:
    return tuple([None if place is None else values[place] for place in places])
