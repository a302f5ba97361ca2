"""The rows of players and of the ledger."""

from collections.abc import Callable
from functools import partial
from typing import Final

import msgspec
from sqlalchemy import select

from protocol.errors import refused
from protocol.ids import uuid7
from protocol.pages import Page
from protocol.players import PlayerChanged, PlayerReason, PlayerView, Profile
from server.database import (
    ANY_NUMBER,
    Entry,
    Listing,
    Reader,
    Reading,
    StateCache,
    Statement,
    Work,
    descending,
)
from server.players import rules
from server.players.online_index import Standing
from server.players.rules import Record, Regen
from server.players.tables import players
from server.users import User

MAX_CACHED: Final = 10_000
CURRENCIES: Final = ("gold", "gems")
"""What a player has a balance of: the names of its columns, and of the ledger's rows."""

_INSERT: Final = Statement(
    "players.insert",
    "insert into players (player_id, name, level, exp, gold, gems, stat_points, attack, defense,"
    " max_hp, max_stamina, stamina, stamina_at, rev)"
    " values (:player_id, :name, :level, :exp, :gold, :gems, :stat_points, :attack, :defense,"
    " :max_hp, :max_stamina, :stamina, :stamina_at, :rev)",
)
_BY_ID: Final = Statement(
    "players.by_id",
    "select player_id, name, level, exp, gold, gems, stat_points, attack, defense,"
    " max_hp, max_stamina, stamina, stamina_at, rev from players where player_id = :player_id",
)
_LIST: Final = Listing(
    "players.page",
    select(players.c.level, players.c.exp, players.c.player_id, players.c.name),
    sorts={"highest": descending(players.c.level, players.c.exp, players.c.player_id)},
    untagged=True,
)
_COUNT: Final = Statement("players.count", "select count(*) from players")
_SAVE: Final = Statement(
    "players.save",
    "update players set level = :level, exp = :exp, gold = :gold, gems = :gems,"
    " stat_points = :stat_points, attack = :attack, defense = :defense, max_hp = :max_hp,"
    " max_stamina = :max_stamina, stamina = :stamina, stamina_at = :stamina_at, rev = :rev + 1"
    " where player_id = :player_id and rev = :rev",
)
_SAVE_STAMINA: Final = Statement(
    "players.save_stamina",
    "update players set stamina = :stamina, stamina_at = :stamina_at, rev = :rev + 1"
    " where player_id = :player_id and rev = :rev",
)
_LEDGER: Final = Statement(
    "players.ledger",
    "insert into ledger (id, player_id, at, currency, amount, balance_after, why, ref)"
    " values (:id, :player_id, :at, :currency, :amount, :balance_after, :why, :ref)",
)
_BOOK_OUT: Final = Statement(
    "players.book_out",
    "insert into ledger (id, player_id, at, currency, amount, balance_after, why, ref)"
    " select :id, player_id, cast(:at as bigint), cast(:currency as text),"
    " -case :currency when 'gold' then gold else gems end, 0, 'deleted', null"
    " from players where player_id = :player_id"
    " and case :currency when 'gold' then gold else gems end <> 0",
)
_HOLD: Final = Statement(
    "players.hold", "update players set rev = rev where player_id = :player_id"
)
_DELETE: Final = Statement("players.delete", "delete from players where player_id = :player_id")


