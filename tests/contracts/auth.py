"""The contract of logging in: the bodies of REST."""

from typing import TYPE_CHECKING, Final

from protocol.auth import AuthReason, Login, RefreshBody, Register
from protocol.users import UserReason
from tests.contracts.contract import Body, Contract

if TYPE_CHECKING:
    from tests.support.stage import Stage

PASSWORD: Final = "correct horse"
NEW_NAME: Final = "somebody_who_is_new"
"""A username that is taken once it was used."""
REGISTER: Final = "POST /api/auth/register"


async def _closed(stage: "Stage") -> object:
    closed = await stage.with_settings(registration="closed")
    return await closed.register("anybody")


async def _taken(stage: "Stage") -> object:
    await stage.register("taken")
    return await stage.register("TAKEN")


async def _reserved(stage: "Stage") -> object:
    return await stage.register("moderator")


async def _email_taken(stage: "Stage") -> object:
    await stage.register("first", "taken@example.org")
    return await stage.register("second", "TAKEN@example.org")


CONTRACT = Contract(
    bodies={
        "register": Body(
            Register,
            {"username": NEW_NAME, "password": PASSWORD, "email": f"{NEW_NAME}@example.org"},
        ),
        "login": Body(Login, {"username": NEW_NAME, "password": PASSWORD}),
        "refresh": Body(RefreshBody, {"refresh_token": "wrr_of_nobody"}),
        "logout": Body(RefreshBody, {"refresh_token": "wrr_of_nobody"}),
    },
    routes_refused={
        (REGISTER, AuthReason.REGISTRATION_CLOSED): _closed,
        (REGISTER, UserReason.USERNAME_TAKEN): _taken,
        (REGISTER, UserReason.USERNAME_RESERVED): _reserved,
        (REGISTER, UserReason.EMAIL_TAKEN): _email_taken,
    },
    asked_with=frozenset({("Login", "username")}),
)
