"""Refreshes, retries, log-outs and a clock that is set, in any order, on a real database.

Every operation stops before and after each read that it decides on. What hypothesis draws says
which of them go on together, and what the clock does meanwhile.
"""

import asyncio
import itertools
from collections.abc import Callable
from contextvars import ContextVar
from pathlib import Path
from typing import Any, Final

import hypothesis.strategies as st
from hypothesis import given, settings

from protocol.errors import Code, Failure
from server.auth import Auth
from server.auth.refresh_tokens import CLOCKS_APART_MS, REUSE_GRACE_MS, within_grace
from server.auth.store import digest
from tests.support.engines import rows
from tests.support.lines import accepted
from tests.support.processes import Process, process

STEPS_MS: Final = (1, 4_000, REUSE_GRACE_MS, REUSE_GRACE_MS + 1, -4_000, -CLOCKS_APART_MS,
                   -CLOCKS_APART_MS - 1)  # fmt: skip
FEW: Final = st.integers(0, 4)
ACTIONS: Final = st.lists(
    st.one_of(
        st.tuples(st.just("refresh"), FEW),
        st.tuples(st.just("refresh to the end"), FEW),
        st.tuples(st.just("go"), st.lists(FEW, min_size=1, max_size=5)),
        st.tuples(st.just("finish"), st.lists(FEW, min_size=1, max_size=5)),
        st.tuples(st.just("clock"), st.sampled_from(STEPS_MS)),
        st.tuples(st.just("log_out"), FEW),
    ),
    max_size=24,
)


