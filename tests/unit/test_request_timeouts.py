"""Requests that do not come whole, or are too long in their head: answered, counted, hung up."""

from typing import Any
from unittest import mock

import pytest
import uvicorn
from uvicorn.server import ServerState

from server.gateway.refusals import RefusalReason
from server.request_timeouts import MAX_HEAD_BYTES, MAX_HEADERS, TimedRequests
from tests.support.refused import TIMEOUT_S, Refused

HEAD = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n"
SLOW = {RefusalReason.SLOW: 1}
BAD = {RefusalReason.BAD_REQUEST: 1}
TOO_LARGE = {RefusalReason.TOO_LARGE: 1}


async def waiting(scope: Any, receive: Any, send: Any) -> None:
    """An application that reads all there is, and answers."""
    while (await receive()).get("more_body"):
        continue
    await send({"type": "http.response.start", "status": 204})
    await send({"type": "http.response.body"})


class Connected:
    """One connection, with what was answered on it."""

    def __init__(self) -> None:
        self.refused = Refused()
        config = uvicorn.Config(waiting, lifespan="off", log_config=None)
        config.load()
        self.transport = mock.Mock(**{"is_closing.return_value": False})
        self.transport.get_extra_info.return_value = None
        self.transport.close.side_effect = self._closed
        self.protocol = TimedRequests(
            self.refused.refusals, config=config, server_state=ServerState(), app_state={}
        )
        self.protocol.connection_made(self.transport)

    def _closed(self) -> None:
        self.transport.is_closing.return_value = True

    @property
    def is_closed(self) -> bool:
        """Whether we hung up."""
        return bool(self.transport.close.called or self.transport.write_eof.called)

    @property
    def answer(self) -> bytes:
        """All that was answered."""
        return b"".join(call.args[0] for call in self.transport.write.call_args_list)

    async def answered(self) -> None:
        """Wait until the application is done."""
        for task in list(self.protocol.tasks):
            await task


@pytest.fixture
async def one() -> Connected:
    """A connection on which nothing was said."""
    return Connected()


async def test_who_says_nothing_is_hung_up_on_without_a_word(one: Connected) -> None:
    one.refused.pass_time()
    assert (one.answer, one.is_closed, one.refused.counted) == (b"", True, SLOW)


@pytest.mark.parametrize("said", [b"G", HEAD[:-2], HEAD, HEAD + b"1234"], ids=len)
async def test_a_request_that_does_not_come_whole_is_answered(one: Connected, said: bytes) -> None:
    one.protocol.data_received(said[:1])
    one.refused.pass_time(TIMEOUT_S / 2)
    for byte in said[1:]:  # that more of it comes gives it no more time
        one.protocol.data_received(bytes((byte,)))
    assert not one.is_closed
    one.refused.pass_time(TIMEOUT_S / 2)
    assert one.answer.startswith(b"HTTP/1.1 408 ")
    assert one.answer.endswith(RefusalReason.SLOW.words.encode())
    assert (one.is_closed, one.refused.counted) == (True, SLOW)


async def test_an_answer_may_take_its_time(one: Connected) -> None:
    one.protocol.data_received(HEAD + b"1234567890")
    one.refused.pass_time(10 * TIMEOUT_S)
    assert not one.is_closed
    await one.answered()
    assert one.answer.startswith(b"HTTP/1.1 204 ")
    assert one.refused.counted == {}


async def test_the_next_request_has_its_own_time(one: Connected) -> None:
    one.protocol.data_received(HEAD + b"1234567890")
    await one.answered()
    one.protocol.data_received(b"GET")
    one.refused.pass_time(TIMEOUT_S / 2)
    assert not one.is_closed
    one.refused.pass_time(TIMEOUT_S / 2)
    assert (b" 408 " in one.answer, one.is_closed, one.refused.counted) == (True, True, SLOW)


async def test_ends_of_lines_are_no_request(one: Connected) -> None:
    one.protocol.data_received(HEAD + b"1234567890")
    await one.answered()
    one.protocol.data_received(b"\r\n")
    one.refused.pass_time()
    assert (one.is_closed, one.refused.counted) == (True, SLOW)


async def test_what_we_do_not_read_is_not_late(one: Connected) -> None:
    one.protocol.data_received(HEAD)
    one.protocol.flow.pause_reading()
    one.refused.pass_time()
    assert not one.is_closed
    one.protocol.flow.resume_reading()
    one.refused.pass_time()
    assert one.is_closed


async def test_there_are_only_so_many_headers(one: Connected) -> None:
    rest = b"X: y\r\n" * (MAX_HEADERS - 2)
    one.protocol.data_received(HEAD[:-2] + rest)
    assert not one.is_closed
    one.protocol.data_received(b"X: y\r\nX: y\r\n")
    assert one.answer.startswith(b"HTTP/1.1 400 ")
    assert (one.is_closed, one.refused.counted) == (True, BAD)


async def test_a_head_is_only_so_long(one: Connected) -> None:
    one.protocol.data_received(b"GET / HTTP/1.1\r\nX: ")
    one.protocol.data_received(b"y" * (MAX_HEAD_BYTES - 19))
    assert not one.is_closed
    one.protocol.data_received(b"y")
    assert one.answer.startswith(b"HTTP/1.1 431 ")
    assert (one.is_closed, one.refused.counted) == (True, TOO_LARGE)


@pytest.mark.parametrize(
    "said", [b"\x16\x03\x01", b"GET\r\n\r\n", b"CONNECT x:1 HTTP/1.1\r\n\r\n"], ids=repr
)
async def test_what_is_no_request_is_answered_and_not_logged(
    one: Connected, said: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    one.protocol.data_received(said)
    assert one.answer.startswith(b"HTTP/1.1 400 ")
    assert (one.is_closed, one.refused.counted) == (True, BAD)
    assert caplog.records == []


async def test_nothing_is_waited_for_once_it_is_gone(one: Connected) -> None:
    one.protocol.connection_lost(None)
    one.refused.pass_time()
    assert one.refused.counted == {}


async def test_nothing_is_read_of_who_is_refused_and_still_sends(one: Connected) -> None:
    one.protocol.data_received(b"GET\r\n\r\n")
    one.transport.close.assert_not_called()
    one.protocol.data_received(b"GET\r\n\r\n" + HEAD)
    one.refused.pass_time()
    assert one.answer.count(b"HTTP/1.1 ") == 1
    assert one.refused.counted == BAD
