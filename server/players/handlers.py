"""What a player may ask and do about itself, and anybody ask about players."""

from protocol.pages import Page
from protocol.players import Allocate, GetPlayer, ListPlayers, PlayerView, Profile
from server.gateway import CommitHandle, Context, handles
from server.players import rules
from server.players.profiles import Profiles
from server.players.store import Players


@handles(GetPlayer)
async def get(ctx: Context, _: GetPlayer) -> PlayerView:
    """One's own player."""
    players = ctx.service(Players)
    player = await players.get(ctx.user.id)
    return players.view(player.committed, ctx.now)


@handles(ListPlayers)
async def list_players(ctx: Context, query: ListPlayers) -> Page[Profile]:
    """Players by level."""
    return await ctx.service(Profiles).page(query.online, query.limit, query.cursor)


@handles(Allocate)
async def allocate(ctx: Context, cmd: Allocate) -> CommitHandle[PlayerView]:
    """Spend stat points."""
    players = ctx.service(Players)
    player = await players.get(ctx.user.id)
    fresh = rules.with_regen(player.pending, ctx.now, players.regen)
    raised = rules.allocate(fresh, cmd.attack, cmd.defense, cmd.max_stamina, ctx.now)
    work = ctx.work()
    saved = players.save(work, player, raised, why="allocate", now=ctx.now)
    return ctx.commit(work, players.view(saved, ctx.now))
