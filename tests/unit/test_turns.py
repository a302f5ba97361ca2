"""Who waits for a thread, and whose turn is next."""

import asyncio
import random
from collections.abc import Iterable

import pytest

from protocol.errors import Code, Failure, unavailable
from server.auth.turns import (
    LOG_INS_IN_A_ROW,
    MAX_OF_NETWORK,
    MAX_WAITING,
    RETRY_AFTER_MS,
    HashKind,
    Turns,
)

LOG_IN, REGISTRATION = HashKind.LOG_IN, HashKind.REGISTRATION
OF_LOG_INS, OF_REGISTRATIONS = MAX_OF_NETWORK[LOG_IN], MAX_OF_NETWORK[REGISTRATION]


class Queue:
    """Turns of one at a time, of which the only one is taken."""

    def __init__(self) -> None:
        self.turns = Turns(1)
        self.order: list[str] = []
        self.tasks: dict[str, asyncio.Task[None]] = {}

    async def begin(self) -> "Queue":
        """Take the only turn."""
        await self.turns.take("first", LOG_IN)
        return self

    async def join(self, names: Iterable[str], kind: HashKind = LOG_IN) -> None:
        """Wait for a turn, each from the network before the dot of its name."""
        for name in names:
            self.tasks[name] = asyncio.create_task(self._wait(name, kind))
        for _ in range(3):  # for those who have come, and for those who make room for them
            await asyncio.sleep(0)

    async def _wait(self, name: str, kind: HashKind) -> None:
        await self.turns.take(name.partition(".")[0], kind)
        self.order.append(name)
        self.turns.leave()

    async def end(self) -> list[str]:
        """Leave the turn, and let everybody have theirs. Returns the order."""
        self.turns.leave()
        await asyncio.gather(*self.tasks.values(), return_exceptions=True)
        return self.order

    def refused(self) -> list[str]:
        """Those who were told that it is busy."""
        found = []
        for name, task in self.tasks.items():
            if task.done() and isinstance(why := task.exception(), Failure):
                assert (why.error.code, why.error.retry_after_ms) == (Code.BUSY, RETRY_AFTER_MS)
                found.append(name)
        return found


@pytest.fixture
async def queue() -> Queue:
    return await Queue().begin()


def some(network: str, count: int) -> list[str]:
    """So many names of a network."""
    return [f"{network}.{n}" for n in range(count)]


async def test_networks_take_turns_and_each_keeps_its_order(queue: Queue) -> None:
    await queue.join([*some("a", 4), *some("b", 2), *some("c", 1)])
    assert await queue.end() == ["a.0", "b.0", "c.0", "a.1", "b.1", "a.2", "a.3"]


async def test_log_ins_go_before_registrations(queue: Queue) -> None:
    await queue.join([*some("a", 2), *some("b", 1)], REGISTRATION)
    await queue.join(["c.log-in", "a.log-in"], LOG_IN)
    assert await queue.end() == ["c.log-in", "a.log-in", "a.0", "b.0", "a.1"]


@pytest.mark.parametrize(("kind", "most"), MAX_OF_NETWORK.items())
async def test_so_many_wait_from_one_network(queue: Queue, kind: HashKind, most: int) -> None:
    await queue.join(some("a", most + 3), kind)
    assert queue.refused() == some("a", most + 3)[most:]
    await queue.join(some("b", 1), kind)
    assert "b.0" not in queue.refused()
    assert len(await queue.end()) == most + 1


async def full(queue: Queue) -> None:
    """Fill it with log-ins of two networks."""
    await queue.join([*some("a", OF_LOG_INS), *some("b", MAX_WAITING - OF_LOG_INS)])
    assert queue.refused() == []


async def test_where_all_is_full_the_newest_of_the_longest_line_makes_room(queue: Queue) -> None:
    await full(queue)
    await queue.join(["c.0", "d.0", "c.1"])
    assert sorted(queue.refused()) == ["a.30", "a.31", "b.31"]
    assert (await queue.end())[:4] == ["a.0", "b.0", "c.0", "d.0"]


