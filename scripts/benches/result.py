"""Figures of paired rounds, and the table of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

HEAD = ["medians", "compared with", "measured", "change", "bar"]


def percentile(ordered: list[float], share: float) -> float:
    """The value that so much of a sorted list is not above."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def _shown(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.2f}"


@dataclass(frozen=True)
class Figure:
    """One figure of every round: of the side to compare with, and of the other in the same pair.

    `bar` is the most that the ratio of the two may be; with `growth`, their difference.
    """

    name: str
    base: list[float]
    other: list[float]
    bar: float | None = None
    growth: bool = False

    @property
    def change(self) -> float:
        """The median over all pairs of what is compared."""
        pairs = zip(self.base, self.other, strict=True)
        if self.growth:
            return median(other - base for base, other in pairs)
        return median(other / base if base else 1.0 for base, other in pairs)

    @property
    def within_bar(self) -> bool:
        """Whether the bar is held."""
        return self.bar is None or self.change <= self.bar

    def row(self) -> list[str]:
        """Its line in the table."""
        sign = "+" if self.growth else "x"
        bar = "" if self.bar is None else f"{'ok' if self.within_bar else 'MISSED'}, {self.bar:g}"
        change = f"{'' if self.growth and self.change < 0 else sign}{self.change:.2f}"
        return [self.name, _shown(median(self.base)), _shown(median(self.other)), change, bar]


def figures(pairs: Sequence[tuple[object, object]], named: Mapping[str, str]) -> list[Figure]:
    """Figures without bars, by what each is called and its attribute of a round."""
    return [
        Figure(name, *([getattr(pair[side], about) for pair in pairs] for side in (0, 1)))
        for name, about in named.items()
    ]


@dataclass
class Result:
    """All figures of a bench. `sides` names the two that are compared, in rounds of `seconds`."""

    title: str
    seconds: float
    sides: tuple[str, str]
    figures: list[Figure] = field(default_factory=list)

    @property
    def within_bars(self) -> bool:
        """Whether all bars are held."""
        return all(figure.within_bar for figure in self.figures)

    def rows(self) -> list[list[str]]:
        """Its part of the table."""
        rounds = f"{len(self.figures[0].base)} x {self.seconds:g} s"
        head = [f"**{self.title}**", *self.sides, rounds, ""]
        return [head, *(figure.row() for figure in self.figures)]


def table(results: Sequence[Result]) -> str:
    """One table of all benches, in Markdown: medians over all rounds."""
    rows = [HEAD, *(row for result in results for row in result.rows())]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    # Padded for who reads it as text.
    lines = ["| " + " | ".join(map(str.ljust, row, widths)) + " |" for row in rows]
    rule = [":" + "-" * (widths[0] - 1), *("-" * (width - 1) + ":" for width in widths[1:4])]
    lines.insert(1, "| " + " | ".join([*rule, "-" * widths[4]]) + " |")
    return "\n".join(lines)
