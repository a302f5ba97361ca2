"""A WebSocket over a transport that is none: what leaves, and in which order."""

import asyncio
from operator import attrgetter
from unittest import mock

from server.gateway import rfc6455
from server.gateway.outbox import Bounds, Outbox
from server.gateway.refusals import Refusals
from server.gateway.rfc6455 import CloseCode
from server.gateway.websocket import Turn, WebSocket
from server.runtime.gauges import Gauges
from tests.support.clock import ManualClock


def opened() -> tuple[WebSocket, mock.Mock]:
    """A socket, and its transport."""
    transport = mock.Mock(**{"is_closing.return_value": False})
    outbox = Outbox(Bounds(1000, 10.0, ManualClock().monotonic), attrgetter("socketio"))
    refusals = Refusals(Gauges(), ManualClock(), 10.0)
    return WebSocket(transport, set(), mock.Mock(), outbox, Turn(), 1000, refusals), transport


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
