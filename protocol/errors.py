"""The codes of errors: closed, each with whether the same message may be sent again."""

from enum import StrEnum
from typing import Final

import msgspec


class Code(StrEnum):
    """Why a message was not carried out."""

    INVALID = "invalid"
    UNAUTHENTICATED = "unauthenticated"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    CONFLICT = "conflict"
    REFUSED = "refused"
    RATE_LIMITED = "rate_limited"
    TOO_LARGE = "too_large"
    BUSY = "busy"
    UNAVAILABLE = "unavailable"
    TIMED_OUT = "timed_out"
    INTERNAL = "internal"


MEANING: Final[dict[Code, tuple[str, bool]]] = {
    Code.INVALID: ("the message is not of its type; `field` or `errors` name what is wrong", False),
    Code.UNAUTHENTICATED: ("no token, or one that is not (or no longer) accepted", False),
    Code.FORBIDDEN: ("the role or scope does not allow it", False),
    Code.NOT_FOUND: ("there is no such thing, or not for you", False),
    Code.CONFLICT: ("it clashes with what is there; `reason` says how", False),
    Code.REFUSED: ("the rules of the domain do not allow it now; `reason` says why", False),
    Code.RATE_LIMITED: ("too many at once; again after `retry_after_ms`", True),
    Code.TOO_LARGE: ("the message is larger than the limit", False),
    Code.BUSY: ("the server has too much to do, or many want the same thing at once", True),
    Code.UNAVAILABLE: ("a part the server needs is away; the outcome may be unknown", True),
    Code.TIMED_OUT: ("no answer in time; the outcome may be unknown", True),
    Code.INTERNAL: ("a fault of the server; `message` carries the id it has in the log", True),
}
"""Each code's meaning, and whether to retry (with the same `request_id`)."""


class FieldError(msgspec.Struct, frozen=True):
    """One thing wrong with one field."""

    field: str
    message: str


class Error(msgspec.Struct, frozen=True, omit_defaults=True):
    """What stands under `error` in a reply."""

    code: Code
    message: str
    reason: str | None = None
    field: str | None = None
    errors: tuple[FieldError, ...] = ()
    retry_after_ms: int | None = None


class Failure(Exception):
    """A message is answered with this error."""

    def __init__(self, error: Error) -> None:
        super().__init__(f"{error.code}: {error.message}")
        self.error = error


def invalid(field: str, message: str) -> Failure:
    """A field that is of its type but not acceptable."""
    return Failure(Error(Code.INVALID, f"{field}: {message}", field=field))


def unauthenticated(message: str) -> Failure:
    """Who calls is not known."""
    return Failure(Error(Code.UNAUTHENTICATED, message))


def forbidden(message: str) -> Failure:
    """Who calls is known and may not."""
    return Failure(Error(Code.FORBIDDEN, message))


def not_found(what: str) -> Failure:
    """No such thing, or not for who calls: the two are alike so that nothing is revealed."""
    return Failure(Error(Code.NOT_FOUND, f"no such {what}"))


def conflict(reason: StrEnum, message: str, field: str | None = None) -> Failure:
    """It clashes with what is there."""
    return Failure(Error(Code.CONFLICT, message, reason=reason, field=field))


def refused(reason: StrEnum, message: str) -> Failure:
    """The rules of a domain say no."""
    return Failure(Error(Code.REFUSED, message, reason=reason))


def busy(message: str, retry_after_ms: int = 200) -> Failure:
    """Too much at once."""
    return Failure(Error(Code.BUSY, message, retry_after_ms=retry_after_ms))


def unavailable(message: str) -> Failure:
    """A part the server needs is away; whether it took effect may be unknown."""
    return Failure(Error(Code.UNAVAILABLE, message))


class RequestReason(StrEnum):
    """Reasons for `conflict` that any command may give."""

    REQUEST_ID_REUSED = "request_id_reused"
