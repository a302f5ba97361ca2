"""Registration and log-in: the bodies of the REST routes under /api/auth."""

from typing import Annotated, Final

import msgspec

from protocol.errors import ErrorReason
from protocol.message import Limit
from protocol.permissions import Permission, Role
from protocol.secret import Guarded, Secret
from protocol.text import CONTROLS, LINE, shown_address, shown_line

_PART: Final = rf"[^@\s{CONTROLS}]+"

Username = Annotated[
    str,
    msgspec.Meta(
        min_length=3,
        max_length=20,
        pattern=r"^[A-Za-z0-9_\-]+$(?!\n)",
        description="3 to 20 letters, digits, `_` or `-`; unique, ignoring case.",
    ),
]
Email = Annotated[
    str,
    shown_address(
        max_length=254,
        pattern=rf"^{_PART}@{_PART}\.{_PART}$(?!\n)",
        about="Unique. All characters are visible: no zero-width characters, direction marks or"
        " fillers.",
    ),
]
ServiceName = Annotated[str, shown_line(100, "The name of a service")]
PASSWORD_MIN_BYTES = 8
PASSWORD_MAX_BYTES = 72


ROUTES: Final[dict[str, Limit]] = {
    "POST /api/auth/register": Limit.RARE,
    "POST /api/auth/login": Limit.LOGIN,
    "POST /api/auth/refresh": Limit.RARE,
    "POST /api/auth/logout": Limit.RARE,
    "GET /api/auth/me": Limit.READ,
    "GET /api/auth/verify": Limit.READ,
}
"""The rate class of each route."""


class Register(Guarded, msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Body of POST /api/auth/register."""

    username: Username
    password: Secret
    email: Email | None = None


class Login(Guarded, msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Body of POST /api/auth/login. `username` may be the e-mail address."""

    username: Annotated[str, msgspec.Meta(min_length=1, max_length=254, pattern=LINE)]
    password: Secret


class RefreshBody(Guarded, msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Body of POST /api/auth/refresh and /logout."""

    refresh_token: Secret


class Person(msgspec.Struct, frozen=True):
    """The authenticated user."""

    id: str
    username: str
    role: Role
    permissions: tuple[Permission, ...]
    email: str | None = None


class Tokens(Guarded, msgspec.Struct, frozen=True):
    """The tokens of a log-in. `expires_in` is the lifetime of the access token in seconds."""

    access_token: Secret
    refresh_token: Secret
    expires_in: int


class LoggedIn(msgspec.Struct, frozen=True):
    """`data` of register, login and refresh."""

    user: Person
    tokens: Tokens


class AuthReason(ErrorReason):
    """The reasons of registration. Those of names and addresses are in `users`."""

    REGISTRATION_CLOSED = "registration_closed"
