"""All commands with their arguments and their help: light, so that help comes at once."""

import argparse
from typing import Any, Final, NoReturn

from protocol.errors import Code
from protocol.permissions import SCOPES, Role

CODES: Final = {code: 10 + place for place, code in enumerate(Code)}
"""Exit codes of `call` and `watch` by the code of the answer. 0 is ok, 1 and 2 are our own."""

_EXIT_CODES: Final = """
exit codes:
  0    done
  1    no answer: no server there, the connection refused, a file that can't be read
  2    arguments, JSON, settings or credentials that can't be used
"""

_CREDENTIALS: Final = """
who calls, from the environment:
  WARROOM_URL                                address of the server, http://127.0.0.1:8000 without
  WARROOM_SERVICE_KEY                        as a service (made by: warroom service-key add), or
  WARROOM_USERNAME and WARROOM_PASSWORD      as a person, or
  WARROOM_TOKEN                              with an access token, until it expires
or the same lines in a file that only its owner can read (chmod 600): that of --credentials, of
WARROOM_CREDENTIALS, or ~/.config/warroom/credentials. The environment goes before the file.
"""


class Given(argparse.Namespace):
    """The arguments. `action` names what is to be done, as `file:function` of this package."""

    action: str


class _Parser(argparse.ArgumentParser):
    """Whose errors are one line, as all others are."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong with the arguments, and end with 2."""
        line = " ".join(message.split())
        self.exit(2, f"warroom: {line}; {self.prog} --help says more\n")


class _Help(argparse.RawDescriptionHelpFormatter):
    """Examples and tables stay as they are written."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=30, width=100)


def _exit_codes() -> str:
    lines = (
        f"  {number}   {code}{', may be tried again' if code.retry else ''}"
        for code, number in CODES.items()
    )
    return "\n".join([_EXIT_CODES.rstrip(), *lines])


def _add(commands: Any, name: str, about: str, action: str = "", more: str = "") -> Any:
    """One more command: `about` is its summary, `more` follows its arguments."""
    parser = commands.add_parser(
        name,
        help=about,
        description=f"{about[0].upper()}{about[1:]}.",
        epilog=more.strip("\n"),
        formatter_class=_Help,
    )
    if action:
        parser.set_defaults(action=action)
    return parser


def _group(commands: Any, name: str, about: str, more: str = "") -> Any:
    """A command that has commands of its own."""
    return _add(commands, name, about, more=more).add_subparsers(
        required=True, metavar="ACTION", title="actions"
    )


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    whole = _Parser(
        prog="warroom",
        description="Warroom, a real-time game server.",
        epilog="""examples:
  warroom run                         start the server, on http://127.0.0.1:8000
  warroom user add ada --role admin   add a person; the password is asked for
  warroom backup warroom.tar          copy all data, while the server runs
  warroom COMMAND --help              more about a command

Settings come from flags, the environment and a file .env: warroom config shows them.
Exit codes: 0 done, 1 failed, 2 what was given can't be used; call and watch have more.""",
        formatter_class=_Help,
    )
    commands = whole.add_subparsers(required=True, metavar="COMMAND", title="commands")
    _server(commands)
    _user(commands)
    _service_key(commands)
    _data(commands)
    _remote(commands)
    _conformance(commands)
    return whole


def _server(commands: Any) -> None:
    run = _add(
        commands,
        "run",
        "run the server until SIGTERM or Ctrl-C",
        "run:run",
        """
examples:
  warroom run --host 0.0.0.0 --port 9000
  warroom run --dev                       start anew whenever a source file changes
""",
    )
    config = _add(
        commands,
        "config",
        "show every setting: value, unit, where it comes from, default, range",
        "settings:show",
        """
Secrets are shown as ***. Flags are those of run: what it would take is shown.

examples:
  warroom config
  PORT=9000 warroom config
  warroom config --markdown server/README.md   write the table of the documentation
""",
    )
    for one in (run, config):
        one.add_argument("--host", help="address to listen on (HOST)")
        one.add_argument("--port", help="port to listen on (PORT)")
    run.add_argument(
        "--dev",
        action="store_true",
        help="start anew when a source file changes, and log at DEBUG",
    )
    config.add_argument(
        "--markdown",
        nargs="?",
        const="-",
        metavar="FILE",
        help="the table of defaults as Markdown; with a file, write it there between its marks",
    )
    migrate = _add(
        commands,
        "migrate",
        "bring the tables of the database up to date",
        "tables:migrate",
        """
Every start of the server does the same. Going down loses what the newer tables hold.

examples:
  warroom migrate --history         show the revisions, * is where the database is
  warroom migrate --to 0002         up or down to a revision
""",
    )
    which = migrate.add_mutually_exclusive_group()
    which.add_argument(
        "--to", metavar="REVISION", default="head", help="up or down to this one, not the newest"
    )
    which.add_argument("--history", action="store_true", help="only show the revisions")


