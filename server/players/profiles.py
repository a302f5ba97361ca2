"""What everybody may know of players: who they are, who is here, and in which battle.

Here is who has a connection with which one may play. That is known of this process alone and kept
nowhere, so nobody stays here by a crash.
"""

import asyncio
from collections.abc import Mapping
from typing import Final

from protocol.errors import invalid
from protocol.message import Event
from protocol.permissions import Permission
from protocol.players import (
    Profile,
    ProfileChanged,
    ProfilePage,
    profile_room,
)
from protocol.times import rfc3339
from server.database import Unavailable, Work
from server.database.work import Told
from server.gateway import Gateway
from server.players.online_index import OnlineIndex, Place, Standing
from server.players.player_count import PlayerCount
from server.players.rules import Record
from server.players.store import Players
from server.runtime.clock import Clock
from server.runtime.log import logger
from server.runtime.services import PUT_OFF_S
from server.users import User

log = logger("players")

TOP: Final = Place(2**31 - 1, 2**63 - 1, "g")
"""Above everybody: "g" sorts after every id, in every collation."""


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
        self._rooms = gateway.rooms
        self._presence = gateway.presence
        self._clock = clock
        self._seats: Mapping[str, str] = {}
        self._online = online
        self._count = count
        self._touched: set[str] = set()
        self._arrived: set[str] = set()  # who could not be looked up when they came
        self._wake = asyncio.Event()
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

    async def page(self, online: bool, limit: int, cursor: str | None) -> ProfilePage:
        """Players by level. Raises Failure `invalid` for a cursor that is none."""
        place = TOP if cursor is None else _place(cursor)
        if online:
            found = self._online.below(place, limit + 1)
        else:
            found = await self._players.below(place, limit + 1)
        shown = found[:limit]
        further = _cursor(shown[-1]) if len(found) > limit else None
        return ProfilePage(tuple(map(self._profile, shown)), further)

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
            self._tell_of(standing)

    def touch(self, player_id: str) -> None:
        """A profile has changed. Costs next to nothing where nobody watches it."""
        standing = self._online.get(player_id)
        if standing is not None:
            self._tell_of(standing)
        elif self._rooms.watched(profile_room(player_id)):
            self._touched.add(player_id)  # it must be read first
            self._wake.set()

    def _tell_of(self, standing: Standing) -> None:
        if self._rooms.watched(profile_room(standing.player_id)):
            self._publish(ProfileChanged(profile=self._profile(standing)))

    def _gained(self, before: Record, record: Record) -> None:
        if record.player_id in self._online:
            self._online.put(_standing(record))
        if record.level != before.level:
            self.touch(record.player_id)

    def register(self, work: Work, _: User, __: int) -> None:
        """Count the player of a person who registers."""
        work.then(lambda: self._count.add(1))

    async def end(self, work: Work, user: User, _: int) -> None:
        """Forget the player of a person who is deleted."""

        def forget() -> None:
            self._online.drop(user.id)
            self._count.add(-1)

        work.then(forget)

    # ---- telling

    async def run(self) -> None:
        """Tell of changed profiles of players who are not here, to whoever watches them."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                await self.tell()
            except Unavailable as e:
                log.warning("profiles_put_off", error=str(e))
                await self._clock.sleep(PUT_OFF_S)
                self._wake.set()

    async def tell(self) -> None:
        """Tell all that had to be read first. Raises Unavailable: the rest is still to be told."""
        while self._arrived:
            player_id = next(iter(self._arrived))
            await self._arrive(player_id)
            self._arrived.discard(player_id)
        while self._touched:
            player_id = self._touched.pop()
            try:
                profile = await self.get(player_id)
            except Unavailable:
                self._touched.add(player_id)
                raise
            if profile is not None:
                self._publish(ProfileChanged(profile=profile))

    def _publish(self, event: Event) -> None:
        self._rooms.publish(Told.of(event, rfc3339(self._clock.now_ms())), None)


def _standing(record: Record) -> Standing:
    return Standing(record.level, record.exp, record.player_id, record.name)


def _cursor(standing: Standing) -> str:
    return f"{standing.level}.{standing.exp}.{standing.player_id}"


def _place(cursor: str) -> Place:
    """The place that a cursor names. Raises Failure `invalid`."""
    try:
        level, exp, player_id = cursor.split(".", 2)
        place = Place(int(level), int(exp), player_id)
    except ValueError:
        raise invalid("cursor", "it is not of this list") from None
    if not (0 <= place.level <= TOP.level and 0 <= place.exp <= TOP.exp):
        raise invalid("cursor", "it is not of this list")
    return place
