"""How long a message may take: what takes longer is answered `timed_out`.

A timer a message would cost every one of them; so one watcher sleeps until the oldest is due.
"""

import asyncio
from types import TracebackType
from typing import Any, Final

from protocol.errors import Code, Error, Failure
from server.runtime.clock import Clock

_LATE: Final = -1.0


class Deadlines:
    """The messages that are being answered: each within `with deadlines:` of its task.

    One that is late is cancelled there, which raises Failure `timed_out`. What it has queued is
    committed all the same: a retry with its `request_id` finds that out.
    """

    def __init__(self, clock: Clock, limit_s: float) -> None:
        self._clock = clock
        self._limit_s = limit_s
        self._due: dict[asyncio.Task[Any], float] = {}  # the oldest first

    def __enter__(self) -> None:
        self._due[_task()] = self._clock.monotonic() + self._limit_s

    def __exit__(
        self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None
    ) -> None:
        task = _task()
        late = self._due.pop(task) == _LATE
        if late and task.uncancel() == 0 and kind is asyncio.CancelledError:
            text = f"no answer within {self._limit_s:g} s; it may be carried out all the same"
            raise Failure(Error(Code.TIMED_OUT, text))

    async def watch(self) -> None:
        """Cancel what is late, for ever. A service."""
        while True:
            oldest = next((due for due in self._due.values() if due != _LATE), None)
            now = self._clock.monotonic()
            # What begins while nothing is under way is not due before this wakes.
            await self._clock.sleep(self._limit_s if oldest is None else oldest - now)
            now = self._clock.monotonic()
            for task, due in self._due.items():
                if due > now:
                    break
                if due != _LATE:
                    self._due[task] = _LATE
                    task.cancel()


def _task() -> asyncio.Task[Any]:
    task = asyncio.current_task()
    assert task is not None
    return task
