"""`verify`: whether the stored data hold together."""

import asyncio

import msgspec

from server.app import INVARIANTS
from server.cli.data import private_files
from server.cli.parser import Given
from server.cli.settings import in_force
from server.cli.words import CliError
from server.database import Violation, check_revision, database_error, is_there, sqlite_path
from server.database import verify as verify_data

VIOLATED = 1
UNCHECKED = 2


async def verify(given: Given) -> int:
    """Print a line for each invariant that is violated. Returns the exit code."""
    url = in_force(given).database
    private_files()
    if not is_there(url):
        raise CliError(f"there is no database at {sqlite_path(url)}", code=UNCHECKED)
    try:
        await asyncio.to_thread(check_revision, url)
        violations = await verify_data(url, INVARIANTS)
    except (OSError, ValueError) as e:
        raise CliError(str(e), code=UNCHECKED) from e
    except Exception as e:
        said = database_error(e)
        if said is None:
            raise
        raise CliError(said, code=UNCHECKED) from e
    for violation in violations:
        print(msgspec.json.encode(violation).decode() if given.json else _line(violation))
    if not violations and not given.json:
        print(f"all {len(INVARIANTS)} invariants hold")
    return VIOLATED if violations else 0


def _line(violation: Violation) -> str:
    places = "; ".join(violation.examples)
    if (more := violation.count - len(violation.examples)) > 0:
        places += f"; and {more:,} more"
    line = f"{violation.invariant}: {violation.says}. Not so: {places}"
    return "".join(char if char.isprintable() else "?" for char in line)
