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
from tests.support.wire import Wire

RECEIVE_S, CONNECT_S = 0.6, 1.5
PINGED_EVERY_S = 0.5
PING_S = 2.0
ANSWERED_WITHIN_S = 5.0
"""An honest client's messages, on a machine that does other things as well."""
EVERY_S = 0.06
"""Within the rate of one person."""

CASES = [attack for attacks in KINDS.values() for attack in attacks.all]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def attacked(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    """A server that is not as patient as it is by default."""
    async with Server(
        tmp_path_factory.mktemp("attacked"),
        RECEIVE_TIMEOUT_MS=f"{RECEIVE_S * 1000:g}",
        CONNECT_TIMEOUT_MS=f"{CONNECT_S * 1000:g}",
        PING_INTERVAL_MS=f"{PINGED_EVERY_S * 1000:g}",
        PING_TIMEOUT_MS=f"{(PING_S - PINGED_EVERY_S) * 1000:g}",
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


@pytest.mark.parametrize("attack", CASES, ids=lambda attack: attack.name)
async def test_an_attack_ends_and_counts_and_harms_nobody_else(
    attacked: Server, attack: Attack
) -> None:
    names = [f'warroom_transport_refused_total{{reason="{reason}"}}' for reason in attack.reasons]
    seconds = {"receive_s": RECEIVE_S, "connect_s": CONNECT_S, "ping_s": PING_S}
    targets = [await Target.of(attacked.url, way, **seconds) for way in attack.ways]
    before = [await metric(attacked.url, name) for name in names]
    logged = attacked.log_size()
    async with played(attacked):
        await asyncio.gather(*(attack.make(target) for target in targets))
    for name, count in zip(names, before, strict=True):
        assert await metric(attacked.url, name) >= count + len(targets), name
    known = ("connected", "disconnected", "evicted", "user_registered")
    assert [line for line in attacked.logged(logged) if line["event"] not in known] == []
