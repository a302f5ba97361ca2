"""The load of benches: what is lost, refused or out of order ends it."""

import json
import re
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from scripts.benches.compiled import programs
from tests.support.programs import need

UPGRADED = b"HTTP/1.1 101 Switching Protocols\r\n\r\n"
JOINED = b'430[{"ok":true,"data":{"seq":0}}]'
NUMBER = re.compile(rb'42(\d*)\["([a-z.]+)",')
KEY = re.compile(rb'"(?:n|seq)":(\d+)')
ENDS_WITHIN_S = 30

Says = Callable[[int, bytes, bytes], list[bytes]]
"""What a server sends to the message of a number, from 1 on: it is given that, the id that the
message asks to be answered with, and its data."""


def frame(text: bytes) -> bytes:
    """A text frame of a server."""
    size = len(text)
    head = bytes((0x81, size)) if size < 126 else b"\x81\x7e" + size.to_bytes(2)
    return head + text


class Script:
    """A server of one connection that sends what it is told to."""

    def __init__(self, says: Says) -> None:
        self._says = says
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self) -> None:
        with self._listener, self._listener.accept()[0] as there:
            stream = there.makefile("rb")
            while stream.readline() != b"\r\n":
                pass
            there.sendall(UPGRADED + frame(b"0{}"))
            number = 0
            try:
                while message := self._message(stream.read):
                    if message.startswith(b"40"):
                        there.sendall(frame(b"40{}"))
                        continue
                    match = NUMBER.match(message)
                    assert match is not None
                    ack, name = match.groups()
                    if name.endswith(b"join"):
                        there.sendall(frame(JOINED.replace(b"0", ack, 1)))
                        continue
                    number += 1
                    said = self._says(number, ack, message[match.end() : -1])
                    if not said:
                        return
                    there.sendall(b"".join(map(frame, said)))
            except (BrokenPipeError, ConnectionResetError):
                return  # the load has ended

    @staticmethod
    def _message(read: Callable[[int], bytes]) -> bytes:
        """The text of a client's next frame, nothing at the end."""
        if len(head := read(2)) < 2:
            return b""
        size = head[1] & 0x7F
        if size == 126:
            size = int.from_bytes(read(2))
        mask = read(4)
        return bytes(byte ^ mask[at % 4] for at, byte in enumerate(read(size)))


Load = Callable[..., subprocess.CompletedProcess[str]]
UNHURRIED = ("--seconds", "0.3", "--patience", "10")
"""On a busy machine too, something comes and goes in that time."""


@pytest.fixture(scope="module")
def program() -> Iterator[Path]:
    """The load, compiled without a warning."""
    need("cc")
    with programs("-Werror") as compiled:
        yield compiled.load


@pytest.fixture
def load(program: Path, tmp_path: Path) -> Iterator[Load]:
    """Puts load for a moment on a server that says so."""
    scripts: list[Script] = []
    people = tmp_path / "people"
    people.write_text('{"token":"t"}\tbattle-1\n')

    def run(says: Says, workload: str, *options: str) -> subprocess.CompletedProcess[str]:
        scripts.append(Script(says))
        command = [str(program), workload, "--port", str(scripts[0].port), "--clients", "1"]
        command += ["--room-size", "1", "--warm-up", "0", "--seconds", "0.05"]
        command += ["--patience", "0.2", *options]
        if workload == "strikes":
            command += ["--people", str(people)]
        return subprocess.run(
            command, capture_output=True, text=True, timeout=ENDS_WITHIN_S, check=False
        )

    yield run
    for script in scripts:
        script.thread.join()


def answer(ack: bytes, data: bytes = b'{"ok":true}') -> bytes:
    """The answer to a message."""
    return b"43%b[%b]" % (ack, data)


def struck(seq: int, name: bytes = b"battles.struck") -> bytes:
    """The event of a strike in a room that keeps its events."""
    return b'42["%b",{},{"seq":%d,"at":""}]' % (name, seq)


def attack(data: bytes) -> bytes:
    """The event of an attack in a room that keeps nothing."""
    return b'42["attack",%b]' % data


def told(data: bytes) -> bytes:
    """The event of a broadcast."""
    return b'42["msg",%b]' % data[data.index(b'"msg":') + 6 : -1]


