"""From arguments to an exit code. Whatever a user can cause is one line on stderr."""

import asyncio
import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Final, Protocol

from protocol.errors import Failure
from server.cli.parser import Given, parser
from server.cli.words import CliError, complain

FAILED: Final = 1
INTERRUPTED: Final = 130
PIPE_CLOSED: Final = 141
"""As a shell tells that a signal has ended a program: SIGINT, SIGPIPE."""


class Action(Protocol):
    """What a command does. Returns its exit code, None for 0."""

    async def __call__(self, given: Given) -> int | None:
        """Do it."""
        ...


def enter(arguments: Sequence[str]) -> int:
    """Do what the arguments say. Returns the exit code. Never raises but SystemExit of argparse."""
    given = parser().parse_args(arguments, Given())
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            code = runner.run(find(given.action)(given)) or 0
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read has gone. Python would complain once more at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PIPE_CLOSED
    except KeyboardInterrupt:
        return INTERRUPTED
    except ExceptionGroup as e:
        complain(*map(str, e.exceptions))
        return FAILED
    except (CliError, Failure, ValueError, OSError) as e:
        complain(*(e.problems if isinstance(e, CliError) else [str(e)]))
        return e.code if isinstance(e, CliError) else FAILED
    return code


def find(name: str) -> Action:
    """The function of an action, `file:function`. Its file is read only now."""
    module, _, function = name.partition(":")
    found: Action = getattr(import_module(f"server.cli.{module}"), function)
    return found


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop's loops, where it is: Windows has none, and is slower for it."""
    try:
        import uvloop  # noqa: PLC0415
    except ImportError:
        return None
    return uvloop.new_event_loop
