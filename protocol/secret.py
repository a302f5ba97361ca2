"""Secrets in messages: never stored, never published, never logged.

The text form of a message masks its `Secret` fields. The digest of a command leaves them out: a
reader of the database could test guesses against the digest. The registry rejects events and
replies of commands with a secret, since these are stored. The log masks every text that looks like
one of our tokens. A password has no recognisable form, so no error may contain one.
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
"""A password, a token, a key. A password has 8 to 72 bytes of UTF-8, without NUL."""

REFRESH_PREFIX: Final = "wrr_"
KEY_PREFIX: Final = "wrk_"
"""The prefixes of refresh tokens and service keys, so that they are recognised anywhere."""

TOKEN: Final = re.compile(
    rf"(?:{REFRESH_PREFIX}|{KEY_PREFIX})[A-Za-z0-9_-]+"
    r"|eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]*)?"
)
"""Matches our tokens: a refresh token, a service key, an access token (a JWT)."""


class Guarded:
    """A message type whose text form masks its secrets."""

    __slots__ = ()

    def __repr__(self) -> str:
        """The usual text form, with masked secrets."""
        cls: Any = type(self)
        hidden = secret_fields(cls)
        shown = (
            f"{name}={MASK if name in hidden and value is not None else repr(value)}"
            for name, value in ((name, getattr(self, name)) for name in cls.__struct_fields__)
        )
        return f"{cls.__name__}({', '.join(shown)})"


def secret_fields(cls: type[msgspec.Struct]) -> tuple[str, ...]:
    """The names of the fields whose value is or may be a secret."""
    return tuple(marked_fields(cls, _MARK))


def holds_secret(cls: type[msgspec.Struct], *, deep_only: bool = False) -> bool:
    """Whether a type contains a secret; `deep_only`: other than as a direct field."""
    return holds_mark(cls, _MARK, deep_only=deep_only)


def is_secret(info: inspect.Type) -> bool:
    """Whether a type is `Secret`."""
    return mark_of(info, _MARK) is not None