def _conformance(commands: Any) -> None:
    parser = _add(
        commands,
        "conformance",
        "run the gateway without a game, for protocol suites and load generators",
        "conformance:run",
        """
Anybody on this machine is let in, and nobody else: it listens on a loopback address only. Nothing
is stored. Other settings are those of run, and so are the names in the environment; pages of any
origin may connect where CORS_ORIGINS is empty.

  /socket.io/   namespaces / and /custom: auth on connect, message, message-with-ack;
                in / also join, echo, bcast, attack
  /engine.io/   says back each message of bare Engine.IO
  /echo         says back each message of a WebSocket
  /metrics      as ever

examples:
  warroom conformance --port 3000
  warroom conformance --port 3000 --ping-interval-ms 25000 --ping-timeout-ms 20000
""",
    )
    parser.add_argument("--host", help="loopback address to listen on (HOST)")
    parser.add_argument("--port", help="port to listen on (PORT)")
    for flag, unit, about in (
        ("--ping-interval-ms", "MS", "how often a client is pinged (300)"),
        ("--ping-timeout-ms", "MS", "how long it may take to answer (200)"),
        ("--connect-timeout-ms", "MS", "how long it may take to connect to a namespace (1000)"),
        ("--max-message-bytes", "BYTES", "largest message, but of /echo (1000000)"),
    ):
        parser.add_argument(flag, metavar=unit, help=about)
    parser.add_argument(
        "--echo-max",
        dest="echo_max_bytes",
        metavar="BYTES",
        type=int,
        default=32 * 1024 * 1024,
        help="largest message to /echo (33554432)",
    )


def _password(parser: argparse.ArgumentParser) -> None:
    how = parser.add_mutually_exclusive_group()
    how.add_argument(
        "--password-stdin", action="store_true", help="read the password from standard input"
    )
    how.add_argument(
        "--generate", action="store_true", help="make a password and show it, this once"
    )


def _user(commands: Any) -> None:
    actions = _group(
        commands,
        "user",
        "people who log in: add, list, role, password, disable, enable, delete",
        """
These work on the database, beside a running server too: its connections hear of it in 5 s.
""",
    )
    roles = list(map(str, Role))
    asked = """
The password is asked for on the terminal. It is 8 to 72 bytes, and never an argument.
"""
    add = _add(
        actions,
        "add",
        "add a person",
        "people:add",
        f"""{asked}
examples:
  warroom user add ada --role admin --email ada@example.org
  warroom user add bot --role agent --generate
  pass show warroom/ada | warroom user add ada --password-stdin
""",
    )
    listing = _add(actions, "list", "list people, by username", "people:show")
    listing.add_argument(
        "--search", default="", metavar="TEXT", help="part of the username or the e-mail address"
    )
    listing.add_argument("--role", choices=roles, help="only who has this role")
    listing.add_argument("--json", action="store_true", help="one line of JSON each")
    role = _add(actions, "role", "give a person another role", "people:set_role")
    change = _add(
        actions,
        "password",
        "give a person another password; all their log-ins end",
        "people:set_password",
        asked,
    )
    disable = _add(actions, "disable", "keep a person out; all their log-ins end", "people:disable")
    enable = _add(actions, "enable", "let a person log in again", "people:enable")
    delete = _add(
        actions,
        "delete",
        "delete a person and all that belongs to them, for good",
        "people:delete",
    )
    delete.add_argument("--yes", action="store_true", help="do not ask whether that is meant")
    add.add_argument("name", metavar="NAME", help="the username")
    for action in (role, change, disable, enable, delete):
        action.add_argument("name", metavar="NAME", help="the username, or the e-mail address")
    role.add_argument("role", choices=roles, metavar="ROLE", help=f"one of {', '.join(roles)}")
    add.add_argument(
        "--role", choices=roles, default=str(Role.PLAYER), help="their role; player without"
    )
    add.add_argument("--email", help="their e-mail address, to log in with too")
    _password(add)
    _password(change)


