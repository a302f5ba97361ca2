"""What a player may ask and do in battles."""

from protocol.battle_events import PlayerJoined, RewardClaimed, Struck
from protocol.battles import (
    Attack,
    Battle,
    BattleReason,
    BattleSummary,
    Claim,
    Claimed,
    GetBattle,
    HistoryEntry,
    Join,
    Leave,
    ListBattles,
    ListHistory,
    Revive,
    Say,
    Seated,
    SeatedElsewhere,
    Strike,
)
from protocol.errors import refused
from protocol.message import Done
from protocol.pages import Page
from server.battles import rules
from server.battles.catalogue import ATTACKS, REVIVE_GEMS
from server.battles.store import Battles
from server.gateway import CommitHandle, Context, Decided, Later, handle, handles
from server.players import Players, gain, spend_gems, spend_stamina, with_regen


@handles(ListBattles)
async def list_battles(ctx: Context, query: ListBattles) -> Page[BattleSummary]:
    """Battles of a status."""
    return await ctx.service(Battles).page(query.status, query.limit, query.cursor)


@handles(ListHistory)
async def history(ctx: Context, query: ListHistory) -> Page[HistoryEntry]:
    """One's own past battles."""
    return await ctx.service(Battles).history(ctx.user.id, query.limit, query.cursor)


@handles(GetBattle)
async def get(ctx: Context, query: GetBattle) -> Battle:
    """One battle in whole."""
    return (await ctx.service(Battles).get(query.battle_id)).committed.battle


@handles(Join)
async def join(ctx: Context, cmd: Join) -> CommitHandle[Seated]:
    """Take a seat."""
    battles = ctx.service(Battles)
    elsewhere = await battles.seat_of(ctx.user.id)
    if elsewhere is not None and elsewhere != cmd.battle_id:
        details = SeatedElsewhere(elsewhere)
        raise refused(
            BattleReason.SEATED_ELSEWHERE,
            f"the player has a seat in the battle {elsewhere}",
            details,
        )
    players = ctx.service(Players)
    player = await players.get(ctx.user.id)
    entry = await battles.get(cmd.battle_id)
    hosted = entry.pending
    events = rules.join(hosted.battle, player.pending, ctx.now, hosted.rolls())
    work = ctx.work()
    work.swap(player, player.pending)  # it may be deleted meanwhile
    if not any(isinstance(event, PlayerJoined) for event in events):
        players.hold(work, player)  # else the row of the seat does that
    # Without events the seat is there already, perhaps in a unit that is still under way: this
    # one waits behind it, and falls with it.
    battle = battles.record(work, entry, events)
    return ctx.commit(work, Seated(battle.seats[ctx.user.id], battle.seq))


@handles(Leave)
async def leave(ctx: Context, cmd: Leave) -> CommitHandle[Done]:
    """Give up one's seat."""
    battles = ctx.service(Battles)
    entry = await battles.get(cmd.battle_id)
    work = ctx.work()
    battles.record(work, entry, rules.leave(entry.pending.battle, ctx.user.id, ctx.now))
    return ctx.commit(work, Done())


@handles(Attack)
def attack(ctx: Context, cmd: Attack) -> CommitHandle[Strike] | Later:
    """Strike an enemy. It waits only where the player or the battle has to be loaded."""
    players, battles = ctx.service(Players), ctx.service(Battles)
    player = players.cache.get_cached(ctx.user.id)
    entry = battles.cache.get_cached(cmd.battle_id)
    if player is None or entry is None:
        return _load_and_attack(ctx, cmd)
    now, hosted, price = ctx.now, entry.pending, ATTACKS[cmd.kind].cost
    fresh = with_regen(player.pending, now, players.regen)
    left, rolls = fresh.stamina - price, hosted.rolls()
    events = rules.strike(hosted.battle, player.key, cmd.enemy_id, cmd.kind, left, rolls, now)
    work = ctx.work()
    battles.record(work, entry, events)
    players.save_stamina(work, player, spend_stamina(fresh, price))
    struck = events[0]
    assert isinstance(struck, Struck)
    reply = Strike(struck.damage, struck.critical, struck.enemy_hp, struck.stamina)
    return ctx.commit(work, reply)


async def _load_and_attack(ctx: Context, cmd: Attack) -> Decided:
    """Load both, then strike. Where one was dropped while the other was loaded, load again."""
    await ctx.service(Players).get(ctx.user.id)
    await ctx.service(Battles).get(cmd.battle_id)
    return await handle(ctx, cmd)


@handles(Revive)
async def revive(ctx: Context, cmd: Revive) -> CommitHandle[Done]:
    """Get up again for gems."""
    battles, players = ctx.service(Battles), ctx.service(Players)
    player = await players.get(ctx.user.id)
    entry = await battles.get(cmd.battle_id)
    events = rules.revive(entry.pending.battle, ctx.user.id)
    paid = spend_gems(player.pending, REVIVE_GEMS)
    work = ctx.work()
    battles.record(work, entry, events)
    players.save(work, player, paid, why="revive", now=ctx.now, ref=cmd.battle_id)
    return ctx.commit(work, Done())


@handles(Say)
async def say(ctx: Context, cmd: Say) -> CommitHandle[Done]:
    """Say a line."""
    battles = ctx.service(Battles)
    entry = await battles.get(cmd.battle_id)
    work = ctx.work()
    battles.record(work, entry, rules.chat(entry.pending.battle, ctx.user.id, cmd.text, ctx.now))
    return ctx.commit(work, Done())


@handles(Claim)
async def claim(ctx: Context, cmd: Claim) -> CommitHandle[Claimed]:
    """Take one's reward."""
    battles, players = ctx.service(Battles), ctx.service(Players)
    player = await players.get(ctx.user.id)
    entry = await battles.get(cmd.battle_id)
    events = rules.claim(entry.pending.battle, ctx.user.id)
    claimed = events[0]
    assert isinstance(claimed, RewardClaimed)
    richer = gain(player.pending, claimed.gold, claimed.exp, ctx.now)
    work = ctx.work()
    battles.record(work, entry, events)
    saved = players.save(work, player, richer, why="reward", now=ctx.now, ref=cmd.battle_id)
    reply = Claimed(claimed.gold, claimed.exp, saved.gold, saved.level)
    return ctx.commit(work, reply)