async def test_lines_grow_no_longer_than_those_that_make_room(queue: Queue) -> None:
    await full(queue)
    await queue.join(some("c", OF_LOG_INS))
    lengths = [sum(name.startswith(network) for name in await queue.end()) for network in "abc"]
    assert sum(lengths) == MAX_WAITING
    assert max(lengths) - min(lengths) <= 1


async def test_registrations_make_room_for_log_ins_and_not_the_other_way(queue: Queue) -> None:
    networks = [f"n{n}" for n in range(MAX_WAITING // OF_REGISTRATIONS)]
    for network in networks:
        await queue.join(some(network, OF_REGISTRATIONS), REGISTRATION)
    assert queue.refused() == []
    log_ins = [*some("a", OF_LOG_INS), *some("b", OF_LOG_INS)]
    await queue.join(log_ins)
    assert len(queue.refused()) == MAX_WAITING
    await queue.join(some("c", 1), REGISTRATION)
    assert "c.0" in queue.refused()
    assert sorted(await queue.end()) == sorted(log_ins)


async def test_who_leaves_the_queue_is_passed_over(queue: Queue) -> None:
    await queue.join(some("a", 3))
    queue.tasks["a.0"].cancel()
    queue.tasks["a.1"].cancel()
    assert await queue.end() == ["a.2"]


async def test_a_turn_that_comes_as_its_caller_leaves_is_the_next_one_s(queue: Queue) -> None:
    await queue.join(some("a", 2))
    queue.turns.leave()
    queue.tasks["a.0"].cancel()  # its turn is given, and it has not gone on
    await asyncio.gather(*queue.tasks.values(), return_exceptions=True)
    assert queue.order == ["a.1"]
    await queue.turns.take("b", LOG_IN)  # and it is free


async def test_nobody_waits_once_it_is_closed(queue: Queue) -> None:
    await queue.join(some("a", 2))
    await queue.join(some("b", 2), REGISTRATION)
    queue.turns.close(unavailable("the server is closing"))
    ends = await asyncio.gather(*queue.tasks.values(), return_exceptions=True)
    assert [str(end) for end in ends] == ["unavailable: the server is closing"] * 4


@pytest.mark.parametrize("seed", range(20))
async def test_whatever_happens_no_turn_is_lost(seed: int) -> None:
    """Many come, wait, are cancelled and are turned away; in the end all turns are free."""
    rolls, at_once = random.Random(seed), 2
    turns, using, most = Turns(at_once), 0, 0

    async def use(network: str, kind: HashKind) -> None:
        nonlocal using, most
        await turns.take(network, kind)
        using += 1
        most = max(most, using)
        try:
            for _ in range(rolls.randrange(4)):
                await asyncio.sleep(0)
        finally:
            using -= 1
            turns.leave()

    tasks: list[asyncio.Task[None]] = []
    for _ in range(400):
        kind = rolls.choice(list(HashKind))
        tasks.append(asyncio.create_task(use(f"n{rolls.randrange(12)}", kind)))
        if rolls.random() < 0.5:
            rolls.choice(tasks).cancel()
        if rolls.random() < 0.3:
            await asyncio.sleep(0)
    ends = await asyncio.gather(*tasks, return_exceptions=True)
    assert {type(end) for end in ends} == {type(None), Failure, asyncio.CancelledError}
    assert (most, using, turns._count, turns._free) == (at_once, 0, 0, at_once)
    assert not any(turns._waiting.values())


async def test_a_flood_of_log_ins_does_not_hold_up_a_registration_for_ever(queue: Queue) -> None:
    await queue.join(["new.registration", "new.other"], REGISTRATION)
    await queue.join([f"{n}.log-in" for n in range(3 * LOG_INS_IN_A_ROW)])
    order = await queue.end()
    places = [place for place, name in enumerate(order) if name.startswith("new.")]
    assert places == [LOG_INS_IN_A_ROW, 2 * LOG_INS_IN_A_ROW + 1]
