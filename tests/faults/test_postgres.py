"""PostgreSQL goes away for ten seconds under load: everybody hears so soon, nothing is lost."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support import promises
from tests.support.fighters import Band
from tests.support.postgres import Postgres
from tests.support.programs import need
from tests.support.readiness import Readiness
from tests.support.server import Server

AWAY_S = 10
READERS = 4
FIGHTERS = 20


@pytest.fixture
async def own_postgres() -> AsyncIterator[Postgres]:
    need("postgres")
    created = await Postgres().create()
    yield created
    await created.remove()


@pytest.mark.slow
@pytest.mark.postgres
@pytest.mark.parametrize(("fault", "unready_within_s"), [("stop", 2), ("kill", 2), ("pause", 5)])
async def test_nothing_is_lost_while_postgres_is_away(
    fault: str, unready_within_s: float, tmp_path: Path, own_postgres: Postgres
) -> None:
    now = asyncio.get_running_loop().time
    url = await own_postgres.database()
    server = Server(tmp_path / "data", DATABASE_URL=url, DB_POOL_SIZE=str(READERS))
    band = Band()
    async with server:
        await band.gather(server, FIGHTERS)
        async with band.fighting(), Readiness().watched(server.url) as readiness:
            await band.acks(300)
            for fighter in band.fighters:
                fighter.slowest_s = 0
            gone = now()
            await getattr(own_postgres, fault)()
            assert await readiness.until(503, gone) <= unready_within_s
            await asyncio.sleep(AWAY_S - (now() - gone))  # it stays away so long
            unready = [said.status for said in readiness.said if said.at > gone + unready_within_s]
            assert set(unready) == {503}
            await (own_postgres.go_on() if fault == "pause" else own_postgres.start())
            back = now()
            assert await readiness.until(200, back) <= 5
            await band.acks(1)
            assert now() - back <= 5
            await band.acks(300)
        assert sum(fighter.put_off for fighter in band.fighters) > 0
        assert max(fighter.slowest_s for fighter in band.fighters) <= 3
        await band.settle()
        assert await promises.every_acked_command_is_answered_as_before(band) > 500
        await band.close()
        # No connection has leaked: the writer's, the readers', and who asks.
        counted = await server.rows(
            "select application_name, count(*) from pg_stat_activity"
            " where datname = current_database() and application_name like 'warroom%'"
            " group by application_name"
        )
        assert sorted(number for _, number in counted) == [1, READERS]
        assert await server.stop() == 0
    await promises.all_kept(server, band)
