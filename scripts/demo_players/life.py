"""A player's life: connect, fight battle after battle, drop out, come back."""

import asyncio
import contextlib
from typing import Final

from protocol.battles import (
    BattleSummary,
    Claim,
    Difficulty,
    Join,
    Leave,
    ListBattles,
    Status,
    battle_room,
)
from protocol.client import Client
from protocol.players import Allocate, player_room
from scripts.demo_players.fighting import fight
from scripts.demo_players.player import Player

PARTY: Final = 4
"""Players leave the other seats of a battle to whoever looks at the demo."""
DARES_AT: Final = {
    Difficulty.EASY: 1,
    Difficulty.MEDIUM: 3,
    Difficulty.HARD: 6,
    Difficulty.EPIC: 12,
    Difficulty.LEGENDARY: 22,
}
"""The level from which on one has a chance, and tries."""
STAY_S: Final = (15.0, 90.0)
AWAY_S: Final = (3.0, 8.0)
REST_S: Final = (1.0, 3.0)


async def live(player: Player) -> None:
    """For ever. Raises Failure where the server answers what it should not."""
    while True:
        async with player.client() as client:
            await client.join(player_room(player.account.id))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(player.chance.uniform(*STAY_S)):
                    await _play(player, client)
        player.news.count("drops")
        player.tell("drops out")
        await player.pause(*AWAY_S)
        player.tell("comes back")


async def _play(player: Player, client: Client) -> None:
    """One battle after the other."""
    if player.battle_id is not None:
        # The seat was kept, unless the battle is over by now.
        await client.join(battle_room(player.battle_id))
        await player.say(client, "back")
    while True:
        if player.battle_id is None:
            await _find_battle(player, client)
        if player.battle_id is not None:
            await _see_it_through(player, client, player.battle_id)
        await _grow(player, client)
        await player.pause(*REST_S)


async def _find_battle(player: Player, client: Client) -> None:
    """Join the others, or begin a battle that waits."""
    for status in (Status.IN_PROGRESS, Status.WAITING):
        page = await client.ask(ListBattles(status=status))
        fitting = [battle for battle in page.items if _fits(player, battle)]
        if fitting:
            await _take_seat(player, client, player.chance.choice(fitting).battle_id)
            return


def _fits(player: Player, battle: BattleSummary) -> bool:
    assert player.oneself is not None
    dares_at = max(battle.required_level, DARES_AT[battle.difficulty])
    return battle.players < PARTY and dares_at <= player.oneself.player.level


async def _take_seat(player: Player, client: Client, battle_id: str) -> None:
    await client.join(battle_room(battle_id))
    player.battle_id = battle_id
    if await player.try_to(client, Join(battle_id=battle_id)) is None:
        await _turn_away(player, client, battle_id)
        return
    assert player.field is not None
    player.tell(f"joins {player.field.name}")
    await player.say(client, "joined")


async def _see_it_through(player: Player, client: Client, battle_id: str) -> None:
    """Fight until it is over or hopeless, take the reward, and go."""
    field = player.field
    assert field is not None
    await fight(player, client, field)
    if field.status is Status.COMPLETED:
        await player.pause(0.5, 1.5)
        if field.reward and (won := await player.try_to(client, Claim(battle_id=battle_id))):
            player.news.count("rewards")
            player.tell(f"takes {won.gold} gold and {won.exp} exp from {field.name}")
        await player.say(client, "won")
    elif field.status is Status.ABANDONED:
        await player.say(client, "lost")
    elif field.seated:
        await player.try_to(client, Leave(battle_id=battle_id))
        player.tell(f"has had enough of {field.name}")
    await _turn_away(player, client, battle_id)


async def _turn_away(player: Player, client: Client, battle_id: str) -> None:
    await client.leave(battle_room(battle_id))
    player.battle_id = player.field = None


async def _grow(player: Player, client: Client) -> None:
    """Spend what levels have brought."""
    assert player.oneself is not None
    points = player.oneself.player.stat_points
    if points:
        ways = (Allocate(attack=points), Allocate(defense=points), Allocate(max_stamina=points))
        await client.send(player.chance.choice(ways))
