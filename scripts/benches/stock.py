"""python-socketio on uvicorn as installed, with handlers for the load, for comparison.

It has its optional accelerators: uvloop and orjson, and no compression.
"""

import argparse
import asyncio
import socket
from typing import Any

import orjson
import socketio
import uvicorn
import uvloop


class Json:
    """orjson, in the form that python-socketio asks for."""

    loads = staticmethod(orjson.loads)

    @staticmethod
    def dumps(value: Any, **_: Any) -> str:
        """JSON text."""
        return orjson.dumps(value).decode()


sio = socketio.AsyncServer(async_mode="asgi", json=Json)


@sio.on("connect")
async def connect(_: str, __: dict[str, Any], ___: Any = None) -> None:
    """Anybody may."""


@sio.on("join")
async def join(sid: str, data: dict[str, Any]) -> dict[str, Any]:
    """Be in a room."""
    await sio.enter_room(sid, data["room"])
    return {"ok": True}


@sio.on("echo")
async def echo(_: str, data: dict[str, Any]) -> dict[str, Any]:
    """The same back."""
    return data


@sio.on("bcast")
async def broadcast(_: str, data: dict[str, Any]) -> dict[str, Any]:
    """Tell a room."""
    await sio.emit("msg", data["msg"], room=data["room"])
    return {"ok": True}


@sio.on("attack")
async def attack(_: str, data: dict[str, Any]) -> dict[str, Any]:
    """Tell a room, then answer."""
    await sio.emit("attack", data, room=data["room"])
    return {"ok": True, "hp": 87}


def main() -> None:
    """`--port N`: serve there, on this machine alone."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    listener = socket.create_server(("127.0.0.1", parser.parse_args().port), backlog=4096)
    config = uvicorn.Config(
        socketio.ASGIApp(sio),
        ws="websockets-sansio",
        ws_per_message_deflate=False,
        ws_ping_interval=None,  # Engine.IO pings
        lifespan="off",
        log_level="warning",
        timeout_graceful_shutdown=1,
    )
    print(f"python-socketio is at http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(uvicorn.Server(config).serve([listener]))


if __name__ == "__main__":
    main()
