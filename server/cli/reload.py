"""`run --dev`: the server in a process of its own, started anew when a source file changes."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

from watchfiles import PythonFilter, awatch
from watchfiles.main import FileChange

from server.cli.parser import Given
from server.cli.words import complain
from server.runtime import signals
from server.runtime.children import with_parent
from server.runtime.streams import say

SOURCES: Final = [Path(__file__).parents[1], Path(__file__).parents[2] / "protocol"]


async def reloading(given: Given) -> int:
    """Run the server until SIGTERM, SIGHUP or Ctrl-C. Returns the exit code of the last one.

    Every server ends by its clean shutdown: its clients come back to the next one and resume. One
    that can't start says why, and the next change is waited for.
    """
    stop = asyncio.Event()
    signals.on_end(stop.set)
    changes = awatch(*SOURCES, watch_filter=PythonFilter(), stop_event=stop)
    code = 0
    while not stop.is_set():
        server = await asyncio.create_subprocess_exec(
            *_command(given), env=_environment(), preexec_fn=with_parent()
        )
        ended = asyncio.create_task(server.wait())
        changed = asyncio.create_task(_next(changes))
        await asyncio.wait({ended, changed}, return_when=asyncio.FIRST_COMPLETED)
        if ended.done() and not changed.done():
            complain(f"the server has ended with {ended.result()}; waits for a change")
        elif not ended.done():
            server.terminate()
        code, found = await ended, await changed
        if found and not stop.is_set():
            say(f"\n  {', '.join(found)}: starting anew")
    signals.ignore()
    return code


async def _next(changes: AsyncIterator[set[FileChange]]) -> list[str]:
    """The names of the files that change next; none where this is to end."""
    return sorted({Path(path).name for _, path in await anext(changes, set())})


def _command(given: Given) -> list[str]:
    flags = [(f"--{name}", getattr(given, name)) for name in ("host", "port")]
    more = [word for flag, value in flags if value is not None for word in (flag, value)]
    return [sys.executable, "-m", "server", "run", *more]


def _environment() -> dict[str, str]:
    return {**os.environ, "DEBUG": "true"}
