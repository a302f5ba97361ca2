"""What `protocol/client/link.py` relies on in python-socketio, some of it private. An upgrade that
moves one of these fails here."""

import inspect

import engineio
import socketio


def test_what_is_called_is_as_it_was() -> None:
    names = list(inspect.signature(engineio.AsyncClient.disconnect).parameters)
    assert names == ["self", "abort", "reason"]
    assert inspect.iscoroutinefunction(engineio.AsyncClient.disconnect)


def test_what_is_known_of_a_client() -> None:
    client = socketio.AsyncClient(reconnection=False)
    assert client.eio.state == "disconnected"
    assert client.eio.read_loop_task is None
    assert client.eio.write_loop_task is None
