"""A player: what one knows, and the ways to do and say something."""

import asyncio
from random import Random
from typing import Any, Final

from protocol.battles import BattleReason, Say
from protocol.client import Client, Received
from protocol.errors import Failure
from protocol.gateway import Joined
from protocol.message import Command
from protocol.players import PlayerChanged, PlayerReason, player_room
from scripts.demo_players.account import Account
from scripts.demo_players.news import News
from scripts.demo_players.picture import Field, Oneself
from scripts.demo_players.words import LINES

QUIET_S: Final = 5.0
"""Nobody says more than one line in such a time."""
TALK: Final = {"joined": 0.5, "striking": 0.04, "critical": 0.3, "wave": 0.4, "down": 0.8}
"""How likely somebody says something then; on other occasions always."""
EXPECTED: Final = frozenset(BattleReason) | {PlayerReason.EXHAUSTED}
"""What the rules answer to who comes a moment too late; the player looks again."""


class Player:
    """One of them, while connected and while not."""

    def __init__(self, url: str, account: Account, news: News) -> None:
        self.account = account
        self.news = news
        self.chance = Random()  # noqa: S311 - moods, not secrets
        self.oneself: Oneself | None = None
        self.field: Field | None = None
        self.battle_id: str | None = None
        """Where the seat is; `field` is there once its room was joined."""
        self.changed = asyncio.Event()
        """Something has happened in the battle."""
        self._url = url
        self._quiet_until = 0.0

    def client(self) -> Client:
        """A connection that comes back by itself, and tells this player everything."""
        token = self.account.token
        return Client(self._url, token, on_event=self._hear, on_joined=self._joined)

    async def pause(self, least_s: float, most_s: float) -> None:
        """Take one's time."""
        await asyncio.sleep(self.chance.uniform(least_s, most_s))

    async def try_to(self, client: Client, command: Command[Any]) -> Any:
        """Do something that may come too late: None then. Raises Failure for all else."""
        try:
            return await client.send(command)
        except Failure as e:
            if e.error.reason not in EXPECTED:
                raise
            return None

    async def say(self, client: Client, occasion: str) -> None:
        """Say something to the battle, or rather not."""
        now = asyncio.get_running_loop().time()
        if now < self._quiet_until or self.chance.random() > TALK.get(occasion, 1.0):
            return
        assert self.battle_id is not None
        self._quiet_until = now + QUIET_S
        said = Say(battle_id=self.battle_id, text=self.chance.choice(LINES[occasion]))
        if await self.try_to(client, said) is not None:
            self.news.count("chat")

    def tell(self, what: str) -> None:
        """Make it known on the terminal."""
        self.news.tell(self.account.name, what)

    # ---- what the rooms tell

    def _joined(self, joined: Joined) -> None:
        """A verdict. Without a snapshot, what is known goes on to hold."""
        if joined.snapshot is None:
            return
        if joined.room == player_room(self.account.id):
            self.oneself = Oneself(joined.snapshot)
        else:
            self.field = Field(joined.snapshot, self.account.id)

    def _hear(self, received: Received) -> None:
        event = received.event
        if event is None:
            return
        if isinstance(event, PlayerChanged) and self.oneself is not None:
            for level in range(self.oneself.player.level + 1, event.player.level + 1):
                self.news.count("levels")
                self.tell(f"reaches level {level}")
        if self.oneself is not None:
            self.oneself.take(event)
        if self.field is not None:
            self.field.take(event)
            self.changed.set()
