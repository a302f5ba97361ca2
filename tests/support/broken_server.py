"""A server with a command whose handler has a bug, and otherwise as it is."""

from protocol.message import Command, Done, Limit, command
from protocol.permissions import Permission
from server.cli import main
from server.gateway import Context, handles


@command("tests.broken", permission=Permission.CONNECT, limit=Limit.ACTION)
class Broken(Command[Done], frozen=True):
    """Runs into a bug."""


@handles(Broken)
async def broken(_: Context, cmd: Broken) -> Done:
    """Divide by nothing."""
    return Done(*[1 // len(cmd.request_id or "")])


if __name__ == "__main__":
    main()
