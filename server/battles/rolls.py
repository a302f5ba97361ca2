"""Chance that can be repeated: the numbers follow from a seed and a place in the log."""

from collections.abc import Sequence
from hashlib import blake2b
from struct import Struct
from typing import Final, TypeVar

T = TypeVar("T")

_NUMBERS: Final = Struct(">8Q").unpack
"""Those of one digest. They are given out from the last one on."""


class Rolls:
    """The rolls of one decision.

    `seed` is the battle's own and secret until it is over: whoever knows it knows what will be
    rolled. `seq` is the battle's when the decision is taken, so the event numbered n that a
    decision begins with can be decided again, and compared, with Rolls(seed, n - 1).
    """

    __slots__ = ("_digests", "_left", "_seed", "_seq")

    def __init__(self, seed: str, seq: int) -> None:
        self._seed = seed
        self._seq = seq
        self._digests = 0
        self._left: list[int] = []

    def next(self) -> float:
        """The next number, uniform in [0, 1)."""
        left = self._left
        if not left:
            digest = blake2b(f"{self._seed}:{self._seq}:{self._digests}".encode()).digest()
            left = self._left = list(_NUMBERS(digest))
            self._digests += 1
        # 53 bits are what a float holds exactly: more would round up to 1.0 now and then.
        return (left.pop() >> 11) / (1 << 53)

    def choice(self, options: Sequence[T]) -> T:
        """One of the options, each as likely. Takes one number. Raises IndexError for none."""
        return options[int(self.next() * len(options))]
