"""protocol.client: a retry is the same command, and waits for as long as the server says."""

import asyncio
import itertools
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
import socketio
import uvicorn

from protocol.battles import Leave
from protocol.client import Client
from protocol.errors import Code, Failure
from protocol.message import Done
from server.http.serving import WebServer

WITHIN_S = 20
WAIT_MS = 1500
"""Longer than the client waits by itself before it tries again."""


class Stubborn:
    """A server that answers as a test says, and remembers what it was asked and when."""

    def __init__(self) -> None:
        self.url = ""
        self.answers: list[dict[str, Any] | None] = []  # None: hang up instead
        self.asked: list[tuple[float, dict[str, Any]]] = []
        self._sio = socketio.AsyncServer(async_mode="asgi")
        self.asgi = socketio.ASGIApp(self._sio)
        self._sio.on("*", self._answer)

    async def _answer(self, _: str, sid: str, data: dict[str, Any]) -> dict[str, Any] | None:
        self.asked.append((asyncio.get_running_loop().time(), data))
        answer = self.answers.pop(0)
        if answer is None:
            await self._sio.disconnect(sid)
        return answer

    def ids(self) -> set[str]:
        """The ids of all requests."""
        return {data["request_id"] for _, data in self.asked}

    def pauses(self) -> list[float]:
        """The seconds between them."""
        times = [at for at, _ in self.asked]
        return [later - earlier for earlier, later in itertools.pairwise(times)]


OK: dict[str, Any] = {"ok": True, "data": {}}


def error(code: Code, retry_after_ms: int | None = None) -> dict[str, Any]:
    """A refusal."""
    wait = {} if retry_after_ms is None else {"retry_after_ms": retry_after_ms}
    return {"ok": False, "error": {"code": code, "message": "not now", **wait}}


@pytest.fixture
async def stubborn() -> AsyncIterator[Stubborn]:
    made = Stubborn()
    web = WebServer(uvicorn.Config(made.asgi, lifespan="off", log_config=None))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        serving = asyncio.create_task(web.serve([listener]))
        await web.listening.wait()
        made.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        yield made
        await web.end(serving)


@pytest.mark.parametrize("code", [Code.BUSY, Code.RATE_LIMITED, Code.UNAVAILABLE])
async def test_a_retry_is_the_same_request_and_comes_no_sooner_than_told(
    stubborn: Stubborn, code: Code
) -> None:
    stubborn.answers = [error(code, WAIT_MS), error(code), OK]
    async with Client(stubborn.url, service_key="key") as client, asyncio.timeout(WITHIN_S):
        assert await client.send(Leave(battle_id="b")) == Done()
    assert len(stubborn.asked) == 3
    assert len(stubborn.ids()) == 1
    told, own = stubborn.pauses()
    assert told >= WAIT_MS / 1000
    assert own > 0


async def test_what_the_connection_lost_is_sent_again_as_the_same_request(
    stubborn: Stubborn,
) -> None:
    stubborn.answers = [None, None, OK]
    async with Client(stubborn.url, service_key="key") as client, asyncio.timeout(WITHIN_S):
        assert await client.send(Leave(battle_id="b")) == Done()
    assert len(stubborn.asked) == 3
    assert len(stubborn.ids()) == 1


async def test_an_id_that_is_given_is_the_one_that_is_sent(stubborn: Stubborn) -> None:
    stubborn.answers = [error(Code.BUSY), OK]
    async with Client(stubborn.url, service_key="key") as client, asyncio.timeout(WITHIN_S):
        await client.send(Leave(battle_id="b", request_id="mine"))
    assert stubborn.ids() == {"mine"}


async def test_two_commands_are_two_requests(stubborn: Stubborn) -> None:
    stubborn.answers = [OK, OK]
    async with Client(stubborn.url, service_key="key") as client, asyncio.timeout(WITHIN_S):
        await client.send(Leave(battle_id="b"))
        await client.send(Leave(battle_id="b"))
    assert len(stubborn.ids()) == 2


@pytest.mark.parametrize("code", [Code.REFUSED, Code.CONFLICT, Code.INVALID, Code.FORBIDDEN])
async def test_what_is_refused_for_good_is_not_sent_again(stubborn: Stubborn, code: Code) -> None:
    stubborn.answers = [error(code)]
    async with Client(stubborn.url, service_key="key") as client, asyncio.timeout(WITHIN_S):
        with pytest.raises(Failure):
            await client.send(Leave(battle_id="b"))
    assert len(stubborn.asked) == 1
