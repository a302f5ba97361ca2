"""What players may do in a battle, and what comes of it. Pure: no clock, chance is handed in.

A decision returns the events that say what happens, to be applied in their order, or raises
Failure where the rules forbid it; it changes nothing itself. `now` is in milliseconds since the
epoch. What time alone brings about is in `server.battles.schedule`.
"""

from typing import Final

from msgspec.structs import replace

from protocol.battle_events import (
    BattleEvent,
    ChatSaid,
    Completed,
    EnemyDefeated,
    LeftReason,
    PlayerAway,
    PlayerJoined,
    PlayerLeft,
    PlayerReturned,
    PlayerRevived,
    RewardClaimed,
    Started,
    Struck,
    WaveStarted,
)
from protocol.battles import (
    AttackKind,
    Battle,
    BattleReason,
    ChatLine,
    Difficulty,
    Enemy,
    Seat,
    Status,
)
from protocol.errors import not_found, refused
from protocol.times import rfc3339
from server.battles.catalogue import (
    ATTACKS,
    ENEMY_TYPES,
    HIT_INTERVAL_MS,
    MAX_ENEMIES,
    MAX_PARTICIPANTS,
    MAX_PLAYERS,
    NAMES,
    TIERS,
)
from server.battles.formulas import Rolls, damage, enemy_of, rewards
from server.battles.state import fold, is_over, seated
from server.players import Record, fighting_attack, fighting_defense

Events = tuple[BattleEvent, ...]

NOTHING: Final[Events] = ()
"""The decision that nothing needs to happen."""


def offer(
    battle_id: str, difficulty: Difficulty, required_level: int, now: int, rolls: Rolls
) -> Battle:
    """A new battle that waits for its first player: what `Created`, its first event, carries."""
    return Battle(
        battle_id=battle_id,
        name=rolls.choice(NAMES[difficulty]),
        difficulty=difficulty,
        required_level=required_level,
        max_players=MAX_PLAYERS,
        waves=TIERS[difficulty].waves,
        status=Status.WAITING,
        created_at=rfc3339(now),
    )


def join(battle: Battle, player: Record, now: int, rolls: Rolls) -> Events:
    """Take a seat; the first one starts the battle. Whoever is seated is back, if away.

    A seat that was given up is taken again with its damage and its hp: leaving heals nobody.
    Refused: over, level_too_low, full.
    """
    _refuse_over(battle)
    seat = battle.seats.get(player.player_id)
    if seat is not None and seat.seated:
        return back(battle, player.player_id)
    if player.level < battle.required_level:
        raise refused(BattleReason.LEVEL_TOO_LOW, f"requires level {battle.required_level}")
    if len(seated(battle)) >= battle.max_players:
        raise refused(BattleReason.FULL, "all seats are taken")
    if seat is None and len(battle.seats) >= MAX_PARTICIPANTS:
        raise refused(BattleReason.FULL, f"the battle already had {MAX_PARTICIPANTS} participants")
    joined = PlayerJoined(battle_id=battle.battle_id, seat=_seat_for(player, seat), at=rfc3339(now))
    if battle.status is Status.WAITING:
        return joined, *_start(battle, now, rolls)
    return (joined,)


def leave(battle: Battle, player_id: str, now: int) -> Events:
    """Give up one's seat. Damage dealt keeps its share of the reward. Refused: over, not_seated."""
    _refuse_over(battle)
    _require_seat(battle, player_id)
    return (left(battle, player_id, LeftReason.LEFT, now),)


def vacate(battle: Battle, player_id: str, now: int) -> Events:
    """Vacate the seat of a player who is deleted. No event for one without a seat."""
    seat = battle.seats.get(player_id)
    if is_over(battle) or seat is None or not seat.seated:
        return NOTHING
    return (left(battle, player_id, LeftReason.LEFT, now),)


def left(battle: Battle, player_id: str, reason: LeftReason, now: int) -> PlayerLeft:
    """The event of a seat that is given up at `now`."""
    return PlayerLeft(
        battle_id=battle.battle_id, player_id=player_id, reason=reason, at=rfc3339(now)
    )


def away(battle: Battle, player_id: str, now: int) -> Events:
    """A connection was lost: the seat is kept for a grace time. Nothing for whoever has none."""
    seat = battle.seats.get(player_id)
    if is_over(battle) or seat is None or not seat.seated or seat.away_at is not None:
        return NOTHING
    return (PlayerAway(battle_id=battle.battle_id, player_id=player_id, at=rfc3339(now)),)


def back(battle: Battle, player_id: str) -> Events:
    """A lost connection is there again. Nothing for whoever was not away."""
    seat = battle.seats.get(player_id)
    if is_over(battle) or seat is None or seat.away_at is None:
        return NOTHING
    return (PlayerReturned(battle_id=battle.battle_id, player_id=player_id),)


