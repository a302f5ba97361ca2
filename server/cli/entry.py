"""From arguments to an exit code. Whatever a user can cause is one line on stderr."""

import asyncio
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Final, Protocol

from protocol.errors import Failure
from server.cli.parser import Given, parser
from server.cli.words import CliError, complain
from server.runtime import streams

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
    """Do what the arguments say. Returns the exit code. Raises nothing but faults of ours."""
    code, problems, error = _carried_out(arguments)
    failed = streams.flush()
    if isinstance(failed, BrokenPipeError):
        return PIPE_CLOSED  # as other programs do: what read the output has enough of it
    if failed is not None:
        code = code or FAILED
        if isinstance(error, OSError):  # it is the one that is reported here
            problems = []
        why = failed.strerror or failed
        problems.append(f"the output can't be written: {why}; what was to be changed is changed")
    complain(*problems)
    streams.flush()
    return code


def _carried_out(arguments: Sequence[str]) -> tuple[int, list[str], BaseException | None]:
    """Do what the arguments say. Returns the exit code, what is wrong, and what was raised."""
    code, error, problems = FAILED, None, []
    try:
        given = parser().parse_args(arguments, Given())
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            code = runner.run(find(given.action)(given)) or 0
    except SystemExit as e:  # of argparse, after --help too
        code = int(e.code or 0)
    except KeyboardInterrupt:
        code = INTERRUPTED
    except ExceptionGroup as e:
        problems = [*map(str, e.exceptions)]
    except CliError as e:
        code, problems = e.code, [*e.problems]
    except (Failure, ValueError, OSError) as e:
        error, problems = e, [str(e)]
    except Exception as e:
        from server.database import database_error  # noqa: PLC0415 - slow to import

        said = database_error(e)
        if said is None:
            raise
        problems = [said]
    return code, problems, error


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
