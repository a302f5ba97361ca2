"""Commands of the server, each in a child of one program that has imported everything.

`python -m tests.support.forked_commands`: each line of standard input is a JSON list of a data
folder and the arguments of a command. It is carried out there, and for it the exit code is printed,
or the negative number of the signal that ended it.
"""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import server.app
import server.cli.backup  # noqa: F401
from server.cli.entry import enter

ROOT: Final = Path(__file__).parents[2]


class Commands:
    """The program, as a test has it."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def run(self, data_dir: Path, *arguments: str) -> int:
        """Carry out a command. Returns its exit code, or the negative number of a signal."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        line = json.dumps([str(data_dir), *arguments])
        self._process.stdin.write(f"{line}\n".encode())
        return int(await self._process.stdout.readline())


@asynccontextmanager
async def commands() -> AsyncIterator[Commands]:
    """Start the program."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.support.forked_commands"),
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    yield Commands(process)
    process.terminate()
    await process.communicate()


def _carry_out(data_dir: str, *arguments: str) -> int:
    child = os.fork()
    if child == 0:
        os.environ |= {"DATA_DIR": data_dir, "DATABASE_URL": ""}
        os.dup2(2, 1)  # what it prints is no code
        code = 1
        try:
            code = enter(arguments)
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


if __name__ == "__main__":
    for given in sys.stdin:
        print(_carry_out(*json.loads(given)), flush=True)
