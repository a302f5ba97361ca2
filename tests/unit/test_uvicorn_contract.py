"""What `server/transport/websocket.py` and `server/http/serving.py` rely on in uvicorn, some of it
not documented. An upgrade that moves one of these fails here."""

import ast
import asyncio
import functools
import inspect
import textwrap
from collections.abc import Callable
from typing import Any
from unittest import mock

import pytest
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState

from server.http.serving import WebServer
from server.runtime.clock import SystemClock
from server.runtime.metrics import Metrics
from server.transport.handshake import Handshake
from server.transport.refusals import Refusals
from server.transport.websocket import Turn, WebSocket

WS: Any = functools.partial(Handshake, Refusals(Metrics(), SystemClock(), 10.0))


async def nothing(scope: Any, receive: Any, send: Any) -> None:
    """An application."""


def config(**options: Any) -> uvicorn.Config:
    """As the server's."""
    made = uvicorn.Config(nothing, ws=WS, lifespan="off", log_config=None, **options)
    made.load()
    return made


def source(function: Callable[..., Any]) -> str:
    """How a function is written, with its spaces as Python would."""
    return ast.unparse(ast.parse(textwrap.dedent(inspect.getsource(function))))


def protocol(application: Any = nothing) -> Handshake:
    """A WebSocket before its handshake."""
    made = config()
    made.loaded_app = application
    return made.ws_protocol_class(  # type: ignore[call-arg, misc, return-value]
        config=made, server_state=ServerState(), app_state={}, _loop=asyncio.get_running_loop()
    )


def test_a_protocol_of_ones_own_is_taken() -> None:
    made = config(ws_ping_interval=None, ws_per_message_deflate=False)
    assert made.ws_protocol_class is WS
    assert made.http_protocol_class is HttpToolsProtocol


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (WebSocketsSansIOProtocol.run_asgi, ["self"]),
        (WebSocketsSansIOProtocol.handle_connect, ["self", "event"]),
        (uvicorn.Server.startup, ["self", "sockets"]),
        (uvicorn.Server.serve, ["self", "sockets"]),
        (uvicorn.Server.capture_signals, ["self"]),
    ],
    ids=lambda value: getattr(value, "__qualname__", ""),
)
def test_what_is_overridden_or_called_is_as_it_was(
    function: Callable[..., Any], expected: list[str]
) -> None:
    assert list(inspect.signature(function).parameters) == expected


def test_what_answers_a_handshake_may_be_another() -> None:
    whole = source(WebSocketsSansIOProtocol)
    assert whole.count("self.conn = ") == 1
    begin = "self.conn = ServerProtocol(extensions=extensions, max_size=self.config.ws_max_size, "
    assert begin in source(WebSocketsSansIOProtocol.__init__)
    assert "self.conn.send_response(self.response)" in source(WebSocketsSansIOProtocol.send)


def test_an_application_finds_the_means_to_take_over_in_its_scope() -> None:
    assert "self.scope" in source(WebSocketsSansIOProtocol.handle_connect)
    assert "create_task(self.run_asgi())" in source(WebSocketsSansIOProtocol.handle_connect)
    assert "'extensions': {" in source(WebSocketsSansIOProtocol.handle_connect)
    assert "handle_connect(event)" in source(WebSocketsSansIOProtocol.handle_events)


async def test_what_a_handshake_still_does_to_its_transport_goes_nowhere_once_it_is_taken() -> None:
    taken = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        taken.append(scope)

    ours = protocol(application)
    ours.transport = transport = mock.Mock()
    ours.scope = {"extensions": {}}  # type: ignore[typeddict-item]
    ours.handshake_complete = True
    listener, outbox = mock.Mock(), mock.MagicMock(**{"__len__.return_value": 0})
    socket = ours._take_over(listener, outbox, Turn(), 1000)
    assert socket.transport is transport
    assert ours.connections == {socket}
    await ours.run_asgi()  # which closes its transport in the end
    transport.close.assert_not_called()


def test_all_connections_are_shut_down_and_waited_for_until_it_is_forced() -> None:
    assert "connection.shutdown()" in source(uvicorn.Server.shutdown)
    waits = source(uvicorn.Server._wait_tasks_to_complete)
    assert "while self.server_state.connections and (not self.force_exit)" in waits
    assert "while self.server_state.tasks and (not self.force_exit)" in waits
    assert config().timeout_graceful_shutdown is None, "it would cancel tasks, and log each"


def test_a_websocket_has_what_is_asked_of_a_connection() -> None:
    assert callable(WebSocket.shutdown)
    assert "transport" in WebSocket.__slots__


@pytest.mark.parametrize("kind", [WebSocketsSansIOProtocol, HttpToolsProtocol])
def test_every_connection_is_listed_with_its_transport(kind: Any) -> None:
    assert "self.connections.add(self)" in source(kind.connection_made)
    assert "self.transport = transport" in source(kind.connection_made)
    assert "self.connections = server_state.connections" in source(kind.__init__)


async def test_a_server_that_was_asked_to_exit_ends_what_serves() -> None:
    web = WebServer(config(host="127.0.0.1", port=0))
    serving = asyncio.create_task(web.serve())
    await web.listening.wait()
    _, writer = await asyncio.open_connection(*web.servers[0].sockets[0].getsockname())
    await web.end(serving)
    assert web.server_state.connections == set()
    writer.close()
    await writer.wait_closed()
