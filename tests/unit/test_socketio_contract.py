"""What `server/gateway/socketio.py`, `outbox.py`, `polling.py` and `protocol/client/link.py` rely
on in python-socketio and python-engineio, some of it private. An upgrade that moves one of these
fails here."""

import ast
import asyncio
import inspect
import logging
import textwrap
from collections.abc import Callable
from typing import Any

import engineio
import pytest
import socketio
from engineio import base_socket, packet, payload
from engineio.async_drivers import asgi
from engineio.async_socket import AsyncSocket
from engineio.exceptions import EngineIOError

from server.gateway.engineio import MAX_PACKETS, drivers


def parameters(function: Callable[..., Any]) -> list[str]:
    """The names of the parameters."""
    return list(inspect.signature(function).parameters)


def calls(function: Callable[..., Any]) -> set[str]:
    """All that a function calls, as it is written."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    return {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (socketio.AsyncServer._handle_eio_message, ["self", "eio_sid", "data"]),
        (socketio.AsyncServer._handle_eio_connect, ["self", "eio_sid", "environ"]),
        (socketio.AsyncServer._handle_eio_disconnect, ["self", "eio_sid", "reason"]),
        (socketio.AsyncServer._engineio_server_class, ["self"]),
        (socketio.AsyncServer.on, ["self", "event", "handler", "namespace"]),
        (socketio.AsyncManager.eio_sid_from_sid, ["self", "sid", "namespace"]),
        (engineio.AsyncServer.disconnect, ["self", "sid"]),
        (engineio.AsyncServer.create_queue, ["self", "args", "kwargs"]),
        (engineio.AsyncServer.handle_request, ["self", "args", "kwargs"]),
        (engineio.AsyncClient.disconnect, ["self", "abort", "reason"]),
        (AsyncSocket.close, ["self", "wait", "abort", "reason"]),
        (base_socket.BaseSocket.__init__, ["self", "server", "sid"]),
        (socketio.AsyncServer._handle_connect, ["self", "eio_sid", "namespace", "data"]),
        (socketio.AsyncServer._handle_disconnect, ["self", "eio_sid", "namespace", "reason"]),
        (socketio.AsyncManager.sid_from_eio_sid, ["self", "eio_sid", "namespace"]),
        (engineio.AsyncServer._log_error_once, ["self", "message", "message_key"]),
        (asgi.translate_request, ["scope", "receive", "send"]),
        (asgi.WebSocket.wait, ["self"]),
        (AsyncSocket.poll, ["self"]),
        (packet.Packet.__init__, ["self", "packet_type", "data", "encoded_packet"]),
    ],
    ids=lambda value: getattr(value, "__qualname__", ""),
)
def test_what_is_overridden_or_called_is_as_it_was(
    function: Callable[..., Any], expected: list[str]
) -> None:
    assert parameters(function) == expected


@pytest.mark.parametrize(
    "function",
    [
        socketio.AsyncServer._handle_eio_message,
        socketio.AsyncServer._handle_eio_connect,
        socketio.AsyncServer._handle_eio_disconnect,
        engineio.AsyncServer.disconnect,
        AsyncSocket.poll,
        AsyncSocket.close,
    ],
    ids=lambda function: function.__qualname__,
)
def test_what_is_awaited_is_a_coroutine_function(function: Callable[..., Any]) -> None:
    assert inspect.iscoroutinefunction(function)


async def test_the_engine_is_of_the_class_that_is_named() -> None:
    class Engine(engineio.AsyncServer):  # type: ignore[misc]
        """Another engine."""

    class Server(socketio.AsyncServer):  # type: ignore[misc]
        """A server that names it."""

        def _engineio_server_class(self) -> type[Engine]:
            return Engine

    server = Server(async_mode="asgi")
    assert type(server.eio) is Engine
    assert server.eio.sockets == {}
    assert isinstance(server.manager, socketio.AsyncManager)


async def test_messages_of_the_engine_come_to_the_method_that_is_overridden() -> None:
    heard = []

    class Server(socketio.AsyncServer):  # type: ignore[misc]
        """A server that listens there."""

        async def _handle_eio_message(self, eio_sid: str, data: str) -> None:
            heard.append((eio_sid, data))

    server = Server(async_mode="asgi", async_handlers=True)
    await server.eio._trigger_event("message", "sid", '2["x"]', run_async=False)
    assert heard == [("sid", '2["x"]')]


async def test_the_environment_of_a_session_lasts_as_long_as_it_does() -> None:
    server = socketio.AsyncServer(async_mode="asgi")
    await server._handle_eio_connect("sid", {})
    assert "sid" in server.environ
    await server._handle_eio_disconnect("sid", "gone")
    assert "sid" not in server.environ


def test_a_websocket_takes_from_the_queue_in_a_task_of_its_own() -> None:
    """Which inherits the context of the task that serves the WebSocket."""
    assert "asyncio.ensure_future" in calls(AsyncSocket._websocket_handler)
    assert "self.poll" in calls(AsyncSocket._websocket_handler)


def test_a_socket_asks_its_server_for_its_queue() -> None:
    assert "self.server.create_queue" in calls(base_socket.BaseSocket.__init__)
    queue = object()

    class Server:
        """Gives queues."""

        @staticmethod
        def create_queue() -> object:
            return queue

    assert AsyncSocket(Server(), "sid").queue is queue


def test_a_socket_uses_no_more_of_its_queue_than_the_outbox_has() -> None:
    source = inspect.getsource(inspect.getmodule(AsyncSocket))  # type: ignore[arg-type]
    used = {
        node.attr
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "self.queue"
    }
    assert used == {"get", "get_nowait", "put", "put_nowait", "task_done", "join"}


def test_the_server_touches_no_queue_of_a_socket() -> None:
    source = inspect.getsource(inspect.getmodule(engineio.AsyncServer))  # type: ignore[arg-type]
    assert ".queue" not in source


def test_an_empty_queue_says_so_as_asyncio_does() -> None:
    assert "asyncio.QueueEmpty" in inspect.getsource(AsyncSocket.poll)
    assert issubclass(asyncio.QueueEmpty, Exception)


def test_polling_takes_one_batch_and_closing_waits_for_the_queue() -> None:
    assert {"self.queue.get", "self.queue.get_nowait", "self.queue.task_done"} <= calls(
        AsyncSocket.poll
    )
    assert "self.queue.join" in calls(AsyncSocket.close)


def test_what_is_known_of_a_client() -> None:
    client = socketio.AsyncClient(reconnection=False)
    assert client.eio.state == "disconnected"
    assert client.eio.read_loop_task is None
    assert client.eio.write_loop_task is None


def test_what_a_packet_of_a_message_looks_like() -> None:
    assert packet.Packet(packet.MESSAGE, '2["x"]').encode() == '42["x"]'
    assert packet.Packet(packet.PING).data is None


async def test_a_refusal_carries_a_message_and_data() -> None:
    refusal = socketio.exceptions.ConnectionRefusedError("no", {"code": "x"})
    assert refusal.error_args == {"message": "no", "data": {"code": "x"}}


async def test_the_json_of_a_server_is_the_one_that_is_given() -> None:
    class Json:
        """Says what it is given."""

        @staticmethod
        def dumps(value: object, **_: object) -> str:
            return "encoded"

        @staticmethod
        def loads(text: str, **_: object) -> object:
            return ["decoded"]

        JSONDecodeError = ValueError

    server = socketio.AsyncServer(async_mode="asgi", json=Json)
    assert server.packet_class(2, data=["x"]).encode() == "2encoded"
    socketio.AsyncServer(async_mode="asgi", json=__import__("json"))  # it is kept in the class


async def test_options_are_taken_under_these_names() -> None:
    def allows(origin: str, environ: dict[str, Any]) -> bool:
        return origin == environ["it"]

    server = socketio.AsyncServer(
        async_mode="asgi",
        logger=(log := logging.getLogger("socketio")),
        engineio_logger=(engine_log := logging.getLogger("engineio")),
        cors_allowed_origins=allows,
        max_http_buffer_size=5,
        ping_interval=6,
        ping_timeout=7,
    )
    assert (server.logger, server.eio.logger) == (log, engine_log)
    assert server.eio.max_http_buffer_size == 5
    assert (server.eio.ping_interval, server.eio.ping_timeout) == (6, 7)
    assert server.eio._cors_allowed_origins({"HTTP_ORIGIN": "a", "it": "a"}) == ["a"]
    assert server.eio._cors_allowed_origins({"HTTP_ORIGIN": "b", "it": "a"}) == []


def test_the_drivers_are_what_an_engine_reads_and_writes_with() -> None:
    engine = engineio.AsyncServer(async_mode="asgi")
    assert engine._async.keys() == drivers(lambda _: True).keys()
    source = inspect.getsource(AsyncSocket._upgrade_websocket)
    assert "self.server._async['websocket']" in source
    source = inspect.getsource(engineio.AsyncServer.handle_request)
    assert "self._async['translate_request']" in source


async def test_a_body_that_raises_an_error_of_the_engine_ends_its_session() -> None:
    tree = ast.parse(textwrap.dedent(inspect.getsource(engineio.AsyncServer.handle_request)))
    caught = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Try)
        and ast.unparse(node.body[0]) == "await socket.handle_post_request(environ)"
    ]
    (handler, *_) = caught[0].handlers
    assert handler.type is not None
    assert ast.unparse(handler.type) == "exceptions.EngineIOError"
    assert "await self.disconnect(sid)" in ast.unparse(handler)
    assert issubclass(EngineIOError, Exception)


def test_a_body_may_hold_as_many_packets_as_we_say() -> None:
    drivers(lambda _: True)
    found = payload.Payload(encoded_payload="\x1e".join(["42[]"] * MAX_PACKETS))
    assert len(found.packets) == MAX_PACKETS


async def test_a_logger_that_is_given_is_taken_as_it_is() -> None:
    given = logging.getLogger("a test's")
    server = socketio.AsyncServer(async_mode="asgi", logger=given, engineio_logger=given)
    assert server.logger is server.eio.logger is given
    assert given.handlers == []
    assert given.level == logging.NOTSET
