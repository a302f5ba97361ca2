"""In which order the statements of a batch are sent, so that they take few round trips.

Statements of one kind go out together, in the order of their units. Those that may touch the same
row as others keep their place among these; so the number of round trips is that of the kinds, and
grows only where the same rows are changed by several kinds in turns.
"""

from collections.abc import Iterable, Sequence
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
"""By values of the statements of one kind: the last round trip that carries such."""


class _Kind(NamedTuple):
    """What must be known to give the statements of one kind their places."""

    trips: list[int]  # those that carry the kind
    behind: list[tuple[_Last, Places, int]]  # what they must be behind, and by how many trips
    last: dict[Places, _Last]  # what others must be behind


def trips(all_sent: Iterable[Sent]) -> list[Trip]:
    """The round trips of statements in order.

    What comes of them is what would of the statements one after another: only those change places
    that touch no row in common. Raises TypeError where a value is of no type that a database takes.
    """
    found: list[Trip] = []
    all_sent = list(all_sent)
    kinds = _kinds(list(dict.fromkeys([sent.change.statement for sent in all_sent])))
    for sent in all_sent:
        statement, values = sent.change.statement, sent.change.values
        kind = kinds[statement]
        least = 0
        for last, places, step in kind.behind:
            there = last.get(_picked(values, places))
            if there is not None and there + step > least:
                least = there + step
        for number in kind.trips:
            if number >= least:
                break
        else:
            number = len(found)
            found.append((statement, []))
            kind.trips.append(number)
        found[number][1].append(sent)
        for places, last in kind.last.items():
            key = _picked(values, places)
            if last.get(key, -1) < number:
                last[key] = number
    return found


def _kinds(statements: Sequence[Statement]) -> dict[Statement, _Kind]:
    kinds = {statement: _Kind([], [], {}) for statement in statements}
    for earlier in statements:
        pairs = [(later, clashes(earlier, later)) for later in statements]
        if not any(clash for later, clash in pairs if later is not earlier):
            continue  # one round trip carries them all, in order
        for later, clash in pairs:
            for before, after in clash:
                last = kinds[earlier].last.setdefault(before, {})
                kinds[later].behind.append((last, after, int(later is not earlier)))
    return kinds


def _picked(values: Row, places: Places) -> Row:
    return tuple([None if place is None else values[place] for place in places])
