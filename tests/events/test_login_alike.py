"""Nobody learns from a log-in that fails whether there is such a person."""

import asyncio
import statistics
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from protocol.message import RATES, Limit
from protocol.permissions import Role
from server.app import opened
from server.auth import Accounts, Auth
from server.config import Settings
from tests.support.people import PASSWORD
from tests.support.server import Server

KINDS = ("wrong", "unknown", "disabled")
ROUNDS = 6
PAIRS = 9
_, AT_ONCE = RATES[Limit.LOGIN]
COST = 10


@pytest.fixture
async def people(tmp_path: Path) -> AsyncIterator[Server]:
    """A server whose passwords cost something: each round has somebody of its own."""
    folder = tmp_path / "data"
    async with opened(Settings(data_dir=folder, password_hash_cost=COST)) as app:
        for n in range(ROUNDS):
            await app.service(Auth).add(f"wrong-{n}", PASSWORD, Role.PLAYER)
            await app.service(Auth).add(f"disabled-{n}", PASSWORD, Role.PLAYER)
            await app.service(Accounts).disable(f"disabled-{n}")
    async with Server(folder, PASSWORD_HASH_COST=str(COST)) as started:
        yield started


class Knocking:
    """Somebody without a right who tries to log in, over one connection."""

    def __init__(self, server: Server, session: aiohttp.ClientSession) -> None:
        self._url = f"{server.url}/api/auth/login"
        self._session = session

    async def knock(self, login: str, password: str) -> tuple[int, Any, float]:
        """The status, the answer, and the seconds that it took."""
        body = {"username": login, "password": password}
        before = time.perf_counter()
        async with self._session.post(self._url, json=body) as answer:
            found = await answer.json()
        return answer.status, found, time.perf_counter() - before


def credentials(kind: str, n: int) -> tuple[str, str]:
    """A login and a password that are refused. Who is kept out knows the right one."""
    return f"{kind}-{n}", PASSWORD if kind == "disabled" else "another horse"


async def test_what_is_wrong_can_be_told_neither_from_words_nor_from_time(
    people: Server,
) -> None:
    """Interleaved tries take as long, within a tenth.

    Compared are lower quartiles: what else the machine does only ever adds to some of them. More
    rounds are added where it does much.
    """
    spreads = []
    took: dict[str, list[float]] = {kind: [] for kind in KINDS}
    async with aiohttp.ClientSession() as session:
        knocking = Knocking(people, session)
        status, _, _ = await knocking.knock("wrong-0", PASSWORD)
        assert status == 200
        for n in range(ROUNDS):
            for _ in range(PAIRS):
                answers = []
                for kind in KINDS:
                    status, answer, seconds = await knocking.knock(*credentials(kind, n))
                    took[kind].append(seconds)
                    answers.append((status, answer))
                assert answers[0][0] == 401
                assert answers[0] == answers[1] == answers[2]
            quartiles = [statistics.quantiles(took[kind], n=4)[0] for kind in KINDS]
            spreads.append(max(quartiles) / min(quartiles) - 1)
            if spreads[-1] <= 0.1:
                break
    assert min(spreads) <= 0.1, spreads


async def test_too_many_tries_sound_alike_too(people: Server) -> None:
    async with aiohttp.ClientSession() as session:
        knocking = Knocking(people, session)
        for kind in KINDS:
            tries = [knocking.knock(*credentials(kind, 0)) for _ in range(AT_ONCE + 5)]
            found = await asyncio.gather(*tries)
            assert [status for status, _, _ in found].count(401) == AT_ONCE
            limited = [answer["error"] for status, answer, _ in found if status == 429]
            assert len(limited) == 5
            for error in limited:
                assert error["code"] == "rate_limited"
                assert error["message"] == "rate limit exceeded: at most 0.1 a second, 10 at once"
                assert 0 < error["retry_after_ms"] <= 10_001
        body = {"username": "unknown-0", "password": PASSWORD}
        async with session.post(f"{people.url}/api/auth/login", json=body) as answer:
            assert answer.status == 429
            assert 0 < int(answer.headers["retry-after"]) <= 11
