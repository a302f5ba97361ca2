"""A WebSocket over a transport that is none: what leaves, and in which order."""

import asyncio
from operator import attrgetter
from unittest import mock

from protocol.endings import RefusalReason
from server.transport import rfc6455
from server.transport.listener import Stop
from server.transport.outbox import Outbox, OutboxLimits
from server.transport.rfc6455 import CloseCode
from server.transport.websocket import LARGE_BYTES, RESTRICTED_BYTES, Turn, WebSocket
from tests.support.clock import ManualClock
from tests.support.refused import TIMEOUT_S, Refused
from tests.support.websocket import CLOSE, CONTINUATION, PONG, frame


def opened(refused: Refused | None = None, *, max_bytes: int = 1000) -> tuple[WebSocket, mock.Mock]:
    """A socket, and its transport."""
    transport = mock.Mock(**{"is_closing.return_value": False})
    outbox = Outbox(OutboxLimits(1000, 10.0, ManualClock().monotonic), attrgetter("socketio"))
    refusals = (refused or Refused()).refusals
    return WebSocket(transport, set(), mock.Mock(), outbox, Turn(), max_bytes, refusals), transport


def written(transport: mock.Mock) -> bytes:
    """All that was given to a transport."""
    return b"".join(call.args[0] for call in transport.write.call_args_list)


async def test_what_waits_leaves_in_one_piece_at_the_end_of_the_turn() -> None:
    socket, transport = opened()
    for part in (b"one", b"two"):
        socket.outbox.push(part)
    assert written(transport) == b""
    await asyncio.sleep(0)
    assert [call.args[0] for call in transport.write.call_args_list] == [b"onetwo"]


async def test_nothing_leaves_after_the_frame_that_closes() -> None:
    socket, transport = opened()
    socket.outbox.push(b"last")
    socket.close(CloseCode.POLICY)
    await asyncio.sleep(0)
    socket.outbox.push(b"too late")
    await asyncio.sleep(0)
    assert written(transport) == b"last" + rfc6455.encode_close(CloseCode.POLICY)
    transport.close.assert_not_called()


async def test_the_transport_is_closed_once_the_peer_has_closed_too() -> None:
    socket, transport = opened()
    socket.close()
    await asyncio.sleep(0)
    socket.data_received(b"\x88\x82\0\0\0\0\x03\xe8")
    await asyncio.sleep(0)
    transport.close.assert_called_once()


# ---- what is refused


async def test_who_breaks_the_rules_reads_why_before_all_of_it_is_closed() -> None:
    refused = Refused()
    socket, transport = opened(refused)
    socket.data_received(b"\x81\x00")
    await asyncio.sleep(0)
    assert written(transport) == rfc6455.encode_close(1002, "the frame is not masked")
    transport.write_eof.assert_called_once()
    transport.close.assert_not_called()
    assert refused.counted == {RefusalReason.PROTOCOL_ERROR: 1}
    socket.data_received(frame("4hello"))
    socket.listener.text.assert_not_called()  # type: ignore[attr-defined]


async def test_a_message_that_does_not_end_ends_the_connection() -> None:
    refused = Refused()
    socket, transport = opened(refused)
    socket.data_received(frame("4", fin=False))
    refused.pass_time(TIMEOUT_S / 2)
    # Neither more of it nor what comes between its parts gives it more time.
    socket.data_received(frame("x", CONTINUATION, fin=False) + frame(b"", PONG))
    refused.pass_time(TIMEOUT_S / 2)
    await asyncio.sleep(0)
    words = RefusalReason.SLOW.words
    assert written(transport) == rfc6455.encode_close(CloseCode.POLICY, words)
    assert refused.counted == {RefusalReason.SLOW: 1}
    socket.data_received(frame("y", CONTINUATION))
    socket.listener.text.assert_not_called()  # type: ignore[attr-defined]
    socket.data_received(frame(b"", CLOSE))
    await asyncio.sleep(0)
    transport.close.assert_called_once()


