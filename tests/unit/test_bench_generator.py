"""The load generator: what is lost, refused or out of order ends a bench."""

import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from scripts.benches import generator as module
from scripts.benches.generator import Broken, Generator, Wire

UPGRADED = b"HTTP/1.1 101 Switching Protocols\r\n\r\n"
ROOM_SIZE = 1


def frame(text: bytes) -> bytes:
    """A text frame of a server."""
    assert len(text) < 126
    return bytes((0x81, len(text))) + text


def struck(seq: int) -> bytes:
    """The event of a strike."""
    return frame(b'42["battles.struck",{},{"seq":%d,"at":""}]' % seq)


def answer(number: int, ok: bytes = b"true") -> bytes:
    """The answer to a strike."""
    return frame(b'43%d[{"ok":%b}]' % (number, ok))


Says = Callable[[int], bytes]
"""What a server sends to the strike of a number."""


class Script:
    """A server of one connection that sends what it is told to."""

    def __init__(self, says: Says) -> None:
        self._says = says
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self) -> None:
        with self._listener, self._listener.accept()[0] as there:
            there.recv(4096)
            there.sendall(UPGRADED + frame(b"0{}"))
            there.recv(4096)
            there.sendall(frame(b"40{}"))
            number = 0
            while there.recv(4096):
                number += 1
                if not (said := self._says(number)):
                    return
                there.sendall(said)


@pytest.fixture
def strike(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Says], None]]:
    """Lets a striker strike for a moment at a server that says so."""
    monkeypatch.setattr(module, "ANSWERS_WITHIN_S", 0.2)
    generator = Generator()
    scripts: list[Script] = []

    def run(says: Says) -> None:
        scripts.append(Script(says))
        wire: Wire = generator.connect(scripts[0].url, "token")
        wire.attack = b'["battles.attack",{"request_id":'
        wire.room_size = ROOM_SIZE
        tally = generator.flat_out([wire], 0.05)
        assert tally.strikes == tally.told == len(tally.late_ms) > 0

    yield run
    generator.close()
    for script in scripts:
        script.thread.join()


def test_all_that_comes_is_counted(strike: Callable[[Says], None]) -> None:
    strike(lambda n: struck(n) + answer(n))


def test_other_events_of_the_room_count_as_numbers_only(strike: Callable[[Says], None]) -> None:
    other = b'42["battles.enemies_struck",{},{"seq":%d,"at":""}]'
    strike(lambda n: frame(other % (2 * n - 1)) + struck(2 * n) + answer(n))


@pytest.mark.parametrize(
    ("says", "why"),
    [
        (lambda n: struck(n) + answer(n, b"false"), "refused"),
        (lambda n: struck(n if n < 3 else n + 1) + answer(n), "event 4 came after 2"),
        (lambda n: struck(min(n, 2)) + answer(n), "event 2 came after 2"),
        (lambda n: answer(n) if n == 2 else struck(n) + answer(n), "came after|did not come"),
        (lambda n: struck(n) if n == 2 else struck(n) + answer(n), "did not come"),
        (lambda n: b"" if n == 2 else struck(n) + answer(n), "hung up"),
        (lambda n: frame(b"41"), "says b'41'"),
    ],
    ids=["refused", "hole", "doubled", "event lost", "ack lost", "hung up", "disconnected"],
)
def test_what_goes_wrong_ends_the_bench(
    strike: Callable[[Says], None], says: Says, why: str
) -> None:
    with pytest.raises(Broken, match=why):
        strike(says)
