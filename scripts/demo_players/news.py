"""What the terminal is told while the demo runs."""

import time
from collections import Counter
from typing import Final

KINDS: Final = (
    ("strikes", "strikes"),
    ("chat", "lines of chat"),
    ("rewards", "rewards claimed"),
    ("levels", "levels gained"),
    ("drops", "drop-outs"),
)


class News:
    """Counts everything, and prints what is worth a line."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._since = time.monotonic()

    def count(self, kind: str) -> None:
        """One more."""
        self.counts[kind] += 1

    def tell(self, who: str, what: str) -> None:
        """One line."""
        print(f"  {time.strftime('%H:%M:%S')}  {who} {what}", flush=True)

    def summary(self) -> str:
        """All that happened."""
        told = ", ".join(f"{self.counts[kind]} {words}" for kind, words in KINDS)
        return f"In {time.monotonic() - self._since:.0f} s: {told}."
