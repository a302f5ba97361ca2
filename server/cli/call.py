"""`call`: any command or query of a running server."""

import difflib
import sys
from typing import Any, Final

import msgspec

from protocol import codec
from protocol.domains import load
from protocol.errors import Code, Error, Failure
from protocol.ids import uuid7
from protocol.message import Command, Kind, Spec, find, specs
from server.cli.credentials import credentials
from server.cli.parser import Given
from server.cli.remote import connected, pretty, refused
from server.cli.words import CliError, complain

load()

MOST_BYTES: Final = 16 * 1024 * 1024
"""The largest MAX_MESSAGE_BYTES of a server."""


async def call(given: Given) -> int:
    """Send a message, and print its reply. Returns the exit code of its code."""
    if not given.timeout > 0:
        raise CliError("--timeout must be more than 0", code=2)
    fields = _fields(given)
    who = credentials(given)
    message: Any = None
    try:
        message = _message(given, fields)
        async with connected(who) as client:
            if isinstance(message, Command):
                reply = await client.send(message, given.timeout)
            else:
                reply = await client.ask(message, given.timeout)
    except Failure as e:
        text, code = refused(e.error)
        if e.error.code is Code.TIMED_OUT and isinstance(message, Command):
            complain(f"whether it was carried out: --request-id {message.request_id} finds out")
    else:
        text, code = msgspec.json.encode({"ok": True, "data": reply}).decode(), 0
    print(pretty(text) if sys.stdout.isatty() else text)
    return code


def _fields(given: Given) -> Any:
    """What is given as JSON. Raises CliError."""
    try:
        fields = msgspec.json.decode(_read() if given.json == "-" else given.json)
    except (msgspec.DecodeError, RecursionError, UnicodeError) as e:
        raise CliError(f"the JSON is broken: {e}", code=2) from None
    if given.request_id is not None and isinstance(fields, dict):
        if fields.get("request_id", given.request_id) != given.request_id:
            raise CliError("--request-id and the JSON name different ids", code=2)
        fields["request_id"] = given.request_id
    return fields


def _read() -> bytes:
    """Standard input to its end. Raises CliError where no server would take that much."""
    text = sys.stdin.buffer.read(MOST_BYTES + 1)
    if len(text) > MOST_BYTES:
        raise CliError(f"the JSON on standard input has more than {MOST_BYTES:,} bytes", code=2)
    return text


def _message(given: Given, fields: Any) -> Any:
    """The message. Raises Failure as the server would, CliError for --request-id with a query."""
    spec = find(given.name)
    if spec is None or spec.kind is Kind.EVENT:
        raise Failure(Error(Code.NOT_FOUND, f"no such command: {given.name}{_likely(given.name)}"))
    if spec.kind is Kind.QUERY and given.request_id is not None:
        raise CliError(f"{spec.name} only asks: it takes no --request-id", code=2)
    return _with_request_id(spec, fields)


def _with_request_id(spec: Spec, fields: Any) -> Any:
    message = codec.decode_call(spec, msgspec.json.encode(fields))
    if isinstance(message, Command) and message.request_id is None:
        return msgspec.structs.replace(message, request_id=uuid7())
    return message


def _likely(name: str) -> str:
    known = [spec.name for spec in specs(Kind.COMMAND, Kind.QUERY)]
    found = difflib.get_close_matches(name, known, 3)
    return f" (there is {', '.join(found)})" if found else ""
