"""Crowds that come, and come and go: all are let in, all who play are answered, and nothing stays.

`scripts/bench storm` and `scripts/bench soak` do the same in full, and measure.
"""

import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import pytest
import pytest_asyncio

from scripts.benches.load import tokens
from scripts.benches.people import BATTLES, LONG_BATTLES
from tests.support.churn import WAYS, Churn, Held, Player, settled
from tests.support.many import Many, fill
from tests.support.outside import metric
from tests.support.people import registered
from tests.support.server import Server
from tests.support.storm import SOURCES, password_storm, storm
from tests.support.wire import Wire

SEATS = 4
BACK_WITHIN_S = 20.0
PLAYERS = 20
SETTINGS = {
    "MAX_CONNECTIONS_PER_ADDRESS": "1000",
    "PING_INTERVAL_MS": "1000",
    "PING_TIMEOUT_MS": "1000",
}
"""A place for all, and little patience: who polls and is gone between two polls is only missed."""
EVICTED = "warroom_evicted_total"


class Lasting(NamedTuple):
    """A server whose battles last, and players who have yet to come, four to a battle."""

    server: Server
    players: list[Player]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def lasting(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Lasting]:
    """One for all."""
    server = Server(tmp_path_factory.mktemp("lasting"), LONG_BATTLES, **SETTINGS)
    async with server:
        logins = await tokens(server.url, PLAYERS)
        await server.stop()
        battles = PLAYERS // SEATS
        await fill(server.database, Many(waiting=battles), int(time.time() * 1000))
        rows = await server.rows(BATTLES.format(battles))
        await server.start()
        yield Lasting(
            server,
            [
                Player(server, token, rows[n // SEATS][0], WAYS[n % len(WAYS)])
                for n, token in enumerate(logins)
            ],
        )


async def test_who_plays_goes_on_while_a_crowd_comes_and_leaves(lasting: Lasting) -> None:
    server = lasting.server
    churn = Churn(lasting.players[:8], stays_s=1e9, pause_s=0.1)
    crowd_of = await tokens(server.url, 120)
    await churn.begin()
    before = await Held.by(server)
    crowd = await storm(server.url, crowd_of, seconds=0.5)
    assert len(crowd.wires) == len(crowd_of) > len(SOURCES)
    assert (await Held.by(server)).connections == before.connections + len(crowd_of)
    await churn.go_on(0.2)
    await crowd.leave()
    after = await settled(server, before, BACK_WITHIN_S)
    assert (after.connections, after.transports, after.rooms) == before[:3]
    assert after.sockets <= before.sockets
    assert after.tasks <= before.tasks
    assert churn.took_ms, "they have struck"
    await churn.end()


async def test_who_comes_and_goes_leaves_nothing_behind(lasting: Lasting) -> None:
    server = lasting.server
    nobody = await Held.by(server)
    assert nobody.transports == 0
    churn = Churn(lasting.players, stays_s=0.5, pause_s=0.1)
    await churn.begin()
    first = await Held.by(server)
    all_there = (PLAYERS, PLAYERS, PLAYERS // SEATS)
    assert first[:3] == all_there
    await churn.go_on(2.0)
    await churn.stay()
    # Whoever polls has now one request under way and now two, each on a socket of its own.
    polls = WAYS.count("polling") * (1 + PLAYERS // len(WAYS))
    most = first._replace(sockets=first.sockets + polls, tasks=first.tasks + 3 * polls)
    last = await settled(server, most, BACK_WITHIN_S)
    assert last[:3] == all_there
    assert last.sockets <= most.sockets
    assert last.tasks <= most.tasks
    await churn.leave()
    left = await settled(server, nobody, BACK_WITHIN_S)
    assert (left.connections, left.transports, left.rooms) == (0, 0, 0)
    assert left.sockets <= nobody.sockets
    assert left.tasks <= nobody.tasks


async def test_passwords_hold_nobody_up(tmp_path: Path) -> None:
    """More of them than wait in line are told to come again; whoever is in is answered."""
    async with Server(tmp_path / "data", PASSWORD_HASH_COST="8") as server:
        token = (await registered(server.url)).tokens.access_token
        held = [await Wire.connect(server.url, way, token=token) for way in set(WAYS)]
        answered = await password_storm(server.url, at_once=100, seconds=0.2)
        assert set(answered) == {401, 503}
        for wire in held:
            assert (await wire.call("players.get"))["ok"]
            await wire.close()
        assert await metric(server.url, EVICTED) == 0
