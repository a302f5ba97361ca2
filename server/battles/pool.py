"""The pool: what is open, and who has a seat where, in memory. All of it is committed."""

import asyncio
from collections.abc import Callable

from protocol.battle_events import BattlesCounted
from protocol.battles import Battle, BattleSummary, Status
from protocol.times import millis
from server.battles import schedule
from server.database import Due
from server.runtime.clock import Clock

Moved = dict[str, str | None]
"""The battle in which a player has a seat now, None where in none."""


class Pool:
    """The battles that wait, those under way, and their players.

    `due`: when time will next change each battle under way. `taken_up`: those of before the start
    that nobody has looked at yet; they are due at once. `seats`: the battle of each player.
    """

    def __init__(self, clock: Clock) -> None:
        self.waiting: dict[str, BattleSummary] = {}
        self.under_way: set[str] = set()
        self.due = Due("battles", clock, longest_ms=schedule.FURTHEST_AHEAD_MS)
        self.taken_up: set[str] = set()
        self.seats: dict[str, str] = {}
        self.newest_id: str | None = None
        self.taken = asyncio.Event()  # it wants to be filled up
        self.recounted = asyncio.Event()  # `counted` says something else
        self._at_seat: list[Callable[[str], None]] = []

    def __contains__(self, battle_id: str) -> bool:
        return battle_id in self.waiting or battle_id in self.under_way

    def on_seat(self, call: Callable[[str], None]) -> None:
        """Ask to be called with a player's id when a seat was taken or given up."""
        self._at_seat.append(call)

    def counted(self) -> BattlesCounted:
        """How many battles are open."""
        return BattlesCounted(
            waiting=len(self.waiting), in_progress=len(self.under_way), newest_id=self.newest_id
        )

    def resume(self, line: BattleSummary) -> None:
        """Take up a battle that was open before, after those that are older."""
        if line.status is Status.WAITING:
            self.waiting[line.battle_id] = line
        else:
            self.under_way.add(line.battle_id)
            self.taken_up.add(line.battle_id)
            self.due.set(line.battle_id, 0)
        self.newest_id = line.battle_id

    def offer(self, line: BattleSummary) -> None:
        """Take in a new battle."""
        self.waiting[line.battle_id] = line
        self.newest_id = line.battle_id
        self.recounted.set()

    def plan(self, battle: Battle) -> None:
        """Take in a battle as it is now."""
        before = len(self.under_way)
        if battle.status is Status.IN_PROGRESS:
            self.under_way.add(battle.battle_id)
            due = schedule.due(battle)
            if battle.battle_id in self.taken_up:
                self.due.set(battle.battle_id, 0)
            elif due is not None:
                self.due.set(battle.battle_id, millis(due))
            else:
                self.due.clear(battle.battle_id)
        else:
            self.under_way.discard(battle.battle_id)
            self.taken_up.discard(battle.battle_id)
            self.due.clear(battle.battle_id)
        if battle.status is not Status.WAITING and battle.battle_id in self.waiting:
            del self.waiting[battle.battle_id]
            self.taken.set()
        if len(self.under_way) != before:
            self.recounted.set()

    def looked_at(self, battle: Battle) -> None:
        """Somebody has looked at a battle of before the start: it is as any other now."""
        self.taken_up.discard(battle.battle_id)
        self.plan(battle)

    def move(self, moved: Moved) -> None:
        """Take in where players have a seat now."""
        for player_id, battle_id in moved.items():
            if battle_id is None:
                self.seats.pop(player_id, None)
            else:
                self.seats[player_id] = battle_id
            for call in self._at_seat:
                call(player_id)
