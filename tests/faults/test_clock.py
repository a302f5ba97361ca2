"""The machine's clock is set forward and back under a server: by minutes, which nobody notices, and
by hours, which are believed."""

import asyncio
from pathlib import Path
from typing import get_args

import aiohttp

from tests.support.faketime import WallClock
from tests.support.outside import metric, until
from tests.support.people import registered
from tests.support.server import Server
from tests.support.wire import Transport, Wire

TRANSPORTS: tuple[Transport, ...] = get_args(Transport)
LEAP_S = 120
HOURS_S = 3 * 3600
SILENCE_MS = 700
"""After which a client is missed, or a server."""
SETTINGS = {
    "ACCESS_TOKEN_EXPIRE_MINUTES": "1",
    "PING_INTERVAL_MS": str(SILENCE_MS // 2),
    "PING_TIMEOUT_MS": str(SILENCE_MS // 2),
}


async def refreshed(server: Server, token: str) -> tuple[int, str, str]:
    """What comes of a refresh token: the status, and a new pair."""
    async with (
        aiohttp.ClientSession(server.url) as http,
        http.post("/api/auth/refresh", json={"refresh_token": token}) as answer,
    ):
        tokens = (await answer.json())["data"]["tokens"] if answer.status == 200 else {}
        return answer.status, tokens.get("access_token", ""), tokens.get("refresh_token", "")


async def leapt(server: Server, clock: WallClock, seconds: int) -> None:
    """Set the clock, and wait until the server has seen it."""
    clock.set(seconds)

    async def seen() -> bool:
        return abs(await metric(server.url, "warroom_clock_off_seconds") - seconds) < 1

    await until(seen, 10)


async def test_nobody_is_dropped_and_nothing_ends_early(tmp_path: Path) -> None:
    clock = WallClock(tmp_path)
    async with Server(tmp_path / "data", **SETTINGS, **clock.environment) as server:
        logged_in = await registered(server.url)
        access, refresh = logged_in.tokens.access_token, logged_in.tokens.refresh_token
        held = [await Wire.connect(server.url, way, token=access) for way in TRANSPORTS]
        pool = await held[0].ok("battles.list", status="waiting")
        battle_id = next(b["battle_id"] for b in pool["items"] if b["required_level"] == 1)
        await held[0].ok("battles.join", battle_id=battle_id)
        for seconds in (LEAP_S, -LEAP_S):
            status, _, _ = await refreshed(server, refresh)
            assert status == 200
            await leapt(server, clock, seconds)
            # The answer to the first may have been lost: it may be asked again, for 10 s.
            status, renewed, refresh = await refreshed(server, refresh)
            assert status == 200, "the same refresh token, at once again"
            for token in (access, renewed):
                for way in TRANSPORTS:
                    again = await Wire.connect(server.url, way, token=token)
                    assert (await again.call("players.get"))["ok"]
                    await again.close()
            since = asyncio.get_running_loop().time()

            async def all_are_pinged(since: float = since) -> bool:
                return all(wire.heard_at > since + SILENCE_MS / 1000 for wire in held)

            await until(all_are_pinged, 10)
            for wire in held:
                assert (await wire.call("players.get"))["ok"]
                assert wire.named("auth.expired") == []
            battle = await held[0].ok("battles.get", battle_id=battle_id)
            assert list(battle["seats"]) == [logged_in.user.id]
        for wire in held:
            await wire.close()
        assert [line["event"] for line in server.logged()].count("clock_leapt") >= 1


async def test_a_server_that_starts_behind_takes_the_tokens_of_before(tmp_path: Path) -> None:
    clock = WallClock(tmp_path)
    async with Server(tmp_path / "data", **SETTINGS, **clock.environment) as server:
        token = (await registered(server.url)).tokens.access_token
        assert await server.stop() == 0
        clock.set(-LEAP_S)
        await server.start()
        for way in TRANSPORTS:
            wire = await Wire.connect(server.url, way, token=token)
            assert (await wire.call("players.get"))["ok"]
            await wire.close()


async def believed(server: Server, clock: WallClock, seconds: int, times: int) -> None:
    """Set the clock by hours, and wait until the server has believed it so often."""
    clock.set(seconds)

    async def set_by_then() -> bool:
        return [line["event"] for line in server.logged()].count("clock_set") == times

    await until(set_by_then, 10)


async def test_hours_ahead_a_token_ends_on_open_connections_too(tmp_path: Path) -> None:
    clock = WallClock(tmp_path)
    settings = {**SETTINGS, "ACCESS_TOKEN_EXPIRE_MINUTES": "15"}
    async with Server(tmp_path / "data", **settings, **clock.environment) as server:
        logged_in = await registered(server.url)
        held = [
            await Wire.connect(server.url, way, token=logged_in.tokens.access_token)
            for way in TRANSPORTS
        ]
        await believed(server, clock, HOURS_S, 1)
        for wire in held:
            await wire.until_closed()
            (told,) = wire.named("auth.expired")
            assert told["reason"] == "expired"
        # Whoever renews goes on, and so does everybody after the clock was put right.
        refresh = logged_in.tokens.refresh_token
        for times, seconds in ((2, 0), (3, -HOURS_S)):
            status, access, refresh = await refreshed(server, refresh)
            assert status == 200
            await all_are_let_in(server, access)
            await believed(server, clock, seconds, times)
        status, access, _ = await refreshed(server, refresh)
        assert status == 200
        await all_are_let_in(server, access)


async def all_are_let_in(server: Server, token: str) -> None:
    """Connect and ask something, every way."""
    for way in TRANSPORTS:
        wire = await Wire.connect(server.url, way, token=token)
        assert (await wire.call("players.get"))["ok"]
        await wire.close()


async def test_hours_back_battles_go_on(tmp_path: Path) -> None:
    """Enemies do not wait for their moment to come again."""
    clock = WallClock(tmp_path)
    async with Server(tmp_path / "data", **SETTINGS, **clock.environment) as server:
        wire = await Wire.connect(
            server.url, token=(await registered(server.url)).tokens.access_token
        )
        pool = await wire.ok("battles.list", status="waiting")
        battle_id = next(b["battle_id"] for b in pool["items"] if b["required_level"] == 1)
        await wire.ok("battles.join", battle_id=battle_id)
        await wire.ok("rooms.join", room=f"battle:{battle_id}")
        await believed(server, clock, -HOURS_S, 1)
        async with asyncio.timeout(30):
            await wire.until(lambda: wire.named("battles.enemies_struck"))
        assert (await wire.call("players.get"))["ok"]
        await wire.close()
