"""What happens in battles by itself: blows of enemies, ends, the pool, players who come and go."""

from typing import Final

from protocol.battles import Difficulty
from protocol.permissions import Permission
from server.battles import rules, schedule
from server.battles.catalogue import TIERS
from server.battles.state import seated
from server.battles.store import Battles, Hosted
from server.database import Unavailable, WriteConflict
from server.gateway import Gateway
from server.runtime.background import PUT_OFF_S, repeat
from server.runtime.clock import Clock
from server.runtime.log import logger

log = logger("battles")

RECONCILE_EVERY_S: Final = 5.0
POOL_SIZE: Final = 3

REQUIRED_LEVELS: Final[dict[Difficulty, int]] = {
    Difficulty.EASY: 1,
    Difficulty.MEDIUM: 1,
    Difficulty.HARD: 5,
    Difficulty.EPIC: 10,
    Difficulty.LEGENDARY: 20,
}
"""The level that the pool's battles of a difficulty ask for."""


class BattleService:
    """The loops of battles."""

    def __init__(self, battles: Battles, gateway: Gateway, clock: Clock) -> None:
        self._battles = battles
        self._pool = battles.pool
        self._presence = gateway.presence
        self._clock = clock
        self._offered = 0
        gateway.presence.on_change(self.here, self.gone, Permission.PLAY)

    async def run(self) -> None:
        """Let time pass in all battles under way."""
        await self._pool.due.run(self._look)

    async def tick(self) -> None:
        """Carry out all that is due. Raises Unavailable: it is still due then."""
        await self._pool.due.act_once(self._look)

    async def _look(self, battle_id: str) -> None:
        now = self._clock.now_ms()
        if battle_id not in self._pool.taken_up:
            await self._battles.carry_out(
                battle_id, lambda hosted: schedule.tick(hosted.battle, now, hosted.rolls()), now
            )
            return
        await self._battles.carry_out(battle_id, lambda hosted: self._take_up(hosted, now), now)
        self._pool.looked_at((await self._battles.get(battle_id)).committed.battle)

    def _take_up(self, hosted: Hosted, now: int) -> rules.Events:
        """The first look at a battle after the server started: absent players are away."""
        return tuple(
            event
            for seat in seated(hosted.battle)
            if not self._presence.may(seat.player_id, Permission.PLAY)
            for event in rules.away(hosted.battle, seat.player_id, now)
        )

    async def keep_pool(self) -> None:
        """Keep the pool full, again and again."""
        while True:
            self._pool.taken.clear()
            try:
                await self.fill_pool()
            except (Unavailable, WriteConflict) as e:
                log.warning("pool_put_off", error=str(e))
                await self._clock.sleep(PUT_OFF_S)
            else:
                await self._pool.taken.wait()

    async def fill_pool(self) -> None:
        """Offer battles until three wait, one of them easy and for level 1."""
        while True:
            waiting = self._pool.waiting.values()
            if not any(w.difficulty is Difficulty.EASY and w.required_level == 1 for w in waiting):
                difficulty = Difficulty.EASY
            elif len(waiting) < POOL_SIZE:
                difficulty = self._next_difficulty()
            else:
                return
            now = self._clock.now_ms()
            await self._battles.offer(difficulty, REQUIRED_LEVELS[difficulty], now)

    def _next_difficulty(self) -> Difficulty:
        """All in turn, so that each is met."""
        self._offered += 1
        return list(TIERS)[self._offered % len(TIERS)]

    async def keep_presence(self) -> None:
        """Put right what a fault has left wrong, again and again."""
        await repeat(self.reconcile, RECONCILE_EVERY_S, self._clock, Unavailable, "seats")

    async def reconcile(self) -> None:
        """Seats of those who are not here are away, and the other way round.

        Raises Unavailable.
        """
        for battle_id in list(self._pool.under_way):
            entry = self._battles.cache.peek(battle_id)
            for seat in seated(entry.committed.battle) if entry is not None else ():
                is_here = self._presence.may(seat.player_id, Permission.PLAY)
                if is_here == (seat.away_at is not None):
                    await self._put_right(seat.player_id)

    async def here(self, player_id: str) -> None:
        """A person has come: back to the seat that was kept."""
        await self._put_right(player_id)

    async def gone(self, player_id: str) -> None:
        """A person has gone: the seat is kept for a while."""
        await self._put_right(player_id)

    async def _put_right(self, player_id: str) -> None:
        battle_id = self._pool.seats.get(player_id)
        if battle_id is None:
            return
        now = self._clock.now_ms()

        def decide(hosted: Hosted) -> rules.Events:
            # Asked when it is decided, each time: who went may be back by then, or gone again.
            if self._presence.may(player_id, Permission.PLAY):
                return rules.back(hosted.battle, player_id)
            return rules.away(hosted.battle, player_id, now)

        try:
            await self._battles.carry_out(battle_id, decide, now)
        except WriteConflict as e:  # `reconcile` looks at it again
            log.warning("presence_put_off", battle_id=battle_id, error=str(e))