def _service_key(commands: Any) -> None:
    actions = _group(commands, "service-key", "keys of services that connect: add, list, revoke")
    scopes = sorted(map(str, SCOPES))
    add = _add(
        actions,
        "add",
        "make a key; it is printed this once",
        "keys:add",
        """
example:
  (umask 077; echo "WARROOM_SERVICE_KEY=$(warroom service-key add cron --scope read)" > key)
""",
    )
    add.add_argument(
        "--scope",
        action="append",
        default=[],
        choices=scopes,
        help="what it may do; may be given again",
    )
    listing = _add(actions, "list", "list keys: names and scopes, not the keys", "keys:show")
    listing.add_argument("--json", action="store_true", help="one line of JSON each")
    revoke = _add(actions, "revoke", "end a key, for good", "keys:revoke")
    for action in (add, revoke):
        action.add_argument("name", metavar="NAME", help="what the service is called")


def _data(commands: Any) -> None:
    backup = _add(
        commands,
        "backup",
        "copy all data into a file, while the server runs",
        "backup:backup",
        """
The file is a tar, readable by its owner alone: the database as of one moment, the secret_key of
DATA_DIR (never a SECRET_KEY that is a setting), and a checksum of each. It is read back before it
replaces another backup; any other file is left alone. PostgreSQL needs pg_dump installed.

example, every night:
  0 3 * * *  warroom backup /backups/warroom-$(date +\\%u).tar
""",
    )
    restore = _add(
        commands,
        "restore",
        "put a backup in the place of the data; no server may run on it",
        "backup:restore",
        """
The backup is verified first. Until it is restored, the data is as it was. Then what was committed
after the backup is gone, and rooms of clients that saw that are reset. PostgreSQL needs pg_restore
and psql installed; tables in it that are not Warroom's stay.

examples:
  warroom restore warroom.tar             into an empty data folder or database
  warroom restore warroom.tar --force     over the data that is there
""",
    )
    for one in (backup, restore):
        one.add_argument("file", metavar="FILE", help="the backup")
    restore.add_argument("--force", action="store_true", help="over the data that is there")
    verify = _add(
        commands,
        "verify",
        "check that the stored data hold together, while the server runs, or those of a backup",
        "verify:verify",
        """
A line for each invariant that is violated, with ids. It only reads, all as of one moment. Of a
backup the checksums are verified too, but of PostgreSQL's no invariants.

exit codes: 0 all hold, 1 some do not or the backup is damaged, 2 they can't be checked""",
    )
    verify.add_argument("--backup", metavar="FILE", help="check a backup, not the data in use")
    verify.add_argument("--json", action="store_true", help="a line of JSON each")


def _remote(commands: Any) -> None:
    call = _add(
        commands,
        "call",
        "send a command or query to a running server, and print its reply",
        "call:call",
        f"""
The reply is one JSON document on standard output, whether it is ok or not.
{_CREDENTIALS}
examples:
  warroom call battles.list
  warroom call battles.chat '{{"battle_id": "…", "text": "hello"}}'
  jq -n '{{battle_id: env.BATTLE}}' | warroom call battles.join -
  warroom call battles.join '{{"battle_id": "…"}}' --request-id "join-$(date +%F)"

Sent again with the same --request-id, a command is carried out once and answered as the first time.
{_exit_codes()}
""",
    )
    call.add_argument("name", metavar="COMMAND", help="its name, such as battles.list")
    call.add_argument(
        "json", metavar="JSON", nargs="?", default="{}", help="its fields; - reads standard input"
    )
    call.add_argument("--request-id", metavar="ID", help="of a command, to send it again with")
    call.add_argument(
        "--timeout", type=float, default=30.0, metavar="S", help="wait so many seconds; 30 without"
    )
    watch = _add(
        commands,
        "watch",
        "print the events of a room as lines of JSON, until Ctrl-C",
        "watch:watch",
        f"""
The first line, and one after every drop, says what joining found: `rooms.joined` with a verdict
and, where that is `joined` or `reset`, a snapshot. What was missed follows by itself.
{_CREDENTIALS}
examples:
  warroom watch battles
  warroom watch battle:0199… --state battle.json      goes on where it was, also after a restart
  warroom watch player:0199… | jq 'select(.type == "players.changed").data.player.level'
{_exit_codes()}
""",
    )
    watch.add_argument("room", metavar="ROOM", help="its name, such as battles or battle:<id>")
    watch.add_argument("--state", metavar="FILE", help="keep there how far this has come")
    for one in (call, watch):
        one.add_argument("--url", help="address of the server (WARROOM_URL)")
        one.add_argument("--credentials", metavar="FILE", help="who calls: a file, see below")
