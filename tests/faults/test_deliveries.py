"""What may happen to events on their way to a client that reads late, over a real socket."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.battles import easy_battle, strike
from tests.support.outside import metric, until
from tests.support.people import Person, connected, registered
from tests.support.relay import Relay
from tests.support.server import Server

SHOUTED = 300
"""At once: more than waits for anybody."""
SIZE = 8_000
STRIKES = 4
FIRST = 1
SLOW = {"STAMINA_REGEN_INTERVAL": "3600", "STAMINA_REGEN_PERCENT": "0.001", "OUTBOX_STALL_S": "60"}
"""Stamina that is only ever spent, and time to read late."""

Event = tuple[str, dict[str, Any], dict[str, Any]]


def stamina_told(server: Server, times: int) -> Callable[[], Awaitable[bool]]:
    """Whether stamina was told so often."""

    async def look() -> bool:
        told = await metric(server.url, 'warroom_events_total{name="players.stamina"}')
        return told >= FIRST + times

    return look


def named(events: list[Event], name: str) -> list[Event]:
    return [event for event in events if event[0] == name]


@pytest.mark.parametrize("transport", ["websocket", "polling"])
async def test_a_client_that_reads_late(tmp_path: Path, transport: str) -> None:
    async with (
        Server(tmp_path / "data", "tests.support.loud_server", **SLOW) as server,
        Relay(server.port) as relay,
    ):
        alice = await connected(server.url)
        battle_id = await easy_battle(alice)
        await alice.ok("battles.join", battle_id=battle_id)
        room = f"battle:{battle_id}"
        late = await Person(relay.url, alice.logged_in).connect(transport)
        prompt = await Person(server.url, await registered(server.url)).connect()
        for name in (room, "battles", f"player:{alice.id}"):
            await late.ok("rooms.join", room=name)
        await prompt.ok("rooms.join", room=room)
        # Who watches is told once how the stamina is.
        await until(stamina_told(server, 0), 10)
        await late.until_event("players.stamina")
        late.events.clear()
        relay.hold()
        for place in range(2):
            await alice.ok("tests.shout", size=SIZE, times=SHOUTED, mark=f"{place}")
        blows = []
        for _ in range(STRIKES):
            blows.append((await strike(alice, battle_id, 1, kind="quick"))["data"]["stamina"])
            await until(stamina_told(server, len(blows)), 10)
        await alice.ok("tests.shout", size=1, mark="last")
        assert blows == list(range(blows[0], blows[0] - 5 * STRIKES, -5))

        relay.let_go()
        await late.until_event("tests.shouted", mark="last")
        await late.until_event("players.stamina")
        seqs = [meta["seq"] for _, _, meta in prompt.events if meta["room"] == room]
        await late.until(
            lambda: [m["seq"] for _, _, m in late.events if m["room"] == room][-1:] == seqs[-1:]
        )
        # Kept: all of them. Latest: the newest alone. Lossy: what was dropped is counted.
        assert [m["seq"] for _, _, m in late.events if m["room"] == room] == seqs
        assert len(named(late.events, "battles.struck")) == STRIKES
        stamina = [
            data["stamina"]["amount"] for _, data, _ in named(late.events, "players.stamina")
        ]
        assert stamina == blows[-1:]
        shouts = named(late.events, "tests.shouted")
        dropped = sum(meta.get("dropped", 0) for _, _, meta in shouts)
        assert len(shouts) + dropped == 2 * SHOUTED + 1
        assert dropped > SHOUTED
        sample = "warroom_dropped_events_total{delivery="
        assert await metric(server.url, f'{sample}"lossy"}}') == dropped
        assert await metric(server.url, f'{sample}"latest"}}') == STRIKES - 1
        assert await metric(server.url, f'{sample}"kept"}}') == 0
        for person in (alice, late, prompt):
            await person.close()
