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

MASK: Final = "***"
_MARK: Final = {"secret": True}

Secret = Annotated[
    str,
    msgspec.Meta(
        min_length=1,
        max_length=4096,
        extra=_MARK,
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
    return tuple(f.name for f in _fields(cls) if any(map(is_secret, _either(f.type))))


def holds_secret(cls: type[msgspec.Struct], *, deep_only: bool = False) -> bool:
    """Whether there is a secret anywhere in a type; `deep_only`: other than as a field of it."""
    plain = secret_fields(cls) if deep_only else ()
    return any(_holds(f.type, {cls}) for f in _fields(cls) if f.name not in plain)


def _fields(cls: type[msgspec.Struct]) -> tuple[inspect.Field, ...]:
    info = inspect.type_info(cls)
    assert isinstance(info, inspect.StructType)
    return info.fields


def _either(info: inspect.Type) -> tuple[inspect.Type, ...]:
    return info.types if isinstance(info, inspect.UnionType) else (info,)


def is_secret(info: inspect.Type) -> bool:
    """Whether a type is `Secret`."""
    return isinstance(info, inspect.Metadata) and (info.extra or {}).get("secret") is True


def _holds(info: inspect.Type, seen: set[type]) -> bool:
    if is_secret(info):
        return True
    match info:
        case inspect.Metadata():
            return _holds(info.type, seen)
        case inspect.UnionType():
            inner: tuple[inspect.Type, ...] = info.types
        case inspect.ListType() | inspect.VarTupleType() | inspect.SetType():
            inner = (info.item_type,)
        case inspect.DictType():
            inner = (info.key_type, info.value_type)
        case inspect.StructType():
            if info.cls in seen:
                return False
            seen.add(info.cls)
            inner = tuple(f.type for f in info.fields)
        case _:
            inner = ()
    return any(_holds(one, seen) for one in inner)
