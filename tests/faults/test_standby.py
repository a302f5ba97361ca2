"""Fail-overs of PostgreSQL through a standby, and a primary that is read-only for a moment."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from tests.support import promises
from tests.support.battles import easy_battle, strike
from tests.support.engines import execute
from tests.support.fighters import Band
from tests.support.follower import Follower, following
from tests.support.people import connected
from tests.support.postgres import Postgres
from tests.support.programs import need
from tests.support.readiness import Readiness
from tests.support.relay import Relay
from tests.support.server import Server
from tests.support.until import until

pytestmark = pytest.mark.postgres

FIGHTERS = 10
UNREADY_WITHIN_S = 4  # 2 on a machine that is not busy
BACK_WITHIN_S = 10
NONE_CONNECTED = "select count(*) = 0 from pg_stat_activity where application_name like 'warroom%'"
ALL_CONNECTED = "select count(*) = 3 from pg_stat_activity where application_name like 'warroom%'"
CUT = (
    "select pg_terminate_backend(pid) from pg_stat_activity"
    " where application_name like 'warroom writer %'"
)
READ_ONLY = {"reasons": {"writer": "read_only"}}


@pytest.fixture
async def primary() -> AsyncIterator[Postgres]:
    need("pg_basebackup")
    created = await Postgres().create()
    yield created
    await created.remove()


def server_on(url: str, folder: Path) -> Server:
    """A server with few connections."""
    return Server(folder, DATABASE_URL=url, DB_POOL_SIZE="2")


async def test_a_primary_that_is_read_only_for_a_moment(tmp_path: Path, primary: Postgres) -> None:
    url, now = await primary.database(), asyncio.get_running_loop().time
    name, postgres = url.rpartition("/")[2], primary.url("postgres")
    band, server = Band(), server_on(url, tmp_path / "data")
    async with server:
        await band.gather(server, FIGHTERS)
        async with band.fighting(), Readiness().watched(server.url) as readiness:
            await band.acks(300)
            # Sessions that begin only read: so does the one after the writer's, which is cut.
            await execute(
                postgres,
                f"alter database {name} set default_transaction_read_only = on",
                CUT,
            )
            began = now()
            assert await readiness.until(503, began, **READ_ONLY) <= UNREADY_WITHIN_S
            await execute(postgres, f"alter database {name} reset default_transaction_read_only")
            ended = now()
            assert await readiness.until(200, ended) <= BACK_WITHIN_S
            await band.acks(300)
        await band.settle()
        assert await promises.every_acked_command_is_answered_as_before(band) > 300
        await band.close()
        assert await server.stop() == 0
    await promises.every_acked_command_was_applied_once(server, band)


@pytest.mark.parametrize("hosts", [1, 2])
async def test_a_fail_over_that_loses_nothing_resets_nothing(
    tmp_path: Path, primary: Postgres, hosts: int
) -> None:
    """By an address that leads elsewhere afterwards, or by one with both hosts."""
    now = asyncio.get_running_loop().time
    name = (await primary.database()).rpartition("/")[2]
    standby = await primary.standby()
    try:
        async with Relay(primary.port) as relay:
            relayed = relay.url.removeprefix("http://")
            many = f"127.0.0.1:{standby.port},127.0.0.1:{primary.port}"
            url = f"postgresql://warroom@{relayed if hosts == 1 else many}/{name}"
            band, server = Band(), server_on(url, tmp_path / "data")
            async with server:
                await band.gather(server, FIGHTERS)
                async with band.fighting(), Readiness().watched(server.url) as readiness:
                    await band.acks(300)
                    await primary.stop()  # what it has committed is with the standby then
                    relay.server_port = standby.port
                    relay.sever()
                    stopped = now()
                    assert await readiness.until(503, stopped) <= UNREADY_WITHIN_S
                    await readiness.until(503, stopped, **READ_ONLY)
                    await execute(standby.url("postgres"), "select pg_promote()")
                    promoted = now()
                    assert await readiness.until(200, promoted) <= BACK_WITHIN_S
                    await band.acks(300)
                await band.settle()
                assert await promises.every_acked_command_is_answered_as_before(band) > 300
                await band.close()
                assert "history_lost" not in {line["event"] for line in server.logged()}
                assert await server.stop() == 0
            server.database = standby.url(name)
            await promises.every_acked_command_was_applied_once(server, band)
    finally:
        await standby.remove()


async def test_a_fail_over_to_a_standby_that_lags_resets_the_rooms(
    tmp_path: Path, primary: Postgres
) -> None:
    name = (await primary.database()).rpartition("/")[2]
    standby = await primary.standby()
    try:
        async with Relay(primary.port) as relay:
            url = f"postgresql://warroom@{relay.url.removeprefix('http://')}/{name}"
            async with server_on(url, tmp_path / "data") as server:
                alice = await connected(server.url)
                battle_id = await easy_battle(alice)
                room = f"battle:{battle_id}"
                await alice.ok("battles.join", battle_id=battle_id)
                assert (await strike(alice, battle_id, 1, kind="quick"))["ok"]
                follower = Follower(server.url, alice.logged_in, room)
                async with following(follower):
                    await follower.rooms[room].until_told(1)
                    await caught_up(primary, standby)
                    # From here on the standby gets nothing.
                    await execute(
                        standby.url("postgres"),
                        "alter system set primary_conninfo = ''",
                        "select pg_reload_conf()",
                    )
                    await cut_off(primary)
                    assert (await strike(alice, battle_id, 1, kind="quick"))["ok"]
                    await primary.kill()
                    relay.server_port = standby.port
                    await execute(standby.url("postgres"), "select pg_promote()")
                    followed = follower.rooms[room]
                    await followed.until(lambda: len(followed.verdicts) >= 2)
                    assert followed.verdicts[1]["reason"] == "epoch_changed"
                assert "history_lost" in {line["event"] for line in server.logged()}
                await alice.close()
                assert await server.stop() == 0
    finally:
        await standby.remove()


async def asked(postgres: Postgres, query: str) -> object:
    """What a query gives, in any database of a cluster."""
    opened = await asyncpg.connect(postgres.url("postgres"))
    try:
        return await opened.fetchval(query)
    finally:
        await opened.close()


async def caught_up(primary: Postgres, standby: Postgres) -> None:
    """Wait until a standby has all that its primary holds."""
    held = await asked(primary, "select pg_current_wal_lsn()::text")
    await until(lambda: asked(standby, f"select pg_last_wal_replay_lsn() >= '{held}'"))


async def cut_off(primary: Postgres) -> None:
    """Wait until no standby follows."""
    await until(lambda: asked(primary, "select not exists (select from pg_stat_replication)"))


async def test_readers_follow_the_writer_to_another_server(
    tmp_path: Path, primary: Postgres
) -> None:
    """Their connections to the old one are as good as they were: it only lacks what is new."""
    name = (await primary.database()).rpartition("/")[2]
    standby = await primary.standby()
    try:
        async with Relay(primary.port) as relay:
            url = f"postgresql://warroom@{relay.url.removeprefix('http://')}/{name}"
            async with server_on(url, tmp_path / "data") as server:
                alice = await connected(server.url)
                battle_id = await easy_battle(alice)
                await caught_up(primary, standby)
                relay.server_port = standby.port
                await execute(standby.url("postgres"), "select pg_promote()")
                await execute(primary.url("postgres"), CUT)
                await until(lambda: asked(primary, NONE_CONNECTED))
                await until(lambda: asked(standby, ALL_CONNECTED))
                assert (await alice.patiently("battles.join", battle_id=battle_id))["ok"]
                await alice.ok("battles.get", battle_id=battle_id)
                await alice.close()
                assert "history_lost" not in {line["event"] for line in server.logged()}
                assert await server.stop() == 0
    finally:
        await standby.remove()
