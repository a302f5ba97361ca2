"""A server that anything is sent to, and what must be true of it whatever was sent."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, Self, TypeVar

import aiohttp

from protocol.auth import LoggedIn
from protocol.message import Spec
from protocol.permissions import Role, granted
from tests.support.battles import easy_battle, won_battle
from tests.support.callers import Callers
from tests.support.dialects import UNREADABLE
from tests.support.people import Person, connected
from tests.support.roles import Office, beside
from tests.support.server import Server
from tests.support.tables import columns, contents, faults, schema
from tests.support.verified import verified
from tests.support.wire import Transport, Wire

T = TypeVar("T")

CODES = {
    *("invalid", "unauthenticated", "forbidden", "not_found", "conflict", "refused"),
    *("rate_limited", "too_large", "busy", "unavailable", "timed_out", "internal"),
}
"""All there are. Source: the design, `The wire`."""
NEVER = {"internal", "unavailable", "timed_out", "rate_limited", "busy"}
"""What nobody makes a server say by what is sent, where it is not too much."""
WORDS = {"code", "message", "reason", "field", "errors", "retry_after_ms", "details"}
LOGGED = {
    *("listening", "connected", "disconnected", "transport_refused"),
    *("user_registered", "command_audited", "rights_ended"),
}
"""All that a start and a client's doing leave in the log."""


def check_error(error: dict[str, Any]) -> str:
    """An error is one of the closed set, with words that are not endless. Returns its code."""
    assert error.keys() <= WORDS, error
    assert error["code"] in CODES - NEVER, error
    assert 0 < len(error["message"]) < 500, error
    assert error.get("field") is None or len(error["field"]) < 300, error
    code: str = error["code"]
    return code


def check_field(error: dict[str, Any], field: str) -> None:
    """The field that is wrong is named, or one within it."""
    named = error.get("field")
    assert named is not None, error
    assert named == field or named.startswith((f"{field}.", f"{field}[")), error
    assert error["message"].startswith(f"{named}: "), error


class Fuzzed:
    """The server, and callers who have not asked too often yet."""

    def __init__(
        self,
        server: Server,
        transport: Transport,
        office: Office,
        bystander: Person,
        battles: list[str],
    ) -> None:
        self.server = server
        self.transport = transport
        self.bystander = bystander
        self.battles = battles
        self.made: Counter[str] = Counter()  # people by role, beside those who were there
        self.http = aiohttp.ClientSession()
        self._office = office
        self._callers = {
            role: Callers(lambda role=role: self._another(role))  # type: ignore[misc]
            for role in ("player", "admin")
        }
        self._tokens: dict[Wire, str] = {}
        # PostgreSQL stores by the same statements: what they do to tables is looked at in a file.
        self._is_file = server.database.startswith("sqlite:")
        self._before = contents(server.data_dir) if self._is_file else {}
        self._schema = schema(server.data_dir) if self._is_file else []

    async def _another(self, role: str) -> Wire:
        token = (await self.person(role)).tokens.access_token
        connection = await Wire.connect(self.server.url, self.transport, token=token)
        self._tokens[connection] = token
        return connection

    async def person(self, role: str = "player") -> LoggedIn:
        """Somebody new."""
        self.made[role] += 1
        return await self._office.person(role)

    async def caller(self, spec: Spec) -> tuple[Wire, str]:
        """Somebody who may send a message, and their access token."""
        assert spec.limit is not None
        role = "player" if spec.permission in granted(Role.PLAYER) else "admin"
        connection = await self._callers[role].next(spec.limit)
        return connection, self._tokens[connection]

    async def post(self, action: str, body: bytes) -> tuple[int, dict[str, Any]]:
        """Send a REST body. Returns the status and the envelope."""
        url = f"{self.server.url}/api/auth/{action}"
        async with self.http.post(url, data=body) as answer:
            return answer.status, json.loads(await answer.read())

    async def close(self) -> None:
        """Send nothing more."""
        for callers in self._callers.values():
            await callers.close()
        await self.http.close()

    # ---- what must be true afterwards

    def check_answers(self) -> None:
        """Nothing was answered twice, and nobody's connection was closed."""
        for connection in (c for of in self._callers.values() for c in of.connections):
            assert connection.is_open
            counts = {ack: len(answers) for ack, answers in connection.replies.items()}
            counts.pop(UNREADABLE, None)
            assert set(counts.values()) == {1}

    def check_log(self) -> None:
        """No fault is in the log."""
        strange = [line for line in self.server.logged() if line["event"] not in LOGGED]
        assert strange == []

    async def check_service(self) -> None:
        """The bystander's connection works, and a new one does."""
        assert (await self.bystander.ok("players.get"))["player"]["player_id"] == self.bystander.id
        other = await connected(self.server.url)
        self.made["player"] += 1
        await won_battle(other)
        await other.close()

    def check_tables(self) -> None:
        """The tables are what they were, and nothing in them is of anybody's making but ours."""
        if not self._is_file:
            return
        after = contents(self.server.data_dir)
        assert schema(self.server.data_dir) == self._schema
        assert faults(self.server.data_dir) == []
        for table, rows in self._before.items():
            mine = [row for row in rows if self.bystander.id in row]
            assert [row for row in after[table] if self.bystander.id in row] == mine, table
        for table in ("facts", "service_keys", "rights_changes", "alembic_version"):
            assert after[table] == self._before[table]
        for table in ("users", "players"):
            assert len(after[table]) == len(self._before[table]) + self.made.total()
        place = columns(self.server.data_dir, "users").index("role")
        roles = Counter(row[place] for row in after["users"])
        before = Counter(row[place] for row in self._before["users"])
        assert roles == before + self.made
        assert self.made.keys() >= {"player", "admin"}
        gold = [row for row in after["ledger"] if not 0 < row[4] <= 10_000]
        assert gold == [], "nobody was given more than a battle's reward"


@asynccontextmanager
async def fuzzed(server: Server, transport: Transport) -> AsyncIterator[Fuzzed]:
    """A server with a bystander, a battle that waits and one that is over."""
    async with server, beside(server) as office:
        bystander = await connected(server.url)
        over = await won_battle(bystander)
        await bystander.ok("battles.claim", battle_id=over)
        waiting = await easy_battle(bystander)
        found = Fuzzed(server, transport, office, bystander, [over, waiting])
        yield found
        await found.close()
        await bystander.close()
        await verified(server.database)


class Running:
    """Something asynchronous that lives on a loop of its own, for tests that are not."""

    def __init__(self, server: Server, transport: Transport) -> None:
        self._runner = asyncio.Runner(loop_factory=asyncio.new_event_loop)
        self._context = fuzzed(server, transport)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Carry out on the loop."""
        return self._runner.run(work)

    def __enter__(self) -> tuple[Self, Fuzzed]:
        self._runner.__enter__()
        return self, self.run(self._context.__aenter__())

    def __exit__(self, *_: object) -> None:
        self.run(self._context.__aexit__(None, None, None))
        self._runner.close()
