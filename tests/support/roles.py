"""People of every role and services of every scope, made beside a running server."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from protocol.auth import LoggedIn
from protocol.ids import uuid7
from protocol.permissions import Role
from server.app import App, opened
from server.auth import Accounts, Auth
from server.config import Settings
from tests.support.people import PASSWORD
from tests.support.server import Server


@asynccontextmanager
async def beside(server: Server, secret_key: str | None = None) -> AsyncIterator["Office"]:
    """A second process' part on a server's data folder, as the command line has it."""
    settings = Settings(
        data_dir=server.data_dir,
        database_url=server.database,
        secret_key=secret_key,
        password_hash_cost=4,
    )
    async with opened(settings) as app:
        yield Office(app)


class Office:
    """Where people of any role and service keys are made."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def person(self, role: str, password: str = PASSWORD) -> LoggedIn:
        """Somebody new with a role, logged in."""
        name = f"r{uuid7().replace('-', '')[-18:]}"
        return await self._app.service(Auth).add(name, password, Role(role))

    async def service(self, *scopes: str) -> str:
        """The key of a new service. Raises ValueError for a scope that there is not."""
        return await self._app.service(Accounts).add_service_key(f"service {uuid7()}", list(scopes))
