"""The conversation in PROTOCOL.md is said to a server, and each answer compared."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.support.conversation import Known, Line, agree, filled, lines
from tests.support.dialects import Reply
from tests.support.markdown import PROTOCOL, blocks, chapter
from tests.support.people import Person, connected
from tests.support.server import Server
from tests.support.wire import Wire

(BLOCK,) = blocks(chapter(PROTOCOL.read_text(), "A conversation"), "text")


class Speaker:
    """Whoever says the lines that begin with `→`."""

    def __init__(self, server: Server, watcher: Person) -> None:
        self._server = server
        self._watcher = watcher
        self._http = aiohttp.ClientSession()
        self._wire: Wire | None = None
        self._ack = ""
        self._answer: tuple[str, list[Any]] | None = None  # what is no message
        self.known: Known = {}

    async def say(self, line: Line) -> None:
        """Do what a line says."""
        assert self._answer is None, f"{self._answer} came, and no line tells of it"
        objects = [filled(one, self.known) for one in line.objects]
        match line.words.split():
            case ["POST", path]:
                url = f"{self._server.url}{path}"
                async with self._http.post(url, json=objects[0]) as answer:
                    self._answer = str(answer.status), [await answer.json()]
            case ["connect"]:
                token = objects[0].pop("token")
                assert objects == [{}]
                self._wire = await Wire.connect(self._server.url, token=token)
                if "battle" in self.known:
                    await self._watcher.until_event("battles.player_returned")
                self._answer = "connected", []
            case [name]:
                assert self._wire is not None
                (data,) = objects or [{}]
                self._ack = self._wire.request(name, data)
            case _:
                raise AssertionError(f"nobody knows how to say {line}")

    async def breaks(self) -> None:
        """The connection ends, and the server has noticed."""
        await self._watcher.ok("rooms.join", room=f"battle:{self.known['battle']}")
        await self._hang_up()
        await self._watcher.until_event("battles.player_away")

    async def hears(self, line: Line) -> None:
        """The next thing that the server says is what a line says."""
        words, objects = await self._next()
        assert words == line.words, f"{words} {objects} in the place of {line}"
        known = agree(line.objects, objects, self.known)
        assert known is not None, f"{line} is not what came: {objects}, with {self.known}"
        self.known = known

    async def _next(self) -> tuple[str, list[Any]]:
        if self._answer is not None:
            answer, self._answer = self._answer, None
            return answer
        assert self._wire is not None
        try:
            heard = await self._wire.next()
        except ConnectionError:
            return "disconnected", []
        if isinstance(heard, Reply):
            assert heard.ack == self._ack
            return "", [heard.reply]
        return heard.name, [heard.data, heard.meta]

    def has_heard_all(self) -> None:
        """Nothing came that no line tells of."""
        assert self._answer is None
        assert self._wire is None or self._wire.has_been_read, self._wire.heard[-1]

    async def _hang_up(self) -> None:
        if self._wire is not None:
            await self._wire.close()
            self._wire = None

    async def close(self) -> None:
        """End, wherever it was."""
        await self._hang_up()
        await self._http.close()


@pytest.fixture
async def slow_server(tmp_path: Path) -> AsyncIterator[Server]:
    """A server on which no stamina grows meanwhile."""
    async with Server(tmp_path / "data", STAMINA_REGEN_INTERVAL="3600") as started:
        yield started


async def replay(server: Server, text: str) -> Known:
    """Say a conversation. Raises AssertionError where the server says something else."""
    watcher = await connected(server.url)
    speaker = Speaker(server, watcher)
    try:
        for line in lines(text):
            match line.mark:
                case "→":
                    await speaker.say(line)
                case "←":
                    await speaker.hears(line)
                case "✗":
                    await speaker.breaks()
                case _:
                    raise AssertionError(f"no such mark: {line}")
        speaker.has_heard_all()
    finally:
        await watcher.close()
        await speaker.close()
    return speaker.known


async def test_the_conversation_is_what_the_server_says(slow_server: Server) -> None:
    known = await replay(slow_server, BLOCK.text)
    assert known["left"] == known["hp"] - known["damage"]
    assert known["last"] == known["left"] - known["second"]


@pytest.mark.parametrize(
    ("true", "lie"),
    [
        ('"seq": 3, "epoch"', '"seq": 4, "epoch"'),
        ('"expires_in": 900', '"expires_in": 901'),
        ('"reason": "not_over"', '"reason": "over"'),
        ("← auth.expired", "← auth.ended"),
        ('"stamina": 95}\n', '"stamina": 95, "mana": 1}\n'),
        (', "next_hit_at": "<time>"}\n', "}\n"),
    ],
)
async def test_a_lie_is_found(slow_server: Server, true: str, lie: str) -> None:
    assert true in BLOCK.text
    with pytest.raises(AssertionError):
        await replay(slow_server, BLOCK.text.replace(true, lie))


@pytest.mark.parametrize(
    ("told", "seen", "known"),
    [
        ('{"a": 1}', {"a": 1}, {}),
        ('{"a": 1, …}', {"a": 1, "b": 2}, {}),
        ('{"a": 1}', {"a": 1, "b": 2}, None),
        ('{"a": 1}', {"a": True}, None),
        ('{"a": <x>, "b": <x>}', {"a": 1, "b": 1}, {"x": 1}),
        ('{"a": <x>, "b": <x>}', {"a": 1, "b": 2}, None),
        ('{"a": <x>}', {"a": "1"}, None),
        ('{"a": "<name>"}', {"a": "1"}, {"name": "1"}),
        ('{"a": "<name>"}', {"a": 1}, None),
        ('{"a": "<time>"}', {"a": "2026-11-23T02:09:12.586Z"}, {}),
        ('{"a": "<time>"}', {"a": "2026-11-23T02:09:12Z"}, None),
        ('[…, {"a": <x>, "b": 1}, …]', [{"a": 1, "b": 0}, {"a": 2, "b": 1}], {"x": 2}),
        ("[…, 2]", [1, 2, 3], None),
        ("[1, …]", [], None),
        ("[]", [1], None),
    ],
)
def test_what_agrees(told: str, seen: Any, known: Known | None) -> None:
    ((_, _, objects),) = lines(f"← {told}\n")
    assert agree(objects, [seen], {}) == known


def test_a_line_goes_on_where_it_is_indented() -> None:
    assert list(lines('← a.b {"x":\n    1}\n    {"y": 2}\n\n✗ gone\n')) == [
        Line("←", "a.b", [{"x": 1}, {"y": 2}]),
        Line("✗", "gone", []),
    ]
