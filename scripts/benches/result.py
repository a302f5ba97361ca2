"""Figures of paired rounds, and the table of them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from statistics import median
from typing import NamedTuple

HEAD = ["medians", "compared with", "measured", "change", "bar"]


class Broken(Exception):
    """Something was lost, refused or out of order, or is not there: figures would mean nothing."""


class Asked(NamedTuple):
    """How a bench is to be run: how often, in rounds of how many seconds.

    `pair`: with the two sides that are compared and nothing beside. `clients`: so many, where the
    bench is of their number. `only`: of attacks, those with these words in their names.
    """

    rounds: int
    seconds: float
    pair: bool = False
    clients: int | None = None
    only: str = ""


def percentile(ordered: list[float], share: float) -> float:
    """The value that so much of a sorted list is not above."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def _shown(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.2f}"


class Of(StrEnum):
    """What a bar is for."""

    CHANGE = "change"
    MEASURED = "measured"


@dataclass(frozen=True)
class Bar:
    """The most that something may be, or the least."""

    value: float
    least: bool = False
    of: Of = Of.CHANGE

    def holds(self, value: float) -> bool:
        """Whether a value is within it."""
        return value >= self.value if self.least else value <= self.value

    def __str__(self) -> str:
        measured = f"{self.of} " if self.of is Of.MEASURED else ""
        return f"{measured}{'>=' if self.least else '<='} {self.value:g}"


def at_most(value: float, of: Of = Of.CHANGE) -> Bar:
    """Of the change, or of what was measured."""
    return Bar(value, of=of)


def at_least(value: float) -> Bar:
    """Of the change."""
    return Bar(value, least=True)


@dataclass(frozen=True)
class Figure:
    """One figure of every round: of the side to compare with, and of the other in the same pair.

    What changes is the ratio of the two; with `growth`, their difference. `beside` are other sides
    in the same rounds, of which it is only told how they compare.
    """

    name: str
    base: list[float]
    other: list[float]
    bar: Bar | None = None
    growth: bool = False
    beside: Sequence[list[float]] = ()

    @property
    def change(self) -> float:
        """The median over all pairs of what is compared."""
        return self._change(self.other)

    def _change(self, side: list[float]) -> float:
        pairs = zip(self.base, side, strict=True)
        if self.growth:
            return median(other - base for base, other in pairs)
        return median(other / base if base else 1.0 for base, other in pairs)

    @property
    def within_bar(self) -> bool:
        """Whether the bar is held."""
        if self.bar is None:
            return True
        measured = self.bar.of is Of.MEASURED
        return self.bar.holds(median(self.other) if measured else self.change)

    def row(self) -> list[str]:
        """Its line in the table."""
        verdict = "" if self.bar is None else f"{'ok' if self.within_bar else 'MISSED'}, {self.bar}"
        return [
            self.name,
            _shown(median(self.base)),
            _shown(median(self.other)),
            self._compared(self.other),
            verdict,
            *(self._compared(side) for side in self.beside),
        ]

    def _compared(self, side: list[float]) -> str:
        change = self._change(side)
        sign = "x" if not self.growth else "" if change < 0 else "+"
        return f"{sign}{change:.2f}"


@dataclass
class Result:
    """All figures of a bench, in rounds of `seconds`.

    `sides` names the two that are compared, then those `beside`.
    """

    title: str
    seconds: float
    sides: Sequence[str]
    figures: list[Figure] = field(default_factory=list)

    @property
    def within_bars(self) -> bool:
        """Whether all bars are held."""
        return all(figure.within_bar for figure in self.figures)

    def rows(self) -> list[list[str]]:
        """Its part of the table."""
        rounds = f"{len(self.figures[0].base)} x {self.seconds:g} s"
        base, other, *beside = self.sides
        head = [f"**{self.title}**", base, other, rounds, "", *beside]
        return [head, *(figure.row() for figure in self.figures)]


def table(results: Sequence[Result]) -> str:
    """One table of all benches, in Markdown: medians over all rounds."""
    rows = [row for result in results for row in result.rows()]
    columns = max(map(len, rows))
    head = HEAD + ["beside"] * (columns - len(HEAD))
    rows = [row + [""] * (columns - len(row)) for row in (head, *rows)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    # Padded for who reads it as text.
    lines = ["| " + " | ".join(map(str.ljust, row, widths)) + " |" for row in rows]
    rules = ["-" * (width - 1) + ":" for width in widths]
    rules[0], rules[4] = ":" + "-" * (widths[0] - 1), "-" * widths[4]
    lines.insert(1, "| " + " | ".join(rules) + " |")
    return "\n".join(lines)
