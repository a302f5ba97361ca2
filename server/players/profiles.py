"""What everybody may know of players: who they are, who is here, and in which battle.

Here is who has a connection with which one may play. That is known of this process alone and kept
nowhere, so nobody stays here by a crash.
"""

import asyncio
from collections.abc import Mapping
from typing import Final

from protocol.pages import Page
from protocol.permissions import Permission
from protocol.players import (
    Profile,
    ProfileChanged,
    profile_room,
)
from server.database import Cursors, SortKey, Unavailable, Work
from server.gateway import Gateway, RowRoom
from server.players.online_index import OnlineIndex, Place, Standing
from server.players.player_count import PlayerCount
from server.players.rules import Record
from server.players.store import Players
from server.runtime.background import PUT_OFF_S
from server.runtime.clock import Clock
from server.runtime.log import logger
from server.users import User

log = logger("players")

TOP: Final = Place(2**31 - 1, 2**63 - 1, "g")
"""Above everybody: "g" sorts after every id."""

_ONLINE: Final = Cursors(
    "players.online", SortKey.INTEGER, SortKey.BIGINT, SortKey.TEXT, untagged=True
)


class Profiles:
    """All profiles."""

    def __init__(
        self,
        players: Players,
        online: OnlineIndex,
        count: PlayerCount,
        gateway: Gateway,
        clock: Clock,
    ) -> None:
        self._players = players
        self._presence = gateway.presence
        self._clock = clock
        self._seats: Mapping[str, str] = {}
        self._online = online
        self._count = count
        self._arrived: set[str] = set()  # who could not be looked up when they came
        self._wake = asyncio.Event()
        self.rows = RowRoom(
            gateway.rooms,
            clock,
            profile_room,
            "player",
            self.get,
            lambda p: ProfileChanged(profile=p),
        )
        players.on_gain(self._gained)
        gateway.presence.on_change(self.here, self.gone, Permission.PLAY)

    def show_seats(self, seats: Mapping[str, str]) -> None:
        """Show in which battle each player is that has a seat in one. `seats` is looked at anew
        each time."""
        self._seats = seats

    # ---- reading

    async def get(self, player_id: str) -> Profile | None:
        """A player's profile."""
        standing = self._online.get(player_id)
        if standing is None:
            record = await self._players.glance(player_id)
            standing = None if record is None else _standing(record)
        # Who came or went meanwhile is here or not as of now.
        return None if standing is None else self._profile(standing)

    async def page(self, online: bool, limit: int, cursor: str | None) -> Page[Profile]:
        """Players by level. Raises Failure `invalid` for a cursor that is none."""
        if not online:
            return await self._players.page(self._profile, limit, cursor)
        place = _ONLINE.place(cursor)
        found = self._online.below(TOP if place is None else Place._make(place), limit + 1)
        shown, further = _ONLINE.cut(found, limit, lambda standing: standing[:3])
        return Page(tuple(map(self._profile, shown)), further)

    def _profile(self, standing: Standing) -> Profile:
        return Profile(
            player_id=standing.player_id,
            name=standing.name,
            level=standing.level,
            online=standing.player_id in self._online,
            battle_id=self._seats.get(standing.player_id),
        )

    # ---- what changes them

    async def here(self, player_id: str) -> None:
        """A person has come."""
        try:
            await self._arrive(player_id)
        except Unavailable:
            self._arrived.add(player_id)
            self._wake.set()

    async def _arrive(self, player_id: str) -> None:
        record = await self._players.glance(player_id)
        if record is not None and self._presence.may(player_id, Permission.PLAY):
            self._online.put(_standing(record))
            self._count.add()
            self.touch(player_id)

    async def gone(self, player_id: str) -> None:
        """A person has gone."""
        self._arrived.discard(player_id)
        standing = self._online.get(player_id)
        if standing is not None:
            self._online.drop(player_id)
            self._count.add()
            self._publish(standing)

    def touch(self, player_id: str) -> None:
        """A profile has changed. Costs next to nothing where nobody watches it."""
        standing = self._online.get(player_id)
        if standing is not None:
            self._publish(standing)
        else:
            self.rows.touch(player_id)

    def _publish(self, standing: Standing) -> None:
        self.rows.publish(standing.player_id, lambda: self._profile(standing))

    def _gained(self, before: Record, record: Record) -> None:
        if record.player_id in self._online:
            self._online.put(_standing(record))
        if record.level != before.level:
            self.touch(record.player_id)

    def register(self, work: Work, _: User, __: int) -> None:
        """Count the player of a person who registers."""
        work.on_commit(lambda: self._count.add(1))

    async def end(self, work: Work, user: User, _: int) -> None:
        """Forget the player of a person who is deleted."""

        def forget() -> None:
            self._online.drop(user.id)
            self._count.add(-1)

        work.on_commit(forget)

    # ---- background tasks

    async def keep_arrivals(self) -> None:
        """Look up the players who could not be looked up when they came, until they are."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                await self.look_up_arrived()
            except Unavailable as e:
                log.warning("arrivals_put_off", error=str(e))
                await self._clock.sleep(PUT_OFF_S)
                self._wake.set()

    async def look_up_arrived(self) -> None:
        """Look them all up. Raises Unavailable: the rest is still to be done."""
        while self._arrived:
            player_id = next(iter(self._arrived))
            await self._arrive(player_id)
            self._arrived.discard(player_id)


def _standing(record: Record) -> Standing:
    return Standing(record.level, record.exp, record.player_id, record.name)
