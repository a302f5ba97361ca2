"""`run`: the server, and the first admin."""

import sys
from pathlib import Path

from protocol.errors import Failure
from protocol.permissions import Role
from server.app import App, serve
from server.auth import Accounts
from server.cli.data import ADMIN_FILE, private_files
from server.cli.parser import Given
from server.cli.passwords import generate
from server.cli.reload import reloading
from server.cli.settings import in_force
from server.config import Settings
from server.runtime import files, signals
from server.runtime.log import configure, logger
from server.runtime.streams import say
from server.users import Users

log = logger("app")


async def run(given: Given) -> int | None:
    """Run the server, with --dev in a process that is started anew when a source changes."""
    settings = in_force(given)
    if given.dev:
        return await reloading(given)
    configure(settings.least_level, settings.log_file)
    private_files()
    log.debug("starting", data_dir=str(settings.data_dir), level=settings.least_level)
    password: str | None = None
    is_administered = False

    async def prepare(app: App) -> None:
        nonlocal password, is_administered
        password = await _first_admin(app, settings)
        is_administered = await app.service(Users).any_with(Role.ADMIN)

    def ready(address: str) -> None:
        how = _how(password, settings, is_administered=is_administered)
        failed = say(f"\n  Warroom is at {address}\n  Register there{how}\n")
        if failed is not None:
            log.warning("output_failed", error=str(failed))
        elif password is not None:
            files.remove(settings.data_dir / ADMIN_FILE)

    try:
        await serve(settings, prepare, ready)
    finally:
        signals.ignore()
    return None


async def _first_admin(app: App, settings: Settings) -> str | None:
    """Make `admin` at the first start. Its password is in a file that only the owner can read.
    Returns it where a terminal is there to show it: the file goes once it is shown."""
    if await app.service(Users).any_with(Role.ADMIN):
        return None
    password = generate()
    path = settings.data_dir / ADMIN_FILE
    # The file comes first: an admin whose password nobody has seen could not be made again.
    files.write(path, f"{password}\n".encode())
    try:
        await app.service(Accounts).add("admin", password, Role.ADMIN)
    except Failure:  # somebody else has the name: the command line made them before the first start
        files.remove(path)
        log.warning("no_administrator", hint="warroom user role NAME admin")
        return None
    return password if sys.stdout.isatty() else None


def _how(password: str | None, settings: Settings, *, is_administered: bool) -> str:
    path: Path = settings.data_dir / ADMIN_FILE
    if password is not None:
        return f", or log in as admin with the password {password} (shown this once)"
    if path.exists():
        return f", or log in as admin: its password is in {path}"
    return ", or log in as admin" if is_administered else "; nobody is an administrator yet"
