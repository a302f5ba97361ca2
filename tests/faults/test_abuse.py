"""Attacks, over every transport: each ends in time, with a reason, and is counted; and whoever
plays beside it gets all answers. `scripts/bench --abuse` makes them larger, and measures."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import pytest_asyncio

from tests.support.abuse.attack import Attack, Target
from tests.support.abuse.kinds import KINDS
from tests.support.outside import metric
from tests.support.people import registered
from tests.support.server import Server
from tests.support.wire import Transport, Wire

RECEIVE_S, CONNECT_S, PING_S = 0.6, 1.0, 1.0
ANSWERED_WITHIN_S = 1.0
"""An honest client's messages, on a machine that does other things as well."""
EVERY_S = 0.06
"""Within the rate of one person."""

CASES = [
    pytest.param(attack, way, id=f"{attack.name}-{way}")
    for attacks in KINDS.values()
    for attack in attacks.all
    for way in attack.ways
]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def attacked(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    """A server that is not as patient as it is by default."""
    async with Server(
        tmp_path_factory.mktemp("attacked"),
        RECEIVE_TIMEOUT_MS=f"{RECEIVE_S * 1000:g}",
        CONNECT_TIMEOUT_MS=f"{CONNECT_S * 1000:g}",
        PING_INTERVAL_MS=f"{PING_S * 500:g}",
        PING_TIMEOUT_MS=f"{PING_S * 500:g}",
    ) as started:
        yield started


@asynccontextmanager
async def played(server: Server) -> AsyncIterator[None]:
    """Somebody plays meanwhile, and is answered in time."""
    token = (await registered(server.url)).tokens.access_token
    honest = await Wire.connect(server.url, token=token)
    over = asyncio.Event()

    async def play() -> None:
        while not over.is_set():
            async with asyncio.timeout(ANSWERED_WITHIN_S):
                assert (await honest.call("players.get"))["ok"]
            await asyncio.sleep(EVERY_S)

    playing = asyncio.create_task(play())
    try:
        yield
    finally:
        over.set()
        await playing
        await honest.close()


@pytest.mark.parametrize(("attack", "way"), CASES)
async def test_an_attack_ends_and_counts_and_harms_nobody_else(
    attacked: Server, attack: Attack, way: Transport
) -> None:
    names = [f'warroom_transport_refused_total{{reason="{reason}"}}' for reason in attack.reasons]
    target = await Target.of(
        attacked.url, way, receive_s=RECEIVE_S, connect_s=CONNECT_S, ping_s=PING_S
    )
    before = [await metric(attacked.url, name) for name in names]
    logged = attacked.log_size()
    async with played(attacked):
        await attack.make(target)
    for name, count in zip(names, before, strict=True):
        assert await metric(attacked.url, name) > count, name
    known = ("connected", "disconnected", "evicted")
    assert [line for line in attacked.logged(logged) if line["event"] not in known] == []
