"""What clients have sent and nobody has handled: who is read meanwhile, and who is not."""

import random

import pytest

from server.gateway.backlog import Backlog, BacklogLimits
from server.transport.websocket import LARGE_BYTES

KB = 1024
MESSAGE = 1024 * KB
LIMITS = BacklogLimits.of(MESSAGE, 10 * MESSAGE)


class Connection:
    """A connection of a user. `holds` sets what it holds."""

    def __init__(self, backlog: Backlog, user_id: str = "ada") -> None:
        self.user_id = user_id
        self.inbox_bytes = 0
        self.arriving_bytes = 0
        self.is_read = True
        self._backlog = backlog

    def stop_reading(self) -> None:
        """Read nothing more."""
        assert self.is_read
        self.is_read = False

    def read_on(self) -> None:
        """Read on."""
        assert not self.is_read
        self.is_read = True

    def holds(self, *, inbox: int = 0, arriving: int = 0) -> bool:
        """It holds so much now. Returns whether it is read."""
        self.inbox_bytes, self.arriving_bytes = inbox, arriving
        self._backlog.update(self)
        return self.is_read


@pytest.fixture
def backlog() -> Backlog:
    """Nothing waits."""
    return Backlog(LIMITS)


def test_a_connection_is_not_read_until_its_inbox_is_shorter(backlog: Backlog) -> None:
    one = Connection(backlog)
    assert one.holds(inbox=MESSAGE)
    assert not one.holds(inbox=MESSAGE + 1)
    assert one.holds(inbox=MESSAGE // 2)
    assert not one.holds(inbox=MESSAGE // 2, arriving=MESSAGE // 2 + 1)


def test_the_largest_message_may_always_come_in_whole(backlog: Backlog) -> None:
    assert Connection(backlog).holds(arriving=MESSAGE)


def test_of_a_user_with_too_much_the_first_is_read_on_and_then_the_next(backlog: Backlog) -> None:
    connections = [Connection(backlog) for _ in range(6)]
    read = [each.holds(arriving=MESSAGE) for each in connections]
    assert read == [True, True, True, True, False, False]
    # The one that was too much stops all of them but the first.
    assert [each.is_read for each in connections] == [True] + [False] * 5
    assert [each.holds(arriving=MESSAGE - 1) for each in connections[:3]] == [True, False, False]
    assert connections[0].holds()
    assert [each.is_read for each in connections[1:]] == [True] + [False] * 4
    assert connections[1].holds()
    assert all(each.is_read for each in connections)


def test_small_messages_of_a_user_with_too_much_are_read(backlog: Backlog) -> None:
    heavy = [Connection(backlog) for _ in range(6)]
    for each in heavy:
        each.holds(arriving=MESSAGE)
    assert Connection(backlog).holds(inbox=LARGE_BYTES)
    assert not Connection(backlog).holds(inbox=LARGE_BYTES + 1)


def test_all_users_together_may_hold_so_much(backlog: Backlog) -> None:
    users = [Connection(backlog, f"user {number}") for number in range(12)]
    assert [each.holds(arriving=MESSAGE) for each in users] == [True] * 10 + [False] * 2
    assert backlog.stopped == 11
    assert users[5].holds()
    assert users[6].holds()
    assert all(each.is_read for each in users)


def test_a_connection_that_is_gone_is_not_counted(backlog: Backlog) -> None:
    connections = [Connection(backlog) for _ in range(6)]
    for each in connections:
        each.holds(arriving=MESSAGE)
    for each in connections[:2]:
        each.arriving_bytes = 0
        backlog.forget(each)
    assert all(each.is_read for each in connections)
    stopped = Connection(backlog)
    assert not stopped.holds(arriving=MESSAGE)
    stopped.arriving_bytes = 0
    backlog.forget(stopped)
    assert not stopped.is_read, "a closed connection is not read on"
    assert backlog.stopped == 0


@pytest.mark.parametrize("seed", range(20))
def test_some_connection_can_always_go_on_and_nothing_stays_counted(
    backlog: Backlog, seed: int
) -> None:
    chance = random.Random(seed)
    connections = [Connection(backlog, f"user {number % 4}") for number in range(20)]
    for _ in range(500):
        each = chance.choice(connections)
        if each.is_read:
            each.holds(inbox=chance.choice((0, 0, KB, MESSAGE)), arriving=chance.randrange(MESSAGE))
        else:
            each.holds(inbox=each.inbox_bytes // 2, arriving=each.arriving_bytes)
        # What is not read waits for others or for its inbox, which is handled by itself.
        assert any(each.is_read or each.inbox_bytes for each in connections)
    for each in connections:
        each.holds()
    assert all(each.is_read for each in connections)
    assert (backlog.total_bytes, backlog.stopped) == (0, 0)
