"""Floods: of messages, and of what is no message."""

import asyncio
import time
from collections.abc import Callable
from typing import Final

import aiohttp

from protocol.endings import RefusalReason
from tests.support.abuse.attack import SOCKET_IO, WEBSOCKETS, Attacks, Target
from tests.support.outside import metric
from tests.support.polling import Polling
from tests.support.websocket import NO_CLOSE, PING, PONG, frame
from tests.support.wire import Wire

FLOODS: Final = Attacks()
attack = FLOODS.attack

RATE: Final = 5000
"""A second."""
STEP_S: Final = 0.01
LIMITED_S: Final = 1.0
LET_GO_S: Final = 10.0
POLICY: Final = 1008
EVICTED: Final = 'warroom_evicted_total{reason="flooding"}'


async def pour(wire: Wire, send: Callable[[int], object], most: int) -> None:
    """Send at the rate, each with its number, until the connection is closed. It must be in time,
    and before `most` were sent: all of them may be too few for a server that only looks away."""
    begun, sent = time.monotonic(), 0
    while wire.closed is None and (passed_s := time.monotonic() - begun) < LET_GO_S:
        due = min(most, int(passed_s * RATE))
        for number in range(sent, due):
            send(number)
        sent = due
        await asyncio.sleep(STEP_S)
    assert wire.closed is not None, f"still there after {sent}"


async def is_let_go(target: Target, wire: Wire, send: Callable[[int], object]) -> None:
    """Whoever floods with messages is told to wait, then why it must go."""
    before = await metric(target.url, EVICTED)

    def is_limited() -> bool:
        if wire.closed or wire.named("server.evicted"):  # with it goes what was not read yet
            return True
        answers = (answers[0] for answers in wire.replies.values())
        # Or it was let go already, and what waited for it dropped.
        told = any(not a["ok"] and a["error"]["code"] == "rate_limited" for a in answers)
        return told or bool(wire.named("server.evicted"))

    flood = asyncio.create_task(pour(wire, send, 10_000))
    async with asyncio.timeout(LIMITED_S):
        await wire.until(is_limited)
    await flood
    assert wire.closed is not None
    if target.way != "polling":  # there the next body is refused, maybe before the next poll
        assert wire.named("server.evicted") == [{"reason": "flooding"}]
        assert wire.closed.code != NO_CLOSE
    if target.way == "plain":
        assert wire.closed.code == POLICY
    assert await metric(target.url, EVICTED) > before


async def is_refused(target: Target, wire: Wire, send: Callable[[int], object]) -> None:
    """Whoever floods with what is no message must go, and a WebSocket is told why."""
    await pour(wire, send, 10_000)
    assert wire.closed is not None
    if target.way != "polling":
        assert wire.closed == (POLICY, "flooding")


@attack("5,000 commands a second")
async def commands(target: Target) -> None:
    """One that reads, and is answered."""
    wire = await target.logged_in()
    await is_let_go(target, wire, lambda _: wire.request("players.get", {}))


@attack("10,000 joins")
async def joins(target: Target) -> None:
    """Of rooms that are not there."""
    wire = await target.logged_in()
    room = "battle:01a20622-9de7-7967-8b71-2886{:08}"
    await is_let_go(target, wire, lambda n: wire.request("rooms.join", {"room": room.format(n)}))


@attack("5,000 joins a second of one room")
async def the_same_join(target: Target) -> None:
    """Of a room that is there: each is worth a snapshot."""
    wire = await target.logged_in()
    await is_let_go(target, wire, lambda _: wire.request("rooms.join", {"room": "battles"}))


@attack("pings", RefusalReason.FLOODING, ways=WEBSOCKETS)
async def pings(target: Target) -> None:
    """Each is worth an answer as large as itself."""
    wire = await target.logged_in()
    ping = frame(b"x" * 125, PING)
    await is_refused(target, wire, lambda _: wire.write(ping))


@attack("pongs that nobody asked for", RefusalReason.FLOODING, ways=WEBSOCKETS)
async def pongs(target: Target) -> None:
    """Also of who has not logged in."""
    wire = await target.nobody()
    await is_refused(target, wire, lambda _: wire.write(frame(b"", PONG)))


@attack("answers to pings of Engine.IO, and packets that do nothing", RefusalReason.FLOODING,
        ways=SOCKET_IO)  # fmt: skip
async def noops(target: Target) -> None:
    """`3` and `6`."""
    wire = await target.logged_in()
    await is_refused(target, wire, lambda n: wire.send("36"[n % 2]))


@attack("log-ins that fail, over one connection", RefusalReason.FLOODING)
async def log_ins(target: Target) -> None:
    """Each with something else that is no token."""
    wire = await target.nobody()

    def send(number: int) -> None:
        if target.way == "plain":
            wire.request("auth.login", {"token": str(number)})
        else:
            wire.send(f'40{{"token":"{number}"}}')

    await is_refused(target, wire, send)


@attack("packets that belong to nothing, of who has not logged in", RefusalReason.FLOODING,
        ways=SOCKET_IO)  # fmt: skip
async def strays(target: Target) -> None:
    """Answers that nobody waits for."""
    wire = await target.nobody()
    await is_refused(target, wire, lambda n: wire.send(f"43{n}[]"))


@attack("messages of who has not logged in", RefusalReason.FLOODING)
async def strangers(target: Target) -> None:
    """Each is answered, up to there."""
    wire = await target.nobody()
    await is_refused(target, wire, lambda _: wire.request("players.get", {}))


@attack("bodies without a packet", RefusalReason.FLOODING, ways=("polling",))
async def empty_bodies(target: Target) -> None:
    """As fast as they are answered."""
    async with aiohttp.ClientSession() as http:
        polling = await Polling(http, target.url).log_in(token=target.token)
        answers = [await polling.post() for _ in range(200)]
        assert answers[-1] == 400
        assert answers.index(400) >= 100
