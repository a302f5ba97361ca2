"""The contract of users."""

from typing import TYPE_CHECKING, Any

from protocol.users import UserReason
from tests.contracts.contract import SOMEBODY_NEW, UNKNOWN, Contract, Needs, RoomNeeds, State

if TYPE_CHECKING:
    from tests.support.stage import Doomed, Stage

TAKEN = {"username": "taken", "password": "correct horse", "email": "taken@example.org"}
ID = {"user_id": "*"}


async def _taken(stage: "Stage", **fields: Any) -> "Doomed":
    boss = await stage.boss()
    await boss.ok("users.create", **TAKEN)
    return stage.doomed(boss, password="correct horse", **fields)


async def _email_taken(stage: "Stage") -> "Doomed":
    boss = await stage.boss()
    await boss.ok("users.create", **TAKEN)
    return stage.doomed(boss, user_id=boss.identity.id, email=TAKEN["email"].upper())


async def _last_admin(stage: "Stage", **fields: Any) -> "Doomed":
    boss = await stage.boss()
    return stage.doomed(boss, user_id=boss.identity.id, **fields)


def fold_user(_: State, name: str, data: dict[str, Any]) -> State | None:
    """The room `user:<id>`. Who is deleted is none."""
    match name:
        case "users.changed":
            changed: State = data["user"]
            return changed
        case "users.deleted":
            return None
    raise AssertionError(f"{name} in a person's room")


CONTRACT = Contract(
    messages={
        "users.create": Needs(
            "administer",
            {"username": SOMEBODY_NEW, "password": "correct horse", "role": "player"},
            wrong={"username": "a b", "password": 7, "email": "ada", "role": "king"},
            refused={
                UserReason.USERNAME_TAKEN: lambda stage: _taken(stage, username="TAKEN"),
                UserReason.EMAIL_TAKEN: lambda stage: _taken(
                    stage, username="another", email=TAKEN["email"]
                ),
            },
        ),
        "users.delete": Needs(
            "administer",
            {"user_id": UNKNOWN},
            wrong=ID,
            refused={UserReason.LAST_ADMIN: _last_admin},
        ),
        "users.disable": Needs(
            "administer",
            {"user_id": UNKNOWN},
            wrong=ID,
            refused={UserReason.LAST_ADMIN: _last_admin},
        ),
        "users.enable": Needs("administer", {"user_id": UNKNOWN}, wrong=ID),
        "users.get": Needs("administer", {"user_id": UNKNOWN}, wrong=ID),
        "users.list": Needs(
            "administer",
            {"search": "a", "role": "player", "limit": 2, "cursor": "nobody"},
            wrong={"search": "a\0", "role": "", "limit": 201, "cursor": ""},
        ),
        "users.update": Needs(
            "administer",
            {"user_id": UNKNOWN, "role": "viewer", "email": None},
            wrong={**ID, "role": "king", "email": "ada", "password": 7},
            refused={
                UserReason.LAST_ADMIN: lambda stage: _last_admin(stage, role="player"),
                UserReason.EMAIL_TAKEN: _email_taken,
            },
        ),
    },
    rooms={
        "user": RoomNeeds(
            "administer",
            lambda about: f"user:{about.player_id}",
            "users.changed",
            (),
            missing="no such user",
            listener="admin",
            fold=fold_user,
        ),
    },
    views={"users": None, "user": None},
    asked_with=frozenset({("users.list", "cursor"), ("users.list", "search")}),
    shown=frozenset({"email"}),
)
