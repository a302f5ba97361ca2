"""The contract of connections."""

from tests.contracts.contract import UNKNOWN, Contract, Needs, RoomNeeds

CONTRACT = Contract(
    messages={
        "connections.disconnect": Needs(
            "administer",
            {"connection_id": UNKNOWN, "reason": "you have been idle"},
            wrong={"connection_id": "*", "reason": ""},
        ),
        "connections.list": Needs(
            "administer",
            {"user_id": UNKNOWN, "limit": 2, "cursor": "7"},
            wrong={"user_id": "*", "limit": 201, "cursor": ""},
        ),
    },
    rooms={
        "connections": RoomNeeds(
            "read",
            lambda _: "connections",
            "connections.counted",
            ("viewer", "service"),
            listener="admin",
        ),
    },
    views={"connections": "connection-row"},
    asked_with=frozenset({("connections.list", "cursor")}),
    shown=frozenset({"reason"}),
)
