"""The command line."""

import argparse
import asyncio
import os
import secrets
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from protocol.errors import Failure
from protocol.permissions import Role
from server import commands
from server.app import App, serve
from server.config import ConfigError, Settings, load
from server.database import Unavailable
from server.runtime import signals
from server.runtime.log import configure

ADMIN_FILE: Final = "admin_password"


def main() -> None:
    """Run what the arguments say. Errors are one line on stderr and exit code 1 or 2."""
    arguments = _parser().parse_args()
    try:
        settings = load({"host": arguments.host, "port": arguments.port})
    except ConfigError as e:
        for problem in e.problems:
            print(f"warroom: {problem}", file=sys.stderr)
        sys.exit(2)
    configure(settings.log_level)
    os.umask(0o077)  # the database holds password hashes: its files are nobody else's
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(arguments.run(settings, arguments))
    except ExceptionGroup as e:
        for failed in e.exceptions:
            print(f"warroom: {failed}", file=sys.stderr)
        sys.exit(1)
    except (Failure, Unavailable, ValueError, OSError) as e:
        print(f"warroom: {e}", file=sys.stderr)
        sys.exit(1)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop's loops, where it is: Windows has none, and is slower for it."""
    try:
        import uvloop  # noqa: PLC0415
    except ImportError:
        return None
    return uvloop.new_event_loop


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="warroom", description="Real-time game server.")
    parser.set_defaults(host=None, port=None)
    known = parser.add_subparsers(required=True, metavar="COMMAND")
    run = known.add_parser("run", help="run the server")
    run.add_argument("--host", help="address to listen on (HOST)")
    run.add_argument("--port", help="port to listen on (PORT)")
    run.set_defaults(run=_run)
    commands.add_to(known)
    return parser


async def _run(settings: Settings, _: argparse.Namespace) -> None:
    password: str | None = None

    async def prepare(app: App) -> None:
        nonlocal password
        password = await _first_admin(app, settings)

    def ready(address: str) -> None:
        print(f"\n  Warroom is at {address}", flush=True)
        print(f"  Register there, or log in as admin{_how(password, settings)}\n", flush=True)

    try:
        await serve(settings, prepare, ready)
    finally:
        signals.ignore()


async def _first_admin(app: App, settings: Settings) -> str | None:
    """Make `admin` at the first start. Returns its password where a terminal is there to show it;
    elsewhere it lies in a file that only the owner can read."""
    if await app.users.any_with(Role.ADMIN):
        return None
    password = secrets.token_urlsafe(12)
    path = settings.data_dir / ADMIN_FILE
    # The file comes first: an admin whose password nobody has seen could not be made again.
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(password + "\n")
    await app.auth.add("admin", password, Role.ADMIN)
    if not sys.stdout.isatty():
        return None
    path.unlink()
    return password


def _how(password: str | None, settings: Settings) -> str:
    path: Path = settings.data_dir / ADMIN_FILE
    if password is not None:
        return f" with the password {password} (shown this once)"
    if path.exists():
        return f": its password is in {path}"
    return ""
