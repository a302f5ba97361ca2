"""What an attack is, what it is made on, and how it must end."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, NamedTuple, Self

from protocol.endings import RefusalReason
from tests.support.people import registered
from tests.support.wire import Transport, Wire

WEBSOCKETS: Final[Sequence[Transport]] = ("websocket", "plain")
SOCKET_IO: Final[Sequence[Transport]] = ("websocket", "polling")
WAYS: Final[Sequence[Transport]] = ("websocket", "polling", "plain")
SOON_S: Final = 5.0
"""In so long an attack must be over that nothing has to time out for; the server takes far less."""
MARGIN_S: Final = 2.0
"""How much later than at its time-out a client may be let go."""
OPENING_S: Final = 5.0
"""What it may take to open hundreds of connections, before anybody's time begins."""


class Target(NamedTuple):
    """What is attacked, and how.

    `token`: of whoever attacks. `full`: as large as it gets, or just large enough to see that it is
    stopped. `receive_s`, `connect_s` and `ping_s` are the server's time-outs: for a message or a
    request to come whole, for a log-in, and for a client to be seen to be silent.
    """

    url: str
    way: Transport
    token: str
    full: bool = False
    receive_s: float = 8.0
    connect_s: float = 10.0
    ping_s: float = 45.0

    @classmethod
    async def of(cls, url: str, way: Transport, **more: float) -> Self:
        """A server, attacked by somebody who has just registered."""
        token = (await registered(url)).tokens.access_token
        return cls(url, way, token, **more)  # type: ignore[arg-type]

    @property
    def host(self) -> str:
        """Where it listens."""
        return self.url.split("//")[1].rpartition(":")[0]

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.url.rpartition(":")[2])

    async def logged_in(self) -> Wire:
        """A connection of whoever attacks."""
        return await Wire.connect(self.url, self.way, token=self.token)

    async def nobody(self) -> Wire:
        """A connection that has not logged in."""
        return await Wire.open(self.url, self.way)


Run = Callable[[Target], Awaitable[None]]


class Attack(NamedTuple):
    """An attack: `run` makes it, sees how it ends, and raises AssertionError where that is wrong.

    `reasons`: as which of these it is counted at least once; none where each message is answered.
    `within_s`: in how long it is over, whatever the attacker does.
    """

    name: str
    run: Run
    ways: Sequence[Transport]
    reasons: Sequence[RefusalReason]
    within_s: Callable[[Target], float]

    async def make(self, target: Target) -> float:
        """Make it. Returns how long it took, in seconds. Raises AssertionError, TimeoutError."""
        begun = time.monotonic()
        async with asyncio.timeout(self.within_s(target)):
            await self.run(target)
        return time.monotonic() - begun


def soon(_: Target) -> float:
    """For what is ended as soon as it is seen."""
    return SOON_S


def received(target: Target) -> float:
    """For what does not come whole."""
    return target.receive_s + MARGIN_S


def let_in(target: Target) -> float:
    """For who does not log in."""
    return target.connect_s + MARGIN_S + OPENING_S


def heard(target: Target) -> float:
    """For who is silent."""
    return target.ping_s + MARGIN_S


class Attacks:
    """Those of one kind."""

    def __init__(self) -> None:
        self.all: list[Attack] = []

    def attack(
        self,
        name: str,
        *reasons: RefusalReason,
        ways: Sequence[Transport] = WAYS,
        within_s: Callable[[Target], float] = soon,
    ) -> Callable[[Run], Run]:
        """Decorate the function that makes one."""

        def add(run: Run) -> Run:
            self.all.append(Attack(name, run, ways, reasons, within_s))
            return run

        return add
