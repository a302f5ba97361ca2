"""protocol.client: what it is in, it is in again after a kill, and has missed nothing."""

import asyncio

from protocol.battles import Join
from protocol.client import Client, Received
from protocol.gateway import Joined, Verdict
from tests.support.battles import easy_battle, strike
from tests.support.people import Person, connected, registered
from tests.support.server import Server

WITHIN_S = 20


async def test_a_client_goes_on_where_it_was(own_server: Server) -> None:
    token = (await registered(own_server.url)).tokens.access_token
    seen: list[tuple[str, int | None]] = []
    verdicts: list[Verdict] = []
    changed = asyncio.Event()

    async def give_token() -> str:
        return token

    def on_event(received: Received) -> None:
        seen.append((received.meta.room, received.meta.seq))
        changed.set()

    def on_joined(joined: Joined) -> None:
        verdicts.append(joined.verdict)
        changed.set()

    alice = await connected(own_server.url)
    battle_id = await easy_battle(alice)
    async with Client(own_server.url, give_token, on_event=on_event, on_joined=on_joined) as client:
        first = await client.join(f"battle:{battle_id}")
        await client.send(Join(battle_id=battle_id))
        await own_server.kill()
        await own_server.start()
        again = await Person(own_server.url, alice.logged_in).connect()
        await again.ok("battles.join", battle_id=battle_id)
        struck = await strike(again, battle_id, 1)
        assert struck["ok"]
        last = (await again.ok("battles.get", battle_id=battle_id))["seq"]
        async with asyncio.timeout(WITHIN_S):
            while not seen or seen[-1][1] != last:
                changed.clear()
                await changed.wait()
                last = (await again.ok("battles.get", battle_id=battle_id))["seq"]
        await again.close()
    await alice.close()
    assert verdicts[0] is Verdict.JOINED
    assert set(verdicts[1:]) <= {Verdict.RESUMED, Verdict.GAP_FILLED}
    assert [seq for _, seq in seen] == list(range(first.seq + 1, last + 1))