def changed(data: bytes, by: int) -> bytes:
    """The same with another number in it."""
    return KEY.sub(lambda match: match[0].replace(match[1], b"%d" % (int(match[1]) + by)), data)


@pytest.mark.parametrize(
    ("workload", "says", "events"),
    [
        ("echo", lambda _, ack, data: [answer(ack, data)], 0),
        ("rooms", lambda _, ack, data: [attack(data), answer(ack)], 1),
        ("strikes", lambda n, ack, _: [struck(n), answer(ack)], 1),
        ("broadcast", lambda _, __, data: [told(data)], 1),
    ],
)
@pytest.mark.parametrize("options", [(), ("--window", "3"), ("--rate", "100")], ids=" ".join)
def test_all_that_comes_is_counted(
    load: Load, workload: str, says: Says, events: int, options: tuple[str, ...]
) -> None:
    done = load(says, workload, *UNHURRIED, *options)
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert (seen["told_in_all"] > 0) is (events > 0)
    if workload != "broadcast":
        assert seen["answered_in_all"] * events == seen["told_in_all"]
        assert seen["answered_in_all"] >= seen["answered"]
        assert seen["answer_p99_ms"] >= seen["answer_p50_ms"] > 0
    if workload in ("broadcast", "rooms"):
        assert seen["told_p99_ms"] >= seen["told_p50_ms"] > 0
    assert 0 <= seen["working"] <= 1


def test_other_events_of_the_room_count_as_numbers_only(load: Load) -> None:
    done = load(
        lambda n, ack, _: [
            struck(2 * n - 1, b"battles.enemies_struck"),
            struck(2 * n),
            answer(ack),
        ],
        "strikes",
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["told_in_all"] > 0


REFUSED = b'{"ok":false,"error":{}}'
WRONG: dict[str, tuple[str, Says, str]] = {
    "refused": ("strikes", lambda n, a, _: [struck(n), answer(a, REFUSED)], "refused: "),
    "refused relay": ("rooms", lambda _, a, d: [attack(d), answer(a, REFUSED)], "refused: "),
    "hole": ("strikes", lambda n, a, _: [struck(n + (n > 2)), answer(a)], "event 4 came after 2"),
    "doubled": ("strikes", lambda n, a, _: [struck(min(n, 2)), answer(a)], "event 2 came after 2"),
    "another echo": ("echo", lambda _, a, d: [answer(a, changed(d, 1))], "refused: "),
    "answered twice": ("echo", lambda _, a, d: [answer(a, d)] * 2, "nobody waits for"),
    "answer first": ("rooms", lambda _, a, d: [answer(a), attack(d)], "came before its event"),
    "told twice": ("rooms", lambda _, a, d: [attack(d), attack(d), answer(a)], "told before"),
    "broadcast lost": (
        "broadcast",
        lambda n, _, d: [told(changed(d, n > 2))],
        "event 3 came after 1",
    ),
    "event lost": ("strikes", lambda n, a, _: [*[struck(n)] * (n < 3), answer(a)], "did not come"),
    "answer lost": ("strikes", lambda n, a, _: [struck(n), *[answer(a)] * (n < 3)], "did not come"),
    "hung up": ("echo", lambda n, a, d: [answer(a, d)] if n < 3 else [], "hung up"),
    "disconnected": ("echo", lambda *_: [b"41"], "says 41"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_goes_wrong_ends_it(load: Load, name: str) -> None:
    workload, says, why = WRONG[name]
    # What is lost is missed at the end: until then it must have been said, on a busy machine too.
    done = load(says, workload, "--seconds", "1")
    assert (done.returncode, done.stdout) == (1, "")
    assert why in done.stderr


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ((), "name one workload"),
        (("dance",), "no workload dance"),
        (("echo", "--clients", "0"), "--clients"),
        (("echo", "--rate", "many"), "--rate"),
        (("rooms", "--clients", "5"), "fill their rooms"),
        (("strikes",), "--people"),
    ],
)
def test_options_that_make_no_sense(program: Path, options: tuple[str, ...], why: str) -> None:
    done = subprocess.run([program, *options], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert why in done.stderr
