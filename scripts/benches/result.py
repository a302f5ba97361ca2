"""Figures of paired rounds, and the table of them."""

from dataclasses import dataclass, field
from statistics import median


def percentile(ordered: list[float], share: float) -> float:
    """The value that so much of a sorted list is not above."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


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
        return [self.name, f"{median(self.base):.2f}", f"{median(self.other):.2f}", change, bar]


@dataclass
class Result:
    """All figures of a bench. `sides` names the two that are compared."""

    title: str
    sides: tuple[str, str]
    figures: list[Figure] = field(default_factory=list)

    @property
    def within_bars(self) -> bool:
        """Whether all bars are held."""
        return all(figure.within_bar for figure in self.figures)

    def table(self) -> str:
        """The table, in Markdown: medians over all rounds."""
        rows = [
            ["", *self.sides, "change", "bar"],
            ["---", "---:", "---:", "---:", "---"],
            *(figure.row() for figure in self.figures),
        ]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = (
            "| " + " | ".join(map(str.ljust, row, widths)) + " |"  # padded for who reads it as text
            for row in rows
        )
        return "\n".join([self.title, "", *lines])