class Operation:
    """A refresh or a log-out that goes on when it is told to."""

    def __init__(self, token: str, now: int, *, was_used: bool) -> None:
        self.token = token
        self.was_used = was_used  # it had been traded, and the reply had come, before this began
        self.times = [now]
        self.task: asyncio.Task[Any]
        self._stopped = asyncio.Event()
        self._go = asyncio.Event()

    async def stop(self) -> None:
        """Wait to be told to go on."""
        self._stopped.set()
        await self._go.wait()
        self._go.clear()

    async def go_on(self) -> None:
        """Let it go on, and wait until it stops again or ends."""
        self._stopped.clear()
        self._go.set()
        await self.until_it_stops()

    async def until_it_stops(self) -> None:
        """Wait for that."""
        stopped = asyncio.create_task(self._stopped.wait())
        await asyncio.wait({self.task, stopped}, return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()


CURRENT: Final[ContextVar[Operation | None]] = ContextVar("operation", default=None)


def stops(call: Callable[..., Any]) -> Callable[..., Any]:
    """A read before and after which an operation stops."""

    async def stopping(*given: Any) -> Any:
        operation = CURRENT.get()
        if operation is None:
            return await call(*given)
        await operation.stop()
        found = await call(*given)
        await operation.stop()
        return found

    return stopping


class LogIn:
    """One log-in, and all that is done with it."""

    def __init__(self, here: Process, refresh_token: str) -> None:
        self._here = here
        self.tokens = [refresh_token]
        self.access_tokens: list[str] = []
        self.refreshes: list[Operation] = []
        self.log_outs: list[Operation] = []
        self.used: dict[str, str] = {}

    @property
    def _running(self) -> list[Operation]:
        all_of_them = (*self.refreshes, *self.log_outs)
        return [operation for operation in all_of_them if not operation.task.done()]

    async def do(self, action: str, value: Any) -> None:
        """Do one thing that was drawn."""
        if action == "clock":
            self._here.clock._now_ms += value
            for operation in self._running:
                operation.times.append(self._here.clock.now_ms())
        elif action in ("go", "finish"):
            if running := self._running:
                chosen = [running[place] for place in {n % len(running) for n in value}]
                await self._go_on(chosen)
                while action == "finish" and any(not one.task.done() for one in chosen):
                    await self._go_on(chosen)
        else:
            token = self.tokens[value % len(self.tokens)]
            begin = self._log_out if action == "log_out" else self._refresh
            operation = Operation(token, self._here.clock.now_ms(), was_used=token in self.used)
            operation.task = asyncio.create_task(begin(operation))
            (self.log_outs if action == "log_out" else self.refreshes).append(operation)
            await operation.until_it_stops()
            while action == "refresh to the end" and not operation.task.done():
                await operation.go_on()

    async def end(self) -> None:
        """Let all that runs come to its end."""
        while running := self._running:
            await self._go_on(running)

    @staticmethod
    async def _go_on(operations: list[Operation]) -> None:
        """Let some go on together, those of them that have not ended."""
        await asyncio.gather(*(one.go_on() for one in operations if not one.task.done()))

    async def _refresh(self, operation: Operation) -> str | None:
        CURRENT.set(operation)
        try:
            found = (await self._here.app.service(Auth).refresh(operation.token)).tokens
        except Failure as e:
            assert e.error.code is Code.UNAUTHENTICATED
            return None
        self.access_tokens.append(found.access_token)
        first = self.used.setdefault(operation.token, found.refresh_token)
        assert found.refresh_token == first, "another successor"
        if found.refresh_token not in self.tokens:
            self.tokens.append(found.refresh_token)
        return found.refresh_token

    async def _log_out(self, operation: Operation) -> None:
        CURRENT.set(operation)
        await self._here.app.service(Auth).log_out(operation.token)


async def check(here: Process, log_in: LogIn) -> None:
    """What holds, whatever the order was."""
    query = "select token_hash, used_at, revoked from refresh_tokens"
    stored = {row[0]: row[1:] for row in await rows(here.app.settings.database, query)}
    found = [stored[digest(token)] for token in log_in.tokens]
    ended = any(revoked for _, revoked in found)
    assert all(revoked for _, revoked in found) == ended
    assert [token for token in log_in.tokens if stored[digest(token)][0] is not None] == [
        token for token in log_in.tokens if token in log_in.used
    ]
    late = False
    for operation in log_in.refreshes:
        used_at = stored[digest(operation.token)][0]
        in_grace = [used_at is None or within_grace(used_at, now) for now in operation.times]
        late |= not all(in_grace)
        refused = operation.task.result() is None
        assert ended or not refused
        assert refused or any(in_grace)
        if operation.was_used and not any(in_grace):
            assert refused
            assert ended
    for operation in log_in.log_outs:
        assert operation.task.exception() is None
    if log_in.log_outs:
        assert ended
    elif not late:
        assert not ended
        assert all(operation.task.result() is not None for operation in log_in.refreshes)
    if ended:
        for access_token in log_in.access_tokens:
            assert not await accepted(here.app, token=access_token)
    else:
        (unused,) = [token for token in log_in.tokens if token not in log_in.used]
        newest = await here.app.service(Auth).refresh(unused)
        assert await accepted(here.app, token=newest.tokens.access_token)


def test_whatever_the_order_one_successor_is_given_and_only_late_reuse_ends_a_log_in(
    tmp_path: Path,
) -> None:
    numbers = itertools.count()
    with asyncio.Runner() as runner:
        opening = process(tmp_path)
        here = runner.run(opening.__aenter__())
        auth = here.app.service(Auth)
        auth._logins.find = stops(auth._logins.find)  # type: ignore[method-assign]
        auth._users.by_id = stops(auth._users.by_id)  # type: ignore[method-assign]

        async def play(actions: list[tuple[str, Any]]) -> None:
            person = await here.person(f"user-{next(numbers)}")
            log_in = LogIn(here, person.tokens.refresh_token)
            for action, value in actions:
                await log_in.do(action, value)
            await log_in.end()
            await check(here, log_in)

        @settings(max_examples=100, deadline=None, database=None)
        @given(ACTIONS)
        def every_order(actions: list[tuple[str, Any]]) -> None:
            runner.run(play(actions))

        try:
            every_order()
        finally:
            runner.run(opening.__aexit__(None, None, None))
