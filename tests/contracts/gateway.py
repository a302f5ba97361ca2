"""The contract of the gateway itself: rooms and renewal."""

from typing import TYPE_CHECKING

from protocol.gateway import RoomReason
from tests.contracts.contract import OWN_TOKEN, Contract, Needs

if TYPE_CHECKING:
    from tests.support.stage import Doomed, Stage


async def _too_many_rooms(stage: "Stage") -> "Doomed":
    somebody = await stage.player()
    stage.fill_with_rooms(somebody)
    return stage.doomed(somebody, room="battles")


CONTRACT = Contract(
    messages={
        "auth.renew": Needs("connect", {"token": OWN_TOKEN}, wrong={"token": 7}),
        "rooms.join": Needs(
            "connect",
            {"room": "nothing", "since": {"epoch": "e", "seq": 1}},
            wrong={"room": "", "since": 7},
            refused={RoomReason.TOO_MANY_ROOMS: _too_many_rooms},
        ),
        "rooms.leave": Needs("connect", {"room": "nothing"}, wrong={"room": "x" * 101}),
    },
    asked_with=frozenset(
        {("rooms.join", "room"), ("rooms.join", "since.epoch"), ("rooms.leave", "room")}
    ),
)
