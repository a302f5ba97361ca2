"""A server of which a part crashes, and otherwise as it is.

`CRASHES` says how often its service crashes at its start; `tests.break_writer` crashes the writer.
"""

import asyncio
import os
from typing import Any

from protocol.message import Command, Done, Limit, command
from protocol.permissions import Permission
from server import app
from server.cli import main
from server.database import Entry
from server.gateway import CommitHandle, Context, handles
from server.runtime.log import logger

log = logger("crashing")


class Crash(Exception):
    """What a part of this server ends with."""


class App(app.App):
    """The server with one background task more."""

    def __init__(self, *parts: Any) -> None:
        super().__init__(*parts)
        self.crashes = int(os.environ.get("CRASHES", "0"))
        self.background["crashing"] = self.crash

    async def crash(self) -> None:
        """Crash, as often as it is to."""
        if self.crashes:
            self.crashes -= 1
            raise Crash("here")
        log.info("no_crash")
        await asyncio.Event().wait()


class BrokenEntry(Entry[str]):
    """Breaks whoever settles it."""

    def unit_ended(self) -> None:
        """Called by the writer, once it has committed."""
        raise Crash("in the writer")


@command("tests.break_writer", permission=Permission.CONNECT, limit=Limit.ACTION)
class BreakWriter(Command[Done], frozen=True):
    """Crashes the writer."""


@handles(BreakWriter)
async def break_writer(ctx: Context, _: BreakWriter) -> CommitHandle[Done]:
    """Commit a unit that can't be settled."""
    work = ctx.work()
    work.swap(BrokenEntry("key", "before"), "after")
    return ctx.commit(work, Done())


if __name__ == "__main__":
    app.App = App  # type: ignore[misc]
    main()
