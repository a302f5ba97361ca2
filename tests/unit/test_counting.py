"""Counting connections: told when it changes, at most once a second, and only to who watches."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from protocol.permissions import Role, granted
from server.app import App, opened
from server.config import Settings
from server.connections import counter, keep_counter
from server.gateway import Identity
from server.gateway.presence import ConnectionRegistry
from server.runtime.background import PUBLISH_EVERY_S
from tests.support.clock import ManualClock
from tests.support.ear import Ear, player
from tests.support.folds import Told

Second = Callable[[], Awaitable[None]]


class Counted:
    """A registry that counts how often it is asked."""

    def __init__(self, registry: ConnectionRegistry) -> None:
        self.asked = 0
        self._registry = registry

    def __getattr__(self, name: str) -> object:
        self.asked += name == "present"
        return getattr(self._registry, name)


@pytest.fixture
async def app(tmp_path: Path) -> AsyncIterator[App]:
    async with opened(Settings(data_dir=tmp_path, password_hash_cost=4), ManualClock()) as app:
        yield app


@pytest.fixture
async def second(app: App) -> AsyncIterator[Second]:
    """Lets a second pass for the service."""
    clock = app.clock
    assert isinstance(clock, ManualClock)
    room = counter(app.gateway, clock)
    task = asyncio.create_task(keep_counter(room, app.gateway))
    assert await clock.asleep() == PUBLISH_EVERY_S >= 1

    async def pass_one() -> None:
        clock.advance(PUBLISH_EVERY_S)
        await clock.asleep()

    yield pass_one
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def told(ear: Ear) -> list[tuple[int, int, int]]:
    """All that was told, in figures."""
    return [
        (item.data["people"], item.data["services"], item.data["connections"])
        for item in ear.heard
        if isinstance(item, Told) and item.name == "connections.counted"
    ]


async def test_it_is_told_once_a_second_and_only_what_is_new(app: App, second: Second) -> None:
    viewer = Identity("v", "v", granted(Role.VIEWER), Role.VIEWER)
    watcher = await Ear(app, viewer).open()
    joined = await watcher.ok("rooms.join", room="connections")
    assert joined["snapshot"] == {"people": 1, "services": 0, "connections": 1}
    ears = [await Ear(app, player(f"p{n % 2}")).open() for n in range(4)]
    robot = await Ear(app, Identity("r", "r", granted(Role.VIEWER))).open()
    assert told(watcher) == []
    await second()
    assert told(watcher) == [(3, 1, 6)]
    await second()
    assert told(watcher) == [(3, 1, 6)]
    await ears[0].gone()
    await robot.gone()
    await second()
    assert told(watcher)[1:] == [(3, 0, 4)]
    assert json.dumps(watcher.heard[-1].data).count(":") == 3  # type: ignore[union-attr]


async def test_where_nobody_watches_nothing_is_counted(app: App, second: Second) -> None:
    registry = Counted(app.gateway.connections)
    app.gateway.connections = registry  # type: ignore[assignment]
    watcher = await Ear(app, Identity("v", "v", granted(Role.VIEWER), Role.VIEWER)).open()
    await second()
    assert registry.asked == 0
    await watcher.ok("rooms.join", room="connections")
    await second()
    assert registry.asked == 2
    await watcher.ok("rooms.leave", room="connections")
    await second()
    assert registry.asked == 2


async def test_whoever_came_while_it_was_otherwise_is_told(app: App, second: Second) -> None:
    """It is as it was told last, and not as the newest watcher has it."""
    viewer = Identity("v", "v", granted(Role.VIEWER), Role.VIEWER)
    first = await Ear(app, viewer).open()
    late = await Ear(app, viewer).open()
    await first.ok("rooms.join", room="connections")
    await second()
    somebody = await Ear(app, player("p")).open()
    joined = await late.ok("rooms.join", room="connections")
    assert joined["snapshot"] == {"people": 2, "services": 0, "connections": 3}
    await somebody.gone()
    await second()
    assert told(late) == [(1, 0, 2)]
