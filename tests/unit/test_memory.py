"""When memory is given back: where much more is free than the last time."""

from server.runtime.memory import WORTH_BYTES, Allocator, Memory
from tests.support.clock import ManualClock

MB = 1024 * 1024


class Counted(Allocator):
    """The real one, of which a test says what is free."""

    def __init__(self) -> None:
        super().__init__()
        self.free = 0
        self.trims = 0
        give_back = self.trim

        def trim(pad: int) -> int:
            self.trims += 1
            return give_back(pad)

        self.trim = trim

    def free_bytes(self) -> int:
        """What is free."""
        assert super().free_bytes() >= 0
        return self.free


async def test_memory_is_given_back_each_time_that_much_became_free() -> None:
    memory, allocator = Memory(ManualClock()), Counted()
    trims = []
    for free in (1 * MB, WORTH_BYTES, WORTH_BYTES + MB, 100 * MB, 100 * MB, 20 * MB, 30 * MB):
        allocator.free = free
        await memory.look(allocator)
        trims.append(allocator.trims)
    assert trims == [0, 1, 1, 2, 2, 2, 3]