def strike(
    battle: Battle,
    player_id: str,
    enemy_id: int,
    kind: AttackKind,
    stamina_left: int,
    rolls: Rolls,
    now: int,
) -> Events:
    """Strike an enemy once; the last of a wave brings the next wave, the last of all the victory.

    `stamina_left` is what the player has once the kind's cost is paid. The damage recorded is what
    the enemy lost, never more than its hp: shares count damage, and a blow too many is no merit.
    Rolls: crit, spread, then one for each enemy of a new wave.
    Refused: over, not_seated, down, enemy_defeated. Raises Failure `not_found` for an enemy that
    never was.
    """
    _refuse_over(battle)
    seat = _require_seat(battle, player_id)
    if seat.down_at is not None:
        raise refused(BattleReason.DOWN, "the player is down and can't attack")
    enemy = _require_enemy(battle, enemy_id)
    how = ATTACKS[kind]
    critical = rolls.next() < how.crit_chance
    factor = how.crit_factor if critical else how.factor
    dealt = min(damage(seat.attack, enemy.defense, factor, rolls.next()), enemy.hp)
    struck = Struck(
        battle_id=battle.battle_id,
        player_id=player_id,
        enemy_id=enemy_id,
        kind=kind,
        damage=dealt,
        critical=critical,
        enemy_hp=enemy.hp - dealt,
        stamina=stamina_left,
    )
    if struck.enemy_hp > 0:
        return (struck,)
    defeated = EnemyDefeated(battle_id=battle.battle_id, enemy_id=enemy_id, player_id=player_id)
    return struck, defeated, *_wave_over(fold(battle, (struck, defeated)), now, rolls)


def chat(battle: Battle, player_id: str, text: str, now: int) -> Events:
    """Say a line, also once the battle is over. Refused: not_seated."""
    seat = _require_seat(battle, player_id)
    line = ChatLine(player_id=player_id, name=seat.name, text=text, at=rfc3339(now))
    return (ChatSaid(battle_id=battle.battle_id, line=line),)


def revive(battle: Battle, player_id: str) -> Events:
    """Get up again with full hp, for `REVIVE_GEMS` that the caller takes in the same transaction.

    Refused: over, not_seated, not_down.
    """
    _refuse_over(battle)
    seat = _require_seat(battle, player_id)
    if seat.down_at is None:
        raise refused(BattleReason.NOT_DOWN, "the player is not down")
    return (revived(battle, seat),)


def revived(battle: Battle, seat: Seat) -> PlayerRevived:
    """The event of a player who gets up."""
    return PlayerRevived(battle_id=battle.battle_id, player_id=seat.player_id, hp=seat.max_hp)


def claim(battle: Battle, player_id: str) -> Events:
    """Take one's reward, once; the caller adds the event's gold and exp in the same transaction.

    Refused: not_over, no_reward, already_claimed.
    """
    if not is_over(battle):
        raise refused(BattleReason.NOT_OVER, "the battle is not over")
    seat = battle.seats.get(player_id)
    if seat is None or seat.reward is None:
        raise refused(BattleReason.NO_REWARD, "the player has no reward in this battle")
    if seat.reward.claimed:
        raise refused(BattleReason.ALREADY_CLAIMED, "the reward was already claimed")
    return (
        RewardClaimed(
            battle_id=battle.battle_id,
            player_id=player_id,
            gold=seat.reward.gold,
            exp=seat.reward.exp,
        ),
    )


def _start(battle: Battle, now: int, rolls: Rolls) -> Events:
    started = Started(
        battle_id=battle.battle_id, at=rfc3339(now), next_hit_at=rfc3339(now + HIT_INTERVAL_MS)
    )
    return started, _next_wave(battle, rolls)


def _wave_over(battle: Battle, now: int, rolls: Rolls) -> Events:
    if any(enemy.hp > 0 for enemy in battle.enemies):
        return NOTHING
    if battle.wave < battle.waves:
        return (_next_wave(battle, rolls),)
    return (Completed(battle_id=battle.battle_id, rewards=rewards(battle), at=rfc3339(now)),)


def _next_wave(battle: Battle, rolls: Rolls) -> WaveStarted:
    """The next wave w: min(2 + w, 10) enemies of level required + 2(w - 1), of types rolled evenly.

    Source: game rules, Battle, enemies.
    """
    wave = battle.wave + 1
    first_id = battle.enemies[-1].enemy_id + 1 if battle.enemies else 1
    level = battle.required_level + 2 * (wave - 1)
    enemies = tuple(
        enemy_of(rolls.choice(ENEMY_TYPES), level, battle.difficulty, first_id + place)
        for place in range(min(2 + wave, MAX_ENEMIES))
    )
    return WaveStarted(battle_id=battle.battle_id, wave=wave, enemies=enemies)


def _seat_for(player: Record, before: Seat | None) -> Seat:
    seat = Seat(
        player_id=player.player_id,
        name=player.name,
        level=player.level,
        attack=fighting_attack(player),
        defense=fighting_defense(player),
        hp=player.max_hp,
        max_hp=player.max_hp,
    )
    if before is None:
        return seat
    hp = min(before.hp, player.max_hp)
    return replace(seat, hp=hp, damage=before.damage, down_at=before.down_at)


def _refuse_over(battle: Battle) -> None:
    if is_over(battle):
        raise refused(BattleReason.OVER, "the battle is over")


def _require_seat(battle: Battle, player_id: str) -> Seat:
    seat = battle.seats.get(player_id)
    if seat is None or not seat.seated:
        raise refused(BattleReason.NOT_SEATED, "the player has no seat in this battle")
    return seat


def _require_enemy(battle: Battle, enemy_id: int) -> Enemy:
    for enemy in battle.enemies:
        if enemy.enemy_id == enemy_id and enemy.hp > 0:
            return enemy
    # Ids go on counting. Of two who strike the last of a wave at once, one comes too late.
    if battle.enemies and 1 <= enemy_id <= battle.enemies[-1].enemy_id:
        raise refused(BattleReason.ENEMY_DEFEATED, "the enemy is already defeated")
    raise not_found("enemy")
