"""Secrets in messages: never kept, never told, never logged.

A field that is typed `Secret` is masked where its message is shown as text, and left out of the
digest that a command's request is known by: a digest of something that can be guessed would tell
whoever reads the database when the guess is right. The registry takes no event and no reply of a
command that holds one, as these are kept. What looks like a token of ours is masked in the log,
whoever writes it there; a password looks like nothing, so no fault may have one in its words.
"""

import re
from typing import Annotated, Any, Final

import msgspec
from msgspec import inspect

from protocol.marks import holds_mark, mark_of, marked_fields

MASK: Final = "***"
_MARK: Final = "secret"

Secret = Annotated[
    str,
    msgspec.Meta(
        min_length=1,
        max_length=4096,
        extra={_MARK: True},
        extra_json_schema={"format": "password", "writeOnly": True},
    ),
]
"""A password, a token, a key. A password is 8 to 72 bytes of UTF-8, none of which is NUL."""

REFRESH_PREFIX: Final = "wrr_"
KEY_PREFIX: Final = "wrk_"
"""What our refresh tokens and service keys begin with, so that they are known anywhere."""

TOKEN: Final = re.compile(
    rf"(?:{REFRESH_PREFIX}|{KEY_PREFIX})[A-Za-z0-9_-]+"
    r"|eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]*)?"
)
"""What looks like a token of ours: a refresh token, a service key, an access token (a JWT)."""


class Guarded:
    """A message type whose secrets are masked where it is shown as text."""

    __slots__ = ()

    def __repr__(self) -> str:
        """As any message is shown, but for its secrets."""
        cls: Any = type(self)
        hidden = secret_fields(cls)
        shown = (
            f"{name}={MASK if name in hidden and value is not None else repr(value)}"
            for name, value in ((name, getattr(self, name)) for name in cls.__struct_fields__)
        )
        return f"{cls.__name__}({', '.join(shown)})"


def secret_fields(cls: type[msgspec.Struct]) -> tuple[str, ...]:
    """The names of the fields that are a secret, or may be one."""
    return tuple(marked_fields(cls, _MARK))


def holds_secret(cls: type[msgspec.Struct], *, deep_only: bool = False) -> bool:
    """Whether there is a secret anywhere in a type; `deep_only`: other than as a field of it."""
    return holds_mark(cls, _MARK, deep_only=deep_only)


def is_secret(info: inspect.Type) -> bool:
    """Whether a type is `Secret`."""
    return mark_of(info, _MARK) is not None
