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
from server.database import Unavailable
from server.runtime.log import configure

ADMIN_FILE: Final = "admin_password"
"""In the data folder: the first admin's password, where no terminal was there to show it."""


@asynccontextmanager
async def opened(given: Given) -> AsyncIterator[App]:
    """The server of the settings, without its sockets. Raises CliError."""
    settings = in_force(given)
    configure(settings.least_level)
    private_files()
    try:
        async with opened_app(settings) as app:
            yield app
    except Unavailable as e:
        raise CliError(f"the database does not answer: {e}") from e


def private_files() -> None:
    """From here on, files are nobody else's: the database holds password hashes."""
    os.umask(0o077)
