"""Servers within this process: several on the same data, each with a clock that a test turns."""

import asyncio
import functools
import socket
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import uvicorn

from protocol.auth import LoggedIn, Login
from protocol.permissions import Role
from server.app import App, opened
from server.auth import Auth
from server.config import Settings
from server.http.serving import WebServer
from server.transport.handshake import Handshake
from tests.support.clock import ManualClock
from tests.support.lines import Line, line
from tests.support.people import PASSWORD
from tests.support.verified import NO_ADMIN, verified

ADDRESS = "203.0.113.7"

Look = Callable[[], Awaitable[None]]
"""Lets a process look at what the others have changed."""


class Process:
    """One of several processes on the same data, without sockets."""

    def __init__(self, app: App, clock: ManualClock) -> None:
        self.app = app
        self.clock = clock

    async def person(self, name: str, role: Role = Role.PLAYER) -> LoggedIn:
        """Somebody new."""
        return await self.app.service(Auth).add(name, PASSWORD, role)

    async def log_in(self, name: str) -> LoggedIn:
        """Another log-in of somebody."""
        return await self.app.service(Auth).log_in(Login(name, PASSWORD), ADDRESS)

    async def line(self, logged_in: LoggedIn) -> Line:
        """A connection with an access token."""
        return await line(self.app, token=logged_in.tokens.access_token)

    async def log_out(self, logged_in: LoggedIn) -> None:
        """End a log-in."""
        await self.app.service(Auth).log_out(logged_in.tokens.refresh_token)


@asynccontextmanager
async def process(
    folder: Path, url: str | None = None, clock: ManualClock | None = None, **settings: Any
) -> AsyncIterator[Process]:
    """Start one, on the database in the folder or on one with an address."""
    clock = clock or ManualClock()
    given = Settings(data_dir=folder, database_url=url, password_hash_cost=4, **settings)
    async with opened(given, clock) as app:
        yield Process(app, clock)
    await verified(given.database, NO_ADMIN)


@asynccontextmanager
async def listening(app: App) -> AsyncIterator[str]:
    """Let a server of this process be connected to. Gives its address."""
    handshake = functools.partial(Handshake, app.refusals)
    config = uvicorn.Config(app.asgi, ws=handshake, lifespan="off", log_config=None)  # type: ignore[arg-type]
    web = WebServer(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        serving = asyncio.create_task(web.serve([listener]))
        await web.listening.wait()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        await web.end(serving)


def versions(folder: Path) -> list[int]:
    """The numbers of all changes that are kept."""
    with sqlite3.connect(folder / "warroom.db") as db:
        found = [row[0] for row in db.execute("select version from rights_changes order by 1")]
    db.close()
    return found
