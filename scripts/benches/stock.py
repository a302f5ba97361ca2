"""The server to compare with: python-socketio on uvicorn, which relays and stores nothing.

As it comes, but with what speeds it up: uvloop, orjson, no compression. It speaks as much of the
protocol as the load needs, and tells and answers as many bytes.
"""

import argparse
import asyncio
import socket
from collections import Counter
from typing import Any

import orjson
import socketio
import uvicorn
import uvloop

from protocol.ids import uuid7


class Json:
    """orjson, in the form that python-socketio asks for."""

    loads = staticmethod(orjson.loads)

    @staticmethod
    def dumps(value: Any, **_: Any) -> str:
        """JSON text."""
        return orjson.dumps(value).decode()


sio = socketio.AsyncServer(async_mode="asgi", json=Json)
epoch = uuid7()
told: Counter[str] = Counter()


@sio.on("connect")
async def connect(_: str, __: dict[str, Any], ___: Any = None) -> None:
    """Anybody may."""


@sio.on("battles.list")
async def list_battles(_: str, __: Any) -> dict[str, Any]:
    """A battle for whoever asks."""
    return {"ok": True, "data": {"items": [{"battle_id": uuid7()}]}}


@sio.on("battles.join")
async def join_battle(_: str, __: Any) -> dict[str, Any]:
    """There are no seats."""
    return {"ok": True, "data": {}}


@sio.on("rooms.join")
async def join_room(sid: str, data: dict[str, Any]) -> dict[str, Any]:
    """Be in a room."""
    await sio.enter_room(sid, data["room"])
    return {"ok": True, "data": {"seq": told[data["room"]]}}


@sio.on("battles.attack")
async def attack(sid: str, data: dict[str, Any]) -> dict[str, Any]:
    """Tell the room, then answer."""
    room = f"battle:{data['battle_id']}"
    told[room] += 1
    struck = {
        "battle_id": data["battle_id"],
        "player_id": data["battle_id"],
        "enemy_id": data["enemy_id"],
        "kind": data["kind"],
        "damage": 17,
        "critical": False,
        "enemy_hp": 99_999_999,
        "stamina": 90,
    }
    meta = {"room": room, "at": "2026-01-01T00:00:00.000Z", "seq": told[room], "epoch": epoch}
    await sio.emit("battles.struck", (struck, meta), room=room)
    answer = {"damage": 17, "critical": False, "enemy_hp": 99_999_999, "stamina": 90}
    return {"ok": True, "data": answer}


def main() -> None:
    """`run --port N`, as the other server has it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", choices=["run"])
    parser.add_argument("--port", type=int, default=0)
    listener = socket.create_server(("127.0.0.1", parser.parse_args().port), backlog=2048)
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
