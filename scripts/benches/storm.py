"""2,000 users connect with tokens in 5 s, from 40 addresses, while 500 play: what these notice.

In each round the players strike at a fixed rate, first among themselves and then while the others
connect. Then all those leave, and the bench counts what the server still holds of them. In the end
100 users log in with passwords at the default cost, and the bench measures only the lag of the
event loop and the latency of a few other clients.
"""

import asyncio
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from scripts.benches.attacked import Honest
from scripts.benches.load import server_core, tokens
from scripts.benches.people import BATTLES, LONG_BATTLES, SETTINGS
from scripts.benches.result import Asked, Broken, Figure, Of, Result, at_most, percentile
from scripts.benches.stormer import Stormed
from tests.support.churn import Churn, Held, Player, settled
from tests.support.many import Many, fill
from tests.support.server import ROOT, Server
from tests.support.storm import Lag

ROUNDS: Final = 3
SECONDS: Final = 5.0
PLAYERS: Final = 500
COMING: Final = 2000
SEATS: Final = 4
PAUSE_S: Final = 2.0
OF_ADDRESS: Final = "1000"
"""Connections of one address: the default, and not what tests have."""
SLOWER: Final = 5.0
IN_WITHIN_MS: Final = 1000.0
LAG_MS: Final = 50.0
GIVEN_BACK_WITHIN_S: Final = 60.0
PASSWORDS_AT_ONCE: Final = 100
DEFAULT_COST: Final = "12"
ENDS_WITHIN_S: Final = 120.0


class Round(NamedTuple):
    """What was measured, in milliseconds."""

    players_p99: float
    lag_p99: float
    in_p50: float = 0.0
    in_p99: float = 0.0
    passwords_p99: float = 0.0
    passwords_lag_p99: float = 0.0


async def run(asked: Asked) -> Result:
    """Measure. All come within `seconds`, and the players play as long without them before."""
    coming = asked.clients or COMING
    players = PLAYERS * coming // COMING
    pairs = []
    for number in range(asked.rounds):
        pairs.append(await _round(asked.seconds, coming, players))
        print(f"  round {number + 1}: {pairs[-1]}", file=sys.stderr, flush=True)

    def figure(name: str, about: str, limit: float, of: Of = Of.MEASURED) -> Figure:
        base, other = ([float(getattr(pair[side], about)) for pair in pairs] for side in (0, 1))
        return Figure(name, base, other, at_most(limit, of))

    figures = [
        figure("players' p99, ms", "players_p99", SLOWER, Of.CHANGE),
        figure("loop's lag p99, ms, at most", "lag_p99", LAG_MS),
        figure("connected after p50, ms", "in_p50", IN_WITHIN_MS),
        figure("connected after p99, ms", "in_p99", IN_WITHIN_MS),
        figure("passwords: p99 of other clients, ms", "passwords_p99", LAG_MS),
        figure("passwords: loop's lag p99, ms, at most", "passwords_lag_p99", LAG_MS),
    ]
    title = f"storm: {coming:,} come in {asked.seconds:g} s, {players} play"
    return Result(title, asked.seconds, ("without", "while they come"), figures)


async def _round(seconds: float, coming: int, count: int) -> tuple[Round, Round]:
    with tempfile.TemporaryDirectory() as folder:
        server = Server(
            Path(folder) / "data", LONG_BATTLES, **SETTINGS, MAX_CONNECTIONS_PER_ADDRESS=OF_ADDRESS
        )
        async with server:
            logins = await tokens(server.url, coming + count)
            await server.stop()
            battles = count // SEATS + 1
            await fill(server.database, Many(waiting=battles), int(time.time() * 1000))
            ids = [row[0] for row in await server.rows(BATTLES.format(battles))]
            with server_core():
                await server.start()
            given = Path(folder) / "tokens"
            given.write_text("\n".join(logins[count:]))
            players = [
                Player(server, token, ids[n // SEATS], "websocket")
                for n, token in enumerate(logins[:count])
            ]
            base, stormed = await _stormed(server, players, seconds, given, coming)
    quiet, knocked = await _knocked(seconds)
    return (
        base._replace(passwords_p99=quiet.players_p99, passwords_lag_p99=quiet.lag_p99),
        stormed._replace(passwords_p99=knocked.players_p99, passwords_lag_p99=knocked.lag_p99),
    )


async def _stormed(
    server: Server, players: list[Player], seconds: float, given: Path, coming: int
) -> tuple[Round, Round]:
    churn = Churn(players, 1e9, PAUSE_S)
    await churn.begin()
    before = await Held.by(server)
    base = await _played(server, churn, seconds, lambda: asyncio.sleep(0))
    async with _process("connect", server.url, str(seconds), str(given)) as crowd:
        assert crowd.stdin is not None
        assert crowd.stdout is not None
        found: list[Stormed] = []

        async def come() -> None:
            found.append(msgspec.json.decode(await _begun(crowd), type=Stormed))

        other = await _played(server, churn, seconds, come)
        (stormed,) = found
        if stormed.let_in != coming:
            raise Broken(f"{stormed.let_in} of {coming} were connected")
        crowd.stdin.write(b"\n")
        await crowd.stdin.drain()
        await asyncio.wait_for(crowd.wait(), ENDS_WITHIN_S)
    left = await settled(server, before, GIVEN_BACK_WITHIN_S)
    if any(now > then for now, then in zip(left[:5], before[:5], strict=True)):
        raise Broken(f"the server has not freed all: {before} before, {left} after")
    await churn.end()
    return base, other._replace(in_p50=stormed.p50_ms, in_p99=stormed.p99_ms)


async def _played(
    server: Server, churn: Churn, seconds: float, beside: Callable[[], Awaitable[None]]
) -> Round:
    """Let them play for so long, and until what is beside is over."""
    lag = await Lag.of(server.url)
    churn.took_ms.clear()
    doing = asyncio.ensure_future(beside())
    await churn.go_on(seconds)
    while not doing.done():
        await churn.go_on(0.1)
    await doing
    took = sorted(churn.took_ms)
    return Round(percentile(took, 0.99), (await Lag.of(server.url)).p99_ms_since(lag))


async def _knocked(seconds: float) -> tuple[Round, Round]:
    """The same with passwords, while a few ask."""
    with tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder), PASSWORD_HASH_COST=DEFAULT_COST)
        with server_core():
            await server.start()
        try:
            honest = await Honest.of(server)
            lag = await Lag.of(server.url)
            quiet_ms = await honest.ask(seconds, lambda: True)
            between = await Lag.of(server.url)
            async with _process(
                "passwords", server.url, str(seconds), str(PASSWORDS_AT_ONCE)
            ) as crowd:
                knocking = asyncio.ensure_future(_begun(crowd))
                p99_ms = await honest.ask(seconds, knocking.done)
                print(f"  passwords: {await knocking}", file=sys.stderr, flush=True)
            after = await Lag.of(server.url)
            await honest.leave()
        finally:
            await server.stop()
    return (
        Round(quiet_ms, between.p99_ms_since(lag)),
        Round(p99_ms, after.p99_ms_since(between)),
    )


@asynccontextmanager
async def _process(*arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A crowd that is ready to come."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "scripts.benches.stormer", *arguments),
        cwd=ROOT, stdin=pipe, stdout=pipe,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        await process.stdout.readline()
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _begun(process: asyncio.subprocess.Process) -> bytes:
    """Let it go. Returns what it says. Raises Broken."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(b"\n")
    await process.stdin.drain()
    said = await asyncio.wait_for(process.stdout.readline(), ENDS_WITHIN_S)
    if not said:
        raise Broken("a user was not connected")
    return said
