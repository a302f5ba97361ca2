"""The pool: what is open, and who has a seat where, in memory. All of it is committed."""

import asyncio
from collections.abc import Callable

from protocol.battle_events import BattlesCounted
from protocol.battles import Battle, BattleSummary, Status
from server.battles import schedule

Moved = dict[str, str | None]
"""The battle in which a player has a seat now, None where in none."""


class Pool:
    """The battles that wait, those under way, and their players.

    `due`: when time will next change each battle under way. `taken_up`: those of before the start
    that nobody has looked at yet. `seats`: the battle of each player.
    """

    def __init__(self) -> None:
        self.waiting: dict[str, BattleSummary] = {}
        self.due: dict[str, str | None] = {}
        self.taken_up: set[str] = set()
        self.seats: dict[str, str] = {}
        self.newest_id: str | None = None
        self.taken = asyncio.Event()  # it wants to be filled up
        self.recounted = asyncio.Event()  # `counted` says something else
        self._at_seat: list[Callable[[str], None]] = []

    def __contains__(self, battle_id: str) -> bool:
        return battle_id in self.waiting or battle_id in self.due

    def on_seat(self, call: Callable[[str], None]) -> None:
        """Ask to be called with a player's id when a seat was taken or given up."""
        self._at_seat.append(call)

    def counted(self) -> BattlesCounted:
        """How many battles are open."""
        return BattlesCounted(
            waiting=len(self.waiting), in_progress=len(self.due), newest_id=self.newest_id
        )

    def resume(self, line: BattleSummary) -> None:
        """Take up a battle that was open before, after those that are older."""
        if line.status is Status.WAITING:
            self.waiting[line.battle_id] = line
        else:
            self.due[line.battle_id] = None
            self.taken_up.add(line.battle_id)
        self.newest_id = line.battle_id

    def offer(self, line: BattleSummary) -> None:
        """Take in a new battle."""
        self.waiting[line.battle_id] = line
        self.newest_id = line.battle_id
        self.recounted.set()

    def plan(self, battle: Battle) -> None:
        """Take in a battle as it is now."""
        under_way = len(self.due)
        if battle.status is Status.IN_PROGRESS:
            self.due[battle.battle_id] = schedule.due(battle)
        else:
            self.due.pop(battle.battle_id, None)
            self.taken_up.discard(battle.battle_id)
        if battle.status is not Status.WAITING and battle.battle_id in self.waiting:
            del self.waiting[battle.battle_id]
            self.taken.set()
        if len(self.due) != under_way:
            self.recounted.set()

    def move(self, moved: Moved) -> None:
        """Take in where players have a seat now."""
        for player_id, battle_id in moved.items():
            if battle_id is None:
                self.seats.pop(player_id, None)
            else:
                self.seats[player_id] = battle_id
            for call in self._at_seat:
                call(player_id)