async def test_each_message_has_its_own_time() -> None:
    refused = Refused()
    socket, _ = opened(refused)
    socket.data_received(frame("4", fin=False))
    refused.pass_time(TIMEOUT_S / 2)
    socket.data_received(frame("", CONTINUATION) + frame("4", fin=False))
    refused.pass_time(TIMEOUT_S / 2)  # the time of the first, which has ended
    assert refused.counted == {}
    refused.pass_time()
    assert refused.counted == {RefusalReason.SLOW: 1}


async def test_nothing_is_watched_once_the_connection_is_gone() -> None:
    refused = Refused()
    socket, _ = opened(refused)
    socket.data_received(frame("4", fin=False))
    socket.connection_lost(None)
    refused.pass_time()
    assert refused.counted == {}


# ---- a client that is not authenticated, and one that is not read


def texts(socket: WebSocket) -> list[str]:
    """The messages of text that were delivered."""
    heard: list[str] = []
    socket.listener.text.side_effect = heard.append  # type: ignore[attr-defined]
    return heard


async def test_an_unauthenticated_client_holds_little() -> None:
    refused = Refused()
    socket, transport = opened(refused, max_bytes=1_000_000)
    socket.restrict()
    (few,) = transport.set_protocol.call_args.args
    assert len(few.get_buffer(-1)) == RESTRICTED_BYTES
    socket.data_received(frame("x" * (RESTRICTED_BYTES + 1)))
    await asyncio.sleep(0)
    assert refused.counted == {RefusalReason.TOO_LARGE: 1}
    socket.listener.text.assert_not_called()  # type: ignore[attr-defined]


async def test_what_follows_a_log_in_waits_for_its_verdict() -> None:
    socket, transport = opened(max_bytes=1_000_000)
    socket.restrict()
    heard = texts(socket)
    socket.listener.text.side_effect = lambda text: (  # type: ignore[attr-defined]
        heard.append(text),
        socket.stop(Stop.VERDICT),
    )
    socket.data_received(frame("log in") + frame("a" * 9000) + frame("b"))
    transport.pause_reading.assert_called_once()
    assert heard == ["log in"]
    socket.listener.text.side_effect = heard.append  # type: ignore[attr-defined]
    socket.admit()
    transport.set_protocol.assert_called_with(socket)
    socket.go_on(Stop.VERDICT)
    assert heard == ["log in", "a" * 9000, "b"]
    transport.resume_reading.assert_called_once()


async def test_it_is_read_on_once_no_reason_is_left() -> None:
    socket, transport = opened()
    socket.stop(Stop.VERDICT)
    socket.stop(Stop.BACKLOG)
    socket.go_on(Stop.VERDICT)
    transport.resume_reading.assert_not_called()
    socket.go_on(Stop.BACKLOG)
    transport.pause_reading.assert_called_once()
    transport.resume_reading.assert_called_once()


async def test_a_message_that_the_server_does_not_read_is_not_late() -> None:
    refused = Refused()
    socket, _ = opened(refused)
    socket.data_received(frame("4", fin=False))
    with mock.patch.object(WebSocket, "stood_still_s", 5.0):
        refused.pass_time()
        assert refused.counted == {}
        refused.pass_time()
        assert refused.counted == {RefusalReason.SLOW: 1}


async def test_the_listener_is_informed_of_a_large_message_and_of_its_end() -> None:
    socket, _ = opened(max_bytes=1_000_000)
    heard = texts(socket)
    socket.data_received(frame("x" * LARGE_BYTES, fin=False))
    socket.listener.arriving.assert_not_called()  # type: ignore[attr-defined]
    socket.data_received(frame("x", CONTINUATION, fin=False))
    socket.data_received(frame("x", CONTINUATION) + frame("y"))
    sizes = [call.args[0] for call in socket.listener.arriving.call_args_list]  # type: ignore[attr-defined]
    assert sizes == [LARGE_BYTES + 1, 0]
    assert heard == ["x" * (LARGE_BYTES + 2), "y"]


async def test_a_socket_that_closes_holds_no_message() -> None:
    socket, _ = opened(max_bytes=1_000_000)
    socket.data_received(frame("x" * 100_000, fin=False))
    socket.close()
    socket.data_received(frame("x" * 100_000, CONTINUATION, fin=False))
    assert socket._reader.unfinished_bytes == 0
