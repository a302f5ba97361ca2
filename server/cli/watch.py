"""`watch`: the events of a room as lines of JSON."""

import asyncio
from pathlib import Path
from typing import NamedTuple

import msgspec

from protocol.client import Received
from protocol.errors import Error, Failure
from protocol.gateway import Joined, Since, Verdict
from server.cli.credentials import credentials
from server.cli.parser import Given
from server.cli.remote import connected, refused
from server.cli.words import CliError
from server.runtime import files


class _State(msgspec.Struct, frozen=True):
    """How far a room was watched."""

    room: str
    epoch: str
    seq: int


class _Line(NamedTuple):
    """What is printed, and how far the room is told with it: None where that is as before."""

    text: bytes
    since: Since | None = None


async def watch(given: Given) -> int:
    """Print what a room tells, until Ctrl-C or until it can't be watched any more."""
    who = credentials(given)
    path = None if given.state is None else Path(given.state)
    since = None if path is None else _read(path, given.room)
    told: asyncio.Queue[_Line | Error] = asyncio.Queue()
    try:
        async with connected(
            who,
            on_event=lambda event: told.put_nowait(_event(event)),
            on_joined=lambda joined: told.put_nowait(_joined(joined)),
            on_gone=lambda _, error: told.put_nowait(error),
            on_refused=told.put_nowait,
        ) as client:
            await client.join(given.room, since)
            while True:
                line = await told.get()
                if isinstance(line, Error):
                    raise Failure(line)
                print(line.text.decode(), flush=True)
                if path is not None and line.since is not None:
                    _write(path, _State(given.room, line.since.epoch, line.since.seq))
    except Failure as e:
        text, code = refused(e.error)
        print(text)
        return code


def _event(event: Received) -> _Line:
    meta = msgspec.to_builtins(event.meta)
    since = None
    if event.meta.epoch is not None and event.meta.seq is not None:
        since = Since(event.meta.epoch, event.meta.seq)
    return _Line(msgspec.json.encode({"type": event.name, "data": event.data, **meta}), since)


def _joined(joined: Joined) -> _Line:
    # Where a gap was filled, its events follow, and each says how far it is.
    since = None if joined.verdict is Verdict.GAP_FILLED else Since(joined.epoch, joined.seq)
    return _Line(msgspec.json.encode({"type": "rooms.joined", "data": joined}), since)


def _read(path: Path, room: str) -> Since | None:
    """How far the room was watched; None where it never was. Raises CliError."""
    try:
        state = msgspec.json.decode(path.read_bytes(), type=_State)
    except FileNotFoundError:
        return None
    except (msgspec.DecodeError, UnicodeError) as e:
        raise CliError(f"{path} is no file of watch --state: {e}", code=2) from None
    if state.room != room:
        raise CliError(f"{path} is of the room {state.room}", code=2)
    return Since(state.epoch, state.seq)


def _write(path: Path, state: _State) -> None:
    """Put the new one in the place of the old one, at once: whoever reads has a whole one."""
    files.write(path, msgspec.json.encode(state))
