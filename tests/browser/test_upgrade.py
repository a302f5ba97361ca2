"""Going over from polling to WebSocket in the midst of events: none is missed, none is doubled."""

import asyncio
import json

import pytest

from tests.support.battles import easy_battle
from tests.support.crowd import Crowd
from tests.support.people import Person
from tests.support.programs import need
from tests.support.server import ROOT, Server

CLIENTS = 10
EVENTS = 40


@pytest.mark.node
async def test_nothing_is_lost_between_two_transports(server: Server, alice: Person) -> None:
    assert alice.logged_in is not None
    battle_id = await easy_battle(alice)
    arguments = (alice.logged_in.tokens.access_token, f"battle:{battle_id}", CLIENTS, EVENTS)
    async with Crowd(server, battle_id, 5, 0.05), asyncio.timeout(30):
        process = await asyncio.create_subprocess_exec(
            *(need("node"), str(ROOT / "tests/browser/upgrade.mjs"), server.url),
            *map(str, arguments),
            stdout=asyncio.subprocess.PIPE,
        )
        output, _ = await process.communicate()
    assert process.returncode == 0
    for seqs in json.loads(output):
        assert seqs == list(range(seqs[0], seqs[0] + len(seqs)))
        assert len(seqs) > EVENTS
