"""PostgreSQL far away: nothing piles up in silence, and nothing acknowledged is lost."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import aiohttp
import pytest

from protocol.ids import uuid7
from server.database.writer import MAX_WAIT_S
from tests.support.battles import easy_battle
from tests.support.engines import database, rows
from tests.support.outside import metric, until
from tests.support.people import Person, connected
from tests.support.postgres import Postgres
from tests.support.programs import need
from tests.support.relay import Relay
from tests.support.server import Server

pytestmark = pytest.mark.postgres

AGE: Final = "warroom_writer_queue_age_seconds"
CLIENTS: Final = 8
FAR_S: Final = 0.3
VERY_FAR_S: Final = 0.6
COMMIT_TRIPS: Final = 5
"""Round trips of a batch of chat lines: begin, history, commit; and two that prepare."""
BUSY: Final = 2.0
"""How much longer than the network alone everything may take on a busy machine."""


@pytest.fixture
async def relay(postgres: Postgres | None) -> AsyncIterator[Relay]:
    if postgres is None:
        need("postgres")
    assert postgres is not None
    async with Relay(postgres.port) as relay:
        yield relay


def line(battle_id: str) -> dict[str, Any]:
    """Something to say, once."""
    return {"battle_id": battle_id, "text": "hi", "request_id": uuid7()}


async def readiness(url: str) -> tuple[int, str]:
    """What /health/ready says."""
    async with aiohttp.ClientSession() as http, http.get(f"{url}/health/ready") as answer:
        return answer.status, (await answer.json())["status"]


async def persistently(person: Person, battle_id: str) -> int:
    """Say something, as often as it takes. Returns how often that was refused."""
    refused = 0
    tried = line(battle_id)
    while not (answer := await person.call("battles.chat", tried))["ok"]:
        assert answer["error"]["code"] == "busy"
        assert answer["error"]["retry_after_ms"] >= 250
        refused += 1
        await asyncio.sleep(answer["error"]["retry_after_ms"] / 1000)
    return refused


async def test_commands_are_answered_soon_or_refused(
    tmp_path: Path, postgres: Postgres | None, relay: Relay
) -> None:
    now = asyncio.get_running_loop().time
    straight = await database("postgres", postgres, tmp_path)
    far = relay.url.replace("http://", "postgresql://warroom@", 1) + "/" + straight.split("/")[-1]
    async with Server(tmp_path / "data", DATABASE_URL=far) as server:
        people = await asyncio.gather(*(connected(server.url) for _ in range(CLIENTS)))
        battle_id = await easy_battle(people[0])
        for person in people:
            await person.ok("battles.join", battle_id=battle_id)

        relay.delay_s = FAR_S / 2
        oldest = 0.0
        said = 0
        for _ in range(2):
            asked = now()
            lines = [person.call("battles.chat", line(battle_id)) for person in people]
            answers = await asyncio.gather(*lines)
            assert all(answer["ok"] for answer in answers), answers
            said += len(answers)
            # The first may be under way alone; then the others share a batch.
            assert now() - asked <= 2 * COMMIT_TRIPS * FAR_S * BUSY
            oldest = max(oldest, await metric(server.url, AGE))
        assert oldest <= 1

        async def degraded() -> bool:
            return (await readiness(server.url)) == (200, "degraded")

        async def older_than(seconds: float) -> None:
            async def look() -> bool:
                return await metric(server.url, AGE) > seconds

            await until(look, 20)

        # Six kinds of statements, whose batch takes longer than others may wait for it.
        relay.delay_s = VERY_FAR_S / 2
        seen = asyncio.create_task(until(degraded, 20))
        waiting = [asyncio.create_task(people[0].call("battles.leave", battle_id=battle_id))]
        await older_than(0.1)
        waiting += [
            asyncio.create_task(person.call("battles.chat", line(battle_id)))
            for person in people[1 : CLIENTS // 2]
        ]
        said += len(waiting) - 1
        await older_than(MAX_WAIT_S + 0.5)
        rest = people[CLIENTS // 2 :]
        refused = await asyncio.gather(*(persistently(person, battle_id) for person in rest))
        said += len(rest)
        assert min(refused) > 0
        assert all(answer["ok"] for answer in await asyncio.gather(*waiting))
        await seen
        relay.delay_s = 0

        async def well() -> bool:
            return (await readiness(server.url)) == (200, "healthy")

        await until(well, 20)
        for person in people:
            await person.close()
        assert await server.stop() == 0
    kept = await rows(straight, "select count(*) from room_events where name = 'battles.chat_said'")
    assert kept == [(said,)]
