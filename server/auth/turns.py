"""Whose password is computed next, where more wait than there are threads."""

import asyncio
from collections import OrderedDict, deque
from enum import Enum
from typing import Final

import msgspec

from protocol.errors import Failure, busy

MAX_WAITING: Final = 64
RETRY_AFTER_MS: Final = 2000


class HashKind(Enum):
    """What a password is computed for, the most urgent first.

    A registration can wait: a client that registers has nothing open yet. What an operator sets
    counts as a log-in.
    """

    LOG_IN = "log-ins"
    REGISTRATION = "registrations"


LOG_INS_IN_A_ROW: Final = 7
"""After so many a registration that waits is next: a flood of log-ins holds up none for ever."""
MAX_OF_NETWORK: Final = {HashKind.LOG_IN: 32, HashKind.REGISTRATION: 32}
"""So many may wait from one network: a class of pupils registers or logs in at once."""


class _Waiting(msgspec.Struct, eq=False):
    """One that waits. The future gives the turn, or raises the reason why it will not come."""

    network: str
    kind: HashKind
    turn: asyncio.Future[None]


Lines = OrderedDict[str, deque[_Waiting]]
"""Who waits from each network, that network first whose turn is next. None is empty."""


class Turns:
    """A fair queue in front of a few threads.

    Log-ins go before registrations, LOG_INS_IN_A_ROW of them at most. Within a kind the networks
    take turns, so that a client waits for others of its own network and for one of each other
    network, however many wait there.
    Source: J. Nagle, RFC 970, 3 (fair queueing by source); a full queue drops from the longest
    line, as in P. McKenney, Stochastic Fairness Queueing, 1990.
    """

    def __init__(self, at_once: int) -> None:
        self._free = at_once
        self._waiting: dict[HashKind, Lines] = {kind: OrderedDict() for kind in HashKind}
        self._count = 0
        self._in_a_row = 0  # log-ins that went before a registration that waits

    async def take(self, network: str, kind: HashKind) -> None:
        """Wait for a turn. Give it back with `leave`. Raises Failure `busy`, and as `close` says.

        A caller that is cancelled leaves the queue.
        """
        if self._free:  # then nobody waits
            self._free -= 1
            return
        self._make_room(network, kind)
        waiting = _Waiting(network, kind, asyncio.get_running_loop().create_future())
        self._waiting[kind].setdefault(network, deque()).append(waiting)
        self._count += 1
        try:
            await waiting.turn
        except asyncio.CancelledError:
            if waiting.turn.cancelled():
                self._remove(waiting)
            elif waiting.turn.exception() is None:
                self.leave()  # it was this one's turn at the same moment
            raise

    def leave(self) -> None:
        """A turn has ended: it is the next one's."""
        while (waiting := self._next()) is not None:
            if not waiting.turn.done():  # it is cancelled, and has not come to say so
                waiting.turn.set_result(None)
                return
        self._free += 1

    def _next(self) -> _Waiting | None:
        """Take the first of all out of the queue."""
        kinds = list(HashKind)
        if self._in_a_row >= LOG_INS_IN_A_ROW:
            kinds.reverse()
        for kind in kinds:
            lines = self._waiting[kind]
            if lines:
                passes = kind is HashKind.LOG_IN and bool(self._waiting[HashKind.REGISTRATION])
                self._in_a_row = self._in_a_row + 1 if passes else 0
                network, line = lines.popitem(last=False)
                first = line.popleft()
                if line:
                    lines[network] = line
                self._count -= 1
                return first
        return None

    def close(self, why: Failure) -> None:
        """Nobody's turn comes any more."""
        while (waiting := self._next()) is not None:
            _refuse(waiting, why)

    def _make_room(self, network: str, kind: HashKind) -> None:
        """Raises Failure `busy` where there is no room for one more.

        Where all is full, the newest of the longest line goes: of registrations first, and of the
        same kind only where that line stays as long as the one that grows.
        """
        mine = len(self._waiting[kind].get(network, ()))
        if mine >= MAX_OF_NETWORK[kind]:
            raise _busy(f"more than {mine} {kind.value} of one network are pending; retry")
        if self._count < MAX_WAITING:
            return
        for other in reversed(HashKind):
            lines = self._waiting[other]
            longest = max(lines.values(), key=len, default=deque())
            if longest and (other is not kind or len(longest) > mine + 1):
                last = longest[-1]
                self._remove(last)
                _refuse(last, _busy("too many password hashes are pending; retry"))
                return
            if other is kind:
                break  # a registration takes no log-in's place
        raise _busy("too many password hashes are pending; retry")

    def _remove(self, waiting: _Waiting) -> None:
        """Take one out of the queue, if it is still there."""
        lines = self._waiting[waiting.kind]
        line = lines.get(waiting.network)
        if line is None or waiting not in line:
            return
        line.remove(waiting)
        if not line:
            del lines[waiting.network]
        self._count -= 1


def _refuse(waiting: _Waiting, why: Failure) -> None:
    """Tell one that waits that its turn will not come."""
    if not waiting.turn.done():
        waiting.turn.set_exception(why)


def _busy(words: str) -> Failure:
    return busy(words, retry_after_ms=RETRY_AFTER_MS)
