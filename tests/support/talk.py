"""What a test does on a connection, whoever carries it: ask, and wait for what is told."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from tests.support.folds import Told

ANSWERS_WITHIN_S = 20


class Talk(ABC):
    """One connection, seen from the client: `events` are all that were told on it."""

    def __init__(self) -> None:
        self.events: list[Told] = []
        self._changed = asyncio.Event()

    # ---- asking

    @abstractmethod
    async def call(self, name: str, data: Any = None, **fields: Any) -> dict[str, Any]:
        """Send a message that asks for an answer, and wait for that."""

    @abstractmethod
    async def tell(self, name: str, data: Any = None, **fields: Any) -> None:
        """Send a message that asks for no answer."""

    @abstractmethod
    async def until_closed(self) -> Any:
        """Wait until the connection has ended."""

    async def patiently(self, name: str, data: Any = None, **fields: Any) -> dict[str, Any]:
        """Send a message, again whenever the server says that it was too much at once."""
        while True:
            answer = await self.call(name, data, **fields)
            if answer["ok"] or answer["error"]["code"] != "rate_limited":
                return answer
            await asyncio.sleep(answer["error"]["retry_after_ms"] / 1000)

    async def ok(self, name: str, data: Any = None, **fields: Any) -> Any:
        """The data of an answer that must be one."""
        answer = await self.patiently(name, data, **fields)
        assert answer["ok"], answer
        return answer["data"]

    async def refused(self, name: str, data: Any = None, **fields: Any) -> tuple[str, str | None]:
        """The code and the reason of an answer that must be an error."""
        answer = await self.patiently(name, data, **fields)
        assert not answer["ok"], answer
        return answer["error"]["code"], answer["error"].get("reason")

    # ---- hearing

    async def until(self, seen: Callable[[], Any]) -> Any:
        """Wait until something is seen. Raises TimeoutError."""
        async with asyncio.timeout(ANSWERS_WITHIN_S):
            while not (found := seen()):
                self._changed.clear()
                await self._changed.wait()
            return found

    def named(self, name: str) -> list[dict[str, Any]]:
        """The data of all events of a name."""
        return [data for event, data, _ in self.events if event == name]

    async def until_event(self, name: str, **fields: Any) -> dict[str, Any]:
        """Wait for an event with these fields, and get its data."""

        def found() -> dict[str, Any] | None:
            fits = (d for d in self.named(name) if all(d.get(k) == v for k, v in fields.items()))
            return next(fits, None)

        data: dict[str, Any] = await self.until(found)
        return data
