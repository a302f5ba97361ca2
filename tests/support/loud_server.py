"""A server with a command that tells a room events of any size, and otherwise as it is."""

from typing import Annotated

import msgspec

from protocol.battles import battles_room
from protocol.message import LOSSY, Command, Done, Event, Limit, command, event
from protocol.permissions import Permission
from protocol.players import player_room
from protocol.rooms import Room
from server.cli import main
from server.gateway import CommitHandle, Context, handles


@event("tests.shouted", delivery=LOSSY)
class Shouted(Event, frozen=True, kw_only=True):
    """Somebody shouted."""

    mark: str
    text: str
    player_id: str | None = None

    def room(self) -> Room:
        """The pool, or that of one player."""
        return battles_room() if self.player_id is None else player_room(self.player_id)


@command("tests.shout", permission=Permission.PLAY, limit=Limit.ACTION)
class Shout(Command[Done], frozen=True):
    """Tell so many bytes, so many times at once: to who looks at the pool, or to one player."""

    size: Annotated[int, msgspec.Meta(ge=0)]
    times: Annotated[int, msgspec.Meta(ge=1)] = 1
    mark: str = ""
    player_id: str | None = None


@handles(Shout)
async def shout(ctx: Context, cmd: Shout) -> CommitHandle[Done]:
    """Tell it."""
    work = ctx.work()
    for _ in range(cmd.times):
        work.publish(Shouted(mark=cmd.mark, text="x" * cmd.size, player_id=cmd.player_id))
    return ctx.commit(work, Done())


if __name__ == "__main__":
    main()
