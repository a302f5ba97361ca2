"""Requests that do not come whole, or are too long in their head: answered, counted, hung up."""

from typing import Any
from unittest import mock

import pytest
import uvicorn
from uvicorn.server import ServerState

from protocol.endings import RefusalReason
from server.http.request_timeouts import MAX_HEAD_BYTES, MAX_HEADERS, MAX_PIPELINED, TimedRequests
from server.transport.refusals import STANDSTILL_S
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


@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.0\r\nHost: a\r\nhost: b\r\n\r\n",
        b"GET /\r\n\r\n",
        b"GET / HTTP/0.9\r\nHost: a\r\n\r\n",
        b"GET / HTTP/2.0\r\nHost: a\r\n\r\n",
        b"GET /ws HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
        b"GET /ws HTTP/1.0\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: u@a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: [::1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a:x\r\n\r\n",
    ],
    ids=repr,
)
async def test_a_request_names_its_version_and_one_host(one: Connected, head: bytes) -> None:
    one.protocol.data_received(head)
    assert one.answer.startswith(b"HTTP/1.1 400 ")
    assert (one.is_closed, one.refused.counted) == (True, BAD)


@pytest.mark.parametrize("host", [b"", b"a_b.example:80", b"[::1]:8000", b"10.0.0.1", b"a:"])
async def test_a_host_may_have_a_port_and_be_an_address(one: Connected, host: bytes) -> None:
    one.protocol.data_received(b"GET / HTTP/1.1\r\nHost: " + host + b"\r\n\r\n")
    await one.answered()
    assert one.answer.startswith(b"HTTP/1.1 204 ")


async def test_http_1_0_needs_no_host(one: Connected) -> None:
    one.protocol.data_received(b"GET / HTTP/1.0\r\n\r\n")
    await one.answered()
    assert one.answer.startswith(b"HTTP/1.1 204 ")


async def test_requests_that_do_not_wait_for_an_answer_are_bounded(one: Connected) -> None:
    request = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    one.protocol.data_received(request * (1 + MAX_PIPELINED))
    assert not one.is_closed
    one.protocol.data_received(request)
    assert one.refused.counted == BAD
    while one.protocol.tasks:
        await one.answered()
    assert one.answer.count(b"HTTP/1.1 204 ") == 1 + MAX_PIPELINED
    assert b"HTTP/1.1 400 " in one.answer.rpartition(b"HTTP/1.1 204 ")[2]
    assert one.is_closed


async def test_a_request_before_a_bad_one_is_answered(one: Connected) -> None:
    one.protocol.data_received(HEAD + b"1234567890" + b"GET / HTTP/1.1\r\n\r\n")
    assert (one.answer, one.refused.counted) == (b"", BAD)
    one.protocol.data_received(HEAD)  # not looked at any more
    await one.answered()
    assert [line.split()[1] for line in one.answer.splitlines() if line.startswith(b"HTTP")] == [
        b"204",
        b"400",
    ]
    assert one.is_closed


async def test_an_application_that_still_answers_a_refused_request_is_not_heard(
    one: Connected,
) -> None:
    one.protocol.data_received(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
    one.protocol.data_received(b"no size\r\n")
    await one.answered()
    assert one.answer.startswith(b"HTTP/1.1 400 ")
    assert one.answer.count(b"HTTP/1.1") == 1


UPGRADE = (
    b"GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)


async def test_a_websocket_that_does_not_wait_for_the_answer_is_refused(one: Connected) -> None:
    one.protocol.data_received(UPGRADE + b"\x81\x80\0\0\0\0")
    assert one.answer.startswith(b"HTTP/1.1 400 ")
    assert (one.is_closed, one.refused.counted) == (True, BAD)


async def test_a_head_may_come_in_parts(one: Connected) -> None:
    for byte in UPGRADE:
        one.protocol.data_received(bytes((byte,)))
    await one.answered()
    assert b" 400 " not in one.answer
    one.transport.set_protocol.assert_called_once()


async def test_a_request_that_is_not_read_is_excused_for_so_long(one: Connected) -> None:
    one.protocol.data_received(HEAD)
    one.protocol.flow.pause_reading()
    passed_s = 0.0
    while not one.is_closed:
        one.refused.pass_time()
        passed_s += TIMEOUT_S
    assert STANDSTILL_S <= passed_s <= STANDSTILL_S + 2 * TIMEOUT_S


@pytest.mark.parametrize(("said", "answer"), [(b"", b""), (b"GET / ", b"HTTP/1.1 503 ")])
async def test_a_client_that_has_not_sent_its_request_gives_way(
    one: Connected, said: bytes, answer: bytes
) -> None:
    one.protocol.data_received(said)
    one.protocol.give_way()
    assert one.answer.startswith(answer)
    assert (one.is_closed, bool(one.answer)) == (True, bool(answer))
    assert one.refused.counted == {RefusalReason.TOO_MANY_UNAUTHENTICATED: 1}


async def test_only_a_client_whose_request_is_to_come_is_unauthenticated(one: Connected) -> None:
    guests = one.refused.refusals.unauthenticated
    assert len(guests) == 1
    one.protocol.data_received(HEAD + b"1234567890")
    assert len(guests) == 0
    await one.answered()
    one.protocol.data_received(b"GET")
    assert len(guests) == 1
    one.protocol.connection_lost(None)
    assert len(guests) == 0


@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"y" * MAX_HEAD_BYTES + b"\r\n\r\n",
        b"GET /" + b"y" * MAX_HEAD_BYTES + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n" + (b"X: " + b"y" * 200 + b"\r\n") * 90 + b"\r\n",
    ],
    ids=["a header", "an address", "headers"],
)
async def test_a_head_that_comes_in_one_piece_is_only_so_long(one: Connected, head: bytes) -> None:
    one.protocol.data_received(head)
    assert one.answer.startswith(b"HTTP/1.1 431 ")
    assert (one.is_closed, one.refused.counted) == (True, TOO_LARGE)
