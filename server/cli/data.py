"""Opening a server's data from the command line, beside the running server too."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from server.app import App
from server.app import opened as opened_app
from server.cli.parser import Given
from server.cli.settings import in_force
from server.cli.words import CliError
from server.database import is_there, sqlite_path
from server.runtime.log import configure

ADMIN_FILE: Final = "admin_password"
"""In the data folder: the first admin's password, where no terminal was there to show it."""


@asynccontextmanager
async def opened(given: Given, *, new: bool = False) -> AsyncIterator[App]:
    """The server of the settings, without its sockets. Raises CliError.

    Where there are no data yet, only what may come `new` makes them: else a wrong DATA_DIR would
    look like an empty server.
    """
    settings = in_force(given)
    if not new and not is_there(settings.database):
        raise CliError(
            f"there is no database at {sqlite_path(settings.database)}: DATA_DIR or DATABASE_URL"
            " is another server's, or none has been started yet"
        )
    configure(settings.least_level, settings.log_file)
    private_files()
    async with opened_app(settings) as app:
        yield app


def private_files() -> None:
    """From here on, files are nobody else's: the database holds password hashes."""
    os.umask(0o077)
