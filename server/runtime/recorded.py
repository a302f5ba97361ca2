"""Metrics of what happens for every message: sums, of which families are made when asked for.

prometheus_client's own take a lock and several calls for each figure: measured, 8 % of a strike.
All of this is called in one thread.
"""

import time
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Final

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector, CollectorRegistry


class Count:
    """A counter of one set of labels: whoever counts often holds it."""

    __slots__ = ("count",)

    def __init__(self) -> None:
        self.count = 0


class Counts(Collector):
    """A counter by its labels."""

    def __init__(
        self, name: str, help_text: str, labels: Sequence[str], registry: CollectorRegistry
    ) -> None:
        self._about: Final = (name, help_text)
        self._labels: Final = labels
        self._counts: defaultdict[tuple[str, ...], Count] = defaultdict(Count)
        self._since = time.time()
        registry.register(self)

    def of(self, *labels: str) -> Count:
        """The counter of some labels."""
        return self._counts[labels]

    def add(self, *labels: str) -> None:
        """Count one."""
        self._counts[labels].count += 1

    def collect(self) -> Iterator[CounterMetricFamily]:
        """What there is to show."""
        family = CounterMetricFamily(*self._about, labels=self._labels)
        for labels, held in self._counts.items():
            family.add_metric([str(each) for each in labels], held.count, created=self._since)
        yield family


class Timed:
    """The durations of one label: how many fell into each bucket, and their sum."""

    __slots__ = ("_bounds", "buckets", "sum_s")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds = bounds
        self.buckets = [0] * (len(bounds) + 1)
        self.sum_s = 0.0

    def add(self, took_s: float) -> None:
        """Take one duration in."""
        self.buckets[bisect_left(self._bounds, took_s)] += 1
        self.sum_s += took_s


class Durations(Collector):
    """A histogram of seconds, by one label. `bounds` are the upper ends of its buckets."""

    def __init__(
        self,
        name: str,
        help_text: str,
        label: str,
        bounds: Sequence[float],
        registry: CollectorRegistry,
    ) -> None:
        self._about: Final = (name, help_text)
        self._label: Final = label
        self._bounds: Final = tuple(bounds)
        self._timed: dict[str, Timed] = {}
        self._since = time.time()
        registry.register(self)

    def of(self, label: str) -> Timed:
        """The durations of a label."""
        timed = self._timed.get(label)
        if timed is None:
            timed = self._timed[label] = Timed(self._bounds)
        return timed

    def add(self, label: str, took_s: float) -> None:
        """Take one duration in."""
        self.of(label).add(took_s)

    def collect(self) -> Iterator[HistogramMetricFamily]:
        """What there is to show."""
        family = HistogramMetricFamily(*self._about, labels=[self._label])
        ends = [*map(str, self._bounds), "+Inf"]
        for label, timed in self._timed.items():
            buckets = list(zip(ends, map(float, accumulate(timed.buckets)), strict=True))
            family.add_metric([label], buckets, timed.sum_s)
            family.add_sample(f"{family.name}_created", {self._label: label}, self._since)
        yield family
