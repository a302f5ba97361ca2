"""`verify`: whether the stored data hold together, and whether a backup is as it was made."""

import asyncio
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

import msgspec

from server.cli.backup import read
from server.cli.data import private_files
from server.cli.parser import Given
from server.cli.settings import in_force
from server.cli.words import CliError
from server.database import (
    Violation,
    check_revision,
    database_error,
    is_there,
    opened_copy,
    read_through,
    sqlite_path,
)
from server.database import verify as verify_data
from server.domains import INVARIANTS
from server.runtime import files
from server.runtime.interrupt import Interrupt, Interrupted, interruptible

VIOLATED = 1
UNCHECKED = 2
HOLD = f"all {len(INVARIANTS)} invariants hold"


async def verify(given: Given) -> int:
    """Print a line for each invariant that is violated. Returns the exit code."""
    private_files()
    try:
        if given.backup is not None:
            file = Path(given.backup)
            violations, well = await interruptible(
                lambda interrupt: _verify_backup(file, interrupt)
            )
        else:
            violations, well = await _verify_database(in_force(given).database), HOLD
    except Interrupted as e:
        raise CliError(f"{e}: not all is checked", code=128 + e.number) from None
    except (OSError, ValueError) as e:
        raise CliError(str(e), code=UNCHECKED) from e
    except Exception as e:
        said = database_error(e)
        if said is None:
            raise
        raise CliError(said, code=UNCHECKED) from e
    for violation in violations:
        print(msgspec.json.encode(violation).decode() if given.json else _line(violation))
    if violations:
        return VIOLATED
    if not given.json:
        print(well)
    return 0


async def _verify_database(url: str) -> Sequence[Violation]:
    if not is_there(url):
        raise CliError(f"there is no database at {sqlite_path(url)}", code=UNCHECKED)
    await asyncio.to_thread(check_revision, url)
    return await verify_data(url, INVARIANTS)


def _verify_backup(file: Path, interrupt: Interrupt) -> tuple[Sequence[Violation], str]:
    """What is violated in a backup, and what to say where nothing is."""
    found = read(file, interrupt)
    as_made = "can be read" if found.about.format == 1 else "is as it was made"
    pieces = found.database.pieces(interrupt.check)
    if found.about.engine != "sqlite":
        read_through(pieces, interrupt)
        return (), (
            f"{file} {as_made}, by pg_restore too. Invariants are not checked: restore it into an"
            " empty database, and verify that"
        )
    # Where backups are there is room for one more, if anywhere.
    beside = file.resolve().parent
    folder = beside if os.access(beside, os.W_OK) else Path(tempfile.gettempdir())
    with (
        files.scratch(folder) as scratch,
        opened_copy(scratch, pieces, found.about.revision, interrupt) as url,
    ):
        return asyncio.run(verify_data(url, INVARIANTS)), f"{file} {as_made}, and {HOLD}"


def _line(violation: Violation) -> str:
    places = "; ".join(violation.examples)
    if (more := violation.count - len(violation.examples)) > 0:
        places += f"; and {more:,} more"
    line = f"{violation.invariant}: {violation.says}. Not so: {places}"
    return "".join(char if char.isprintable() else "?" for char in line)
