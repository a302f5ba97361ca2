"""A server with commands and a route whose handlers have bugs, or take secrets, and otherwise as
it is."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from protocol.message import Command, Done, Limit, command
from protocol.permissions import Permission
from protocol.secret import Secret
from server.cli import main
from server.gateway import CommitHandle, Context, handles
from server.http import documents


@command("tests.broken", permission=Permission.CONNECT, limit=Limit.ACTION)
class Broken(Command[Done], frozen=True):
    """Runs into a bug."""


@handles(Broken)
async def broken(_: Context, cmd: Broken) -> Done:
    """Divide by nothing."""
    return Done(*[1 // len(cmd.request_id or "")])


@command("tests.secretive", permission=Permission.CONNECT, limit=Limit.ACTION)
class Secretive(Command[Done], frozen=True):
    """Takes a secret and keeps its reply."""

    password: Secret
    fails: bool = False


@handles(Secretive)
async def secretive(ctx: Context, cmd: Secretive) -> CommitHandle[Done]:
    """Keep the reply, or fail with all that was sent in the words of the fault."""
    if cmd.fails:
        raise ValueError(cmd, [cmd], {"sent": cmd}, f"no use for {cmd}")
    return ctx.commit(ctx.work(), Done())


_documents = documents.routes


async def crash(_: Request) -> Response:
    """Divide by nothing."""
    return Response(str(1 // 0))


def routes() -> list[Route]:
    """One route more."""
    return [*_documents(), Route("/broken", crash)]


documents.routes = routes

if __name__ == "__main__":
    main()
