"""What can be done to a server's data from the command line, beside the running server too."""

import argparse
import asyncio
from typing import Any

from protocol.permissions import SCOPES, Role
from server.app import opened
from server.config import Settings
from server.database import migrate, revisions


def add_to(commands: Any) -> None:
    """Put these commands among those of the command line, `commands` of argparse."""
    _tables(commands.add_parser("migrate", help="bring the tables of the database up to date"))
    _user(commands.add_parser("user", help="people who log in"))
    _service_key(commands.add_parser("service-key", help="keys of services that connect"))


def _tables(parser: argparse.ArgumentParser) -> None:
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--to",
        metavar="REVISION",
        default="head",
        help="up or down to a revision; the newest without",
    )
    which.add_argument("--history", action="store_true", help="only show the revisions")
    parser.set_defaults(run=_migrate)


def _user(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    role = actions.add_parser("role", help="give a person another role")
    role.set_defaults(run=_set_role)
    disable = actions.add_parser("disable", help="keep a person out; all their log-ins end")
    disable.set_defaults(run=_disable)
    enable = actions.add_parser("enable", help="let a person log in again")
    enable.set_defaults(run=_enable)
    for action in (role, disable, enable):
        action.add_argument("name", help="the username")
    role.add_argument("role", choices=list(map(str, Role)), help="the one role of the person")


def _service_key(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    add = actions.add_parser("add", help="make a key; it is shown once")
    add.add_argument(
        "--scope",
        action="append",
        default=[],
        choices=sorted(map(str, SCOPES)),
        help="what it may do",
    )
    add.set_defaults(run=_add_service_key)
    revoke = actions.add_parser("revoke", help="end a key, for good")
    revoke.set_defaults(run=_revoke_service_key)
    for action in (add, revoke):
        action.add_argument("name", help="what the service is called")


async def _migrate(settings: Settings, given: argparse.Namespace) -> None:
    url = settings.database
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    if not given.history:
        await asyncio.to_thread(migrate, url, given.to)
    for revision in await asyncio.to_thread(revisions, url):
        print(f"{'*' if revision.current else ' '} {revision.revision}  {revision.doc}")


async def _set_role(settings: Settings, given: argparse.Namespace) -> None:
    async with opened(settings) as app:
        await app.accounts.set_role(given.name, Role(given.role))
    print(f"{given.name} has the role {given.role}")


async def _disable(settings: Settings, given: argparse.Namespace) -> None:
    async with opened(settings) as app:
        await app.accounts.disable(given.name)
    print(f"{given.name} is kept out")


async def _enable(settings: Settings, given: argparse.Namespace) -> None:
    async with opened(settings) as app:
        await app.accounts.enable(given.name)
    print(f"{given.name} may log in")


async def _add_service_key(settings: Settings, given: argparse.Namespace) -> None:
    async with opened(settings) as app:
        print(await app.accounts.add_service_key(given.name, given.scope))


async def _revoke_service_key(settings: Settings, given: argparse.Namespace) -> None:
    async with opened(settings) as app:
        await app.accounts.revoke_service_key(given.name)
    print(f"the service key {given.name} is revoked")
