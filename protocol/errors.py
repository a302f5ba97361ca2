"""The codes of errors: closed, each with whether the same message may be sent again."""

from enum import StrEnum
from typing import Any, Self

import msgspec

from protocol.endings import NO_RETRY, RETRY, Ending


class Code(Ending):
    """Why a message was not carried out. `retry`: with the same `request_id`."""

    INVALID = (
        "invalid",
        NO_RETRY,
        "the message is not of its type; `field` or `errors` name what is wrong",
    )
    UNAUTHENTICATED = (
        "unauthenticated",
        NO_RETRY,
        "no token, or one that is not (or no longer) accepted",
    )
    FORBIDDEN = "forbidden", NO_RETRY, "the role or scope does not allow it"
    NOT_FOUND = "not_found", NO_RETRY, "there is no such thing, or not for you"
    CONFLICT = "conflict", NO_RETRY, "it clashes with what is there; `reason` says how"
    REFUSED = (
        "refused",
        NO_RETRY,
        "the rules of the domain do not allow it now; `reason` says why",
    )
    RATE_LIMITED = "rate_limited", RETRY, "too many at once; again after `retry_after_ms`"
    TOO_LARGE = "too_large", NO_RETRY, "the message is larger than the limit"
    BUSY = (
        "busy",
        RETRY,
        "the server has too much to do, or others changed the same at once: retry",
    )
    UNAVAILABLE = (
        "unavailable",
        RETRY,
        "a part the server needs is away; the outcome may be unknown",
    )
    TIMED_OUT = "timed_out", RETRY, "no answer in time; the outcome may be unknown"
    INTERNAL = (
        "internal",
        RETRY,
        "a fault of the server; `details` is a [`Fault`](#fault), with the id it has in the log",
    )


class ErrorReason(StrEnum):
    """Why exactly: the reasons of one domain.

    `code` is the one that it comes with, `refused` or `conflict`. `details` is the type of what
    stands under `details` beside it, None where nothing does.
    """

    code: Code
    details: type[msgspec.Struct] | None

    def __new__(
        cls,
        value: str,
        code: Code = Code.REFUSED,
        details: type[msgspec.Struct] | None = None,
    ) -> Self:
        """A member with what belongs to it."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.code = code
        member.details = details
        return member


class FieldError(msgspec.Struct, frozen=True):
    """One thing wrong with one field."""

    field: str
    message: str


class Fault(msgspec.Struct, frozen=True):
    """`details` of `internal`: the id under which the server has logged its fault."""

    fault_id: str


class Error(msgspec.Struct, frozen=True, omit_defaults=True):
    """What stands under `error` in a reply. `details`: what a program may read, by `reason`; of
    `internal` a Fault."""

    code: Code
    message: str
    reason: str | None = None
    field: str | None = None
    errors: tuple[FieldError, ...] = ()
    retry_after_ms: int | None = None
    details: dict[str, Any] | None = None


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


def conflict(
    reason: ErrorReason,
    message: str,
    field: str | None = None,
    details: msgspec.Struct | None = None,
) -> Failure:
    """It clashes with what is there."""
    return _with_reason(Code.CONFLICT, reason, message, field, details)


def refused(reason: ErrorReason, message: str, details: msgspec.Struct | None = None) -> Failure:
    """The rules of a domain say no."""
    return _with_reason(Code.REFUSED, reason, message, None, details)


def _with_reason(
    code: Code,
    reason: ErrorReason,
    message: str,
    field: str | None,
    details: msgspec.Struct | None,
) -> Failure:
    if reason.code is not code or type(details) is not (reason.details or type(None)):
        raise TypeError(f"{reason}: it comes with {reason.code} and details {reason.details}")
    given = None if details is None else msgspec.to_builtins(details)
    return Failure(Error(code, message, reason=reason, field=field, details=given))


def busy(message: str, retry_after_ms: int = 200) -> Failure:
    """Too much at once."""
    return Failure(Error(Code.BUSY, message, retry_after_ms=retry_after_ms))


def unavailable(message: str) -> Failure:
    """A part the server needs is away; whether it took effect may be unknown."""
    return Failure(Error(Code.UNAVAILABLE, message))


def internal(fault_id: str) -> Error:
    """A fault of the server, by the id under which it is logged."""
    message = f"a fault of the server, logged as {fault_id}"
    return Error(Code.INTERNAL, message, details=msgspec.to_builtins(Fault(fault_id)))


class RequestReason(ErrorReason):
    """Any command that has a `request_id`."""

    REQUEST_ID_REUSED = "request_id_reused", Code.CONFLICT
