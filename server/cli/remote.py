"""A connection to a running server, as whoever calls."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import msgspec

from protocol.client import Client, Session
from protocol.errors import Error
from server.cli.credentials import Credentials
from server.cli.parser import CODES


@asynccontextmanager
async def connected(who: Credentials, **hooks: Any) -> AsyncIterator[Client]:
    """A client that stays connected. `hooks` are those of Client.

    Raises Failure where the server does not let us in, ConnectionError where it is not there.
    """
    async with AsyncExitStack() as stack:
        if who.service_key is not None:
            client = Client(who.url, service_key=who.service_key, **hooks)
        elif who.token is not None:
            client = Client(who.url, _always(who.token), **hooks)
        else:
            assert who.username is not None
            assert who.password is not None
            session = Session(who.url, who.username, who.password)
            stack.push_async_callback(session.close)
            client = Client(who.url, session.token, **hooks)
            await stack.enter_async_context(client)
            keeping = asyncio.create_task(session.keep(client))
            stack.callback(keeping.cancel)
            yield client
            return
        yield await stack.enter_async_context(client)


def _always(token: str) -> Any:
    async def give() -> str:
        return token

    return give


def refused(error: Error) -> tuple[str, int]:
    """The reply that says why not, and its exit code."""
    return msgspec.json.encode({"ok": False, "error": error}).decode(), CODES[error.code]


def pretty(text: str) -> str:
    """JSON for people."""
    return msgspec.json.format(text, indent=2)
