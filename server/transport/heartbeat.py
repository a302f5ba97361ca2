"""Heartbeats: who is pinged when, and who has been silent for too long.

A timer a client would cost hundreds of bytes each. All clients are pinged at the same interval, so
whoever waits longest is due first, and one timer serves all of them.
"""

import asyncio
from collections import OrderedDict
from typing import Final, Protocol

STALLED_S: Final = 0.02
CATCH_UP_S: Final = 0.005


class Pinged(Protocol):
    """Whoever has a heartbeat."""

    def ping(self) -> None:
        """It is time to ask whether the client is there."""
        ...

    def silent(self) -> None:
        """It was asked, and has not answered in time."""
        ...

    @property
    def stood_still_s(self) -> float:
        """For how long its deadlines have stood still: see `Standstill`."""
        ...


class Heartbeat:
    """The heartbeats of all clients: a ping every `interval_s`, answered within `timeout_s`."""

    def __init__(self, interval_s: float, timeout_s: float) -> None:
        self.interval_s = interval_s
        self.timeout_s = timeout_s
        self._to_ping: OrderedDict[Pinged, float] = OrderedDict()  # when each is due
        self._to_answer: OrderedDict[Pinged, float] = OrderedDict()
        self._excused_s: dict[Pinged, float] = {}  # how much of a standstill was made up for
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0  # uvloop's handles do not say it where they are due at once

    def start(self, one: Pinged) -> None:
        """Ping somebody from now on."""
        self._to_ping[one] = asyncio.get_running_loop().time() + self.interval_s
        self._set_timer()

    def answered(self, one: Pinged) -> bool:
        """The client is there. Returns whether it was asked: else its answer changes nothing."""
        asked = self._to_answer.pop(one, None) is not None
        if asked:
            self.start(one)
        return asked

    def stop(self, one: Pinged) -> None:
        """Leave somebody alone."""
        self._to_ping.pop(one, None)
        self._to_answer.pop(one, None)
        self._excused_s.pop(one, None)

    def is_late(self, one: Pinged) -> bool:
        """Whether its time to answer is over, and the timer only just about to see that."""
        due = self._to_answer.get(one)
        return due is not None and 0 <= asyncio.get_running_loop().time() - due <= STALLED_S

    def _set_timer(self) -> None:
        lines = (self._to_ping, self._to_answer)
        due = min((next(iter(line.values())) for line in lines if line), default=None)
        if due is None or (self._timer is not None and self._timer_at <= due):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = due
        self._timer = asyncio.get_running_loop().call_at(due, self._look)

    def _look(self) -> None:
        """See who is due. Where the loop has stood still, answers may lie unread: they go first."""
        loop = asyncio.get_running_loop()
        if loop.time() - self._timer_at > STALLED_S:
            self._timer_at = loop.time() + CATCH_UP_S
            self._timer = loop.call_at(self._timer_at, self._act)
        else:
            self._act()

    def _act(self) -> None:
        self._timer = None
        now = asyncio.get_running_loop().time()
        for one in _due(self._to_answer, now):
            del self._to_answer[one]
            more_s = one.stood_still_s - self._excused_s.get(one, 0.0)
            if more_s > 0:  # its answer may be among what the server has not read
                more_s = min(more_s, self.timeout_s)
                self._excused_s[one] = self._excused_s.get(one, 0.0) + more_s
                self._to_answer[one] = now + more_s
            else:
                one.silent()
        for one in _due(self._to_ping, now):
            due = self._to_ping.pop(one)
            asked = now if now - due > STALLED_S else due
            self._to_answer[one] = asked + self.timeout_s
            one.ping()
        self._set_timer()


def _due(line: OrderedDict[Pinged, float], now: float) -> list[Pinged]:
    found = []
    for one, due in line.items():
        if due > now:
            break
        found.append(one)
    return found