class Players:
    """All players. Whoever changes one goes through a cached entry and a unit of work."""

    def __init__(self, reader: Reader, regen: Regen) -> None:
        self._reader = reader
        self.regen = regen
        self.cache: StateCache[Record] = StateCache(self._load, MAX_CACHED)
        self._at_gain: list[Callable[[Record, Record], None]] = []

    def on_gain(self, call: Callable[[Record, Record], None]) -> None:
        """Ask to be called with a player as it was and is, when its exp or level has changed."""
        self._at_gain.append(call)

    async def _load(self, player_id: str) -> Record | None:
        return await self.read(self._reader, player_id)

    @staticmethod
    async def read(reading: Reading, player_id: str) -> Record | None:
        """A player as the database has it."""
        row = await reading.one(_BY_ID, player_id=player_id)
        return None if row is None else Record(*row)  # in the order of its fields

    async def glance(self, player_id: str) -> Record | None:
        """A player as it is committed. Others who look on take nobody's place in memory."""
        entry = self.cache.peek(player_id)
        return entry.committed if entry is not None else await self._load(player_id)

    async def page(
        self, item: Callable[[Standing], Profile], limit: int, cursor: str | None
    ) -> Page[Profile]:
        """Players by level, the highest first, each as `item` makes it."""
        return await _LIST.page(
            self._reader, lambda row: item(Standing(*row)), limit=limit, cursor=cursor
        )

    async def count(self) -> int:
        """How many there are: reads the whole of an index."""
        row = await self._reader.one(_COUNT)
        assert row is not None
        return int(row[0])

    async def get(self, player_id: str) -> Entry[Record]:
        """The cached entry of a player. Raises Failure `refused` no_player."""
        entry = self.cache.get_cached(player_id) or await self.cache.get(player_id)
        if entry is None:
            raise refused(PlayerReason.NO_PLAYER, "the caller has no player")
        return entry

    def view(self, record: Record, now: int) -> PlayerView:
        """A player as its owner sees it at a moment."""
        fresh = rules.with_regen(record, now, self.regen)
        return PlayerView(rules.view(fresh), rules.stamina_view(fresh, self.regen))

    @staticmethod
    def start(work: Work, user: User, now: int) -> None:
        """Add the player of a user who registers. What it begins with is in the ledger too."""
        record = rules.start(user.id, user.username, now)
        work.save(_INSERT, record)
        _book(work, record, dict.fromkeys(CURRENCIES, 0), "opening", now)

    @staticmethod
    def hold(work: Work, entry: Entry[Record]) -> None:
        """Let nobody delete a player at the same moment, in another process either.

        Stale where somebody has: the player is looked up anew then.
        """
        work.change(_HOLD, player_id=entry.key)

    async def end(self, work: Work, user: User, now: int) -> None:
        """Delete the player of a person who is deleted. What they had is booked out.

        Whoever has decided something on the player meanwhile finds no row to change.
        """
        for currency in CURRENCIES:
            work.change(
                _BOOK_OUT,
                rows=ANY_NUMBER,
                id=uuid7(now),
                player_id=user.id,
                at=now,
                currency=currency,
            )
        work.change(_DELETE, rows=ANY_NUMBER, player_id=user.id)
        work.on_commit(lambda: self.cache.drop(user.id))

    @staticmethod
    def save_stamina(work: Work, entry: Entry[Record], record: Record) -> None:
        """Save what a blow cost. Nothing but stamina has changed, nothing is told."""
        work.save(_SAVE_STAMINA, record)
        work.swap(entry, msgspec.structs.replace(record, rev=record.rev + 1))

    def save(
        self,
        work: Work,
        entry: Entry[Record],
        record: Record,
        *,
        why: str,
        now: int,
        ref: str | None = None,
    ) -> Record:
        """Save a changed player, with a ledger row for gold and for gems, and tell the player.

        `ref` names what the money was for. Returns the record as it will stand.
        """
        before = entry.pending
        work.save(_SAVE, record)
        _book(work, record, {name: getattr(before, name) for name in CURRENCIES}, why, now, ref)
        saved = msgspec.structs.replace(record, rev=record.rev + 1)
        work.swap(entry, saved)
        work.publish(PlayerChanged(why=why, player=rules.view(saved)))
        if (saved.level, saved.exp) != (before.level, before.exp):
            for call in self._at_gain:
                work.on_commit(partial(call, before, saved))
        return saved


def _book(
    work: Work, record: Record, before: dict[str, int], why: str, now: int, ref: str | None = None
) -> None:
    """Add a ledger row for each balance that is not what it was before."""
    for currency, was in before.items():
        balance = getattr(record, currency)
        if balance != was:
            work.change(
                _LEDGER,
                id=uuid7(now),
                player_id=record.player_id,
                at=now,
                currency=currency,
                amount=balance - was,
                balance_after=balance,
                why=why,
                ref=ref,
            )
