"""How a player fights: whom to strike, and how hard, at a pace at which people do."""

import asyncio
from typing import Final

from protocol.battles import Attack, AttackKind, Revive
from protocol.client import Client
from scripts.demo_players.picture import Field
from scripts.demo_players.player import Player

COSTS: Final = {
    AttackKind.QUICK: 5,
    AttackKind.NORMAL: 10,
    AttackKind.POWER: 20,
    AttackKind.CRITICAL: 35,
    AttackKind.ULTIMATE: 50,
}
"""Stamina. Source: game rules, Battle, attack kinds."""
EAGERNESS: Final = (2, 5, 3, 2, 1)
"""How often each kind is chosen among those that the stamina is enough for."""
PACE_S: Final = (0.5, 1.5)
BREATH_S: Final = (1.0, 2.5)
WATCH_S: Final = 15.0
REVIVE_GEMS: Final = 50
FOCUS: Final = 0.7
"""How often the weakest enemy is struck rather than any."""


async def fight(player: Player, client: Client, field: Field) -> None:
    """Until the battle is over, the seat is lost, or one is down and stays so."""
    wave = field.wave
    while not field.over and field.seated:
        if field.wave != wave:
            wave = field.wave
            await player.say(client, "wave")
        if field.down:
            await player.say(client, "down")
            if not await _got_up(player, client, field):
                return
        elif field.standing():
            await _strike(player, client, field)
        await player.pause(*PACE_S)


async def _strike(player: Player, client: Client, field: Field) -> None:
    chance, oneself = player.chance, player.oneself
    assert oneself is not None
    affordable = [kind for kind in COSTS if COSTS[kind] <= oneself.stamina]
    if not affordable:
        await player.pause(*BREATH_S)
        return
    [kind] = chance.choices(affordable, EAGERNESS[: len(affordable)])
    standing = field.standing()
    weakest = min(standing, key=standing.__getitem__)
    enemy_id = weakest if chance.random() < FOCUS else chance.choice(list(standing))
    attack = Attack(battle_id=field.battle_id, enemy_id=enemy_id, kind=kind)
    if (blow := await player.try_to(client, attack)) is not None:
        oneself.stamina = blow.stamina
        player.news.count("strikes")
        await player.say(client, "critical" if blow.critical else "striking")


async def _got_up(player: Player, client: Client, field: Field) -> bool:
    """Revive, where there are gems for it; else look on for a while. Whether one stands again."""
    assert player.oneself is not None
    if player.oneself.player.gems >= REVIVE_GEMS:
        await player.try_to(client, Revive(battle_id=field.battle_id))
    try:
        async with asyncio.timeout(WATCH_S):
            while field.down and not field.over:
                player.changed.clear()
                await player.changed.wait()
    except TimeoutError:
        return False
    return not field.over
