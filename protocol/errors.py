"""Error codes: a closed set, each with whether a client may retry."""

from enum import StrEnum
from typing import Any, Self

import msgspec

from protocol.endings import NO_RETRY, RETRY, Ending


class Code(Ending):
    """Why the server rejected a message. `retry`: with the same `request_id`."""

    INVALID = (
        "invalid",
        NO_RETRY,
        "the message does not match its type; `field` or `errors` name the wrong fields",
    )
    UNAUTHENTICATED = (
        "unauthenticated",
        NO_RETRY,
        "the token is missing, invalid or expired",
    )
    FORBIDDEN = "forbidden", NO_RETRY, "the role or the scopes lack the permission"
    NOT_FOUND = "not_found", NO_RETRY, "it does not exist, or belongs to another user"
    CONFLICT = "conflict", NO_RETRY, "it conflicts with existing data; `reason` says how"
    REFUSED = (
        "refused",
        NO_RETRY,
        "the rules of the domain forbid it now; `reason` says why",
    )
    RATE_LIMITED = "rate_limited", RETRY, "too many messages; retry after `retry_after_ms`"
    TOO_LARGE = "too_large", NO_RETRY, "the message is larger than the limit"
    BUSY = (
        "busy",
        RETRY,
        "the server is overloaded, or a concurrent change conflicted; retry",
    )
    UNAVAILABLE = (
        "unavailable",
        RETRY,
        "a dependency of the server is down; the outcome may be unknown",
    )
    TIMED_OUT = "timed_out", RETRY, "no reply within the timeout; the outcome may be unknown"
    INTERNAL = (
        "internal",
        RETRY,
        "a server error; `details` is a [`Fault`](#fault) with its id in the log",
    )


class ErrorReason(StrEnum):
    """The reasons of one domain.

    `code` is the code of the error, `refused` or `conflict`. `details` is the type of the error's
    `details`, None if it has none.
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
    """An error of one field."""

    field: str
    message: str


class Fault(msgspec.Struct, frozen=True):
    """`details` of `internal`: the id of the error in the server's log."""

    fault_id: str


class Error(msgspec.Struct, frozen=True, omit_defaults=True):
    """The `error` of a reply. `details` is data for programs: its type depends on `reason`, and is
    Fault for `internal`."""

    code: Code
    message: str
    reason: str | None = None
    field: str | None = None
    errors: tuple[FieldError, ...] = ()
    retry_after_ms: int | None = None
    details: dict[str, Any] | None = None


class Failure(Exception):
    """The reply to a message is this error."""

    def __init__(self, error: Error) -> None:
        super().__init__(f"{error.code}: {error.message}")
        self.error = error


def invalid(field: str, message: str) -> Failure:
    """A field that has the right type but an unacceptable value."""
    return Failure(Error(Code.INVALID, f"{field}: {message}", field=field))


def unauthenticated(message: str) -> Failure:
    """The caller is not authenticated."""
    return Failure(Error(Code.UNAUTHENTICATED, message))


def forbidden(message: str) -> Failure:
    """The caller lacks the permission."""
    return Failure(Error(Code.FORBIDDEN, message))


def not_found(what: str) -> Failure:
    """It does not exist, or not for this caller: one error for both, to reveal nothing."""
    return Failure(Error(Code.NOT_FOUND, f"no such {what}"))


def conflict(
    reason: ErrorReason,
    message: str,
    field: str | None = None,
    details: msgspec.Struct | None = None,
) -> Failure:
    """It conflicts with existing data."""
    return _with_reason(Code.CONFLICT, reason, message, field, details)


def refused(reason: ErrorReason, message: str, details: msgspec.Struct | None = None) -> Failure:
    """The rules of a domain forbid it."""
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
    """The server is overloaded."""
    return Failure(Error(Code.BUSY, message, retry_after_ms=retry_after_ms))


def unavailable(message: str) -> Failure:
    """A dependency of the server is down; the outcome may be unknown."""
    return Failure(Error(Code.UNAVAILABLE, message))


def internal(fault_id: str) -> Error:
    """A server error, by its id in the log."""
    message = f"server error, logged as {fault_id}"
    return Error(Code.INTERNAL, message, details=msgspec.to_builtins(Fault(fault_id)))


class RequestReason(ErrorReason):
    """The reasons of every command with a `request_id`."""

    REQUEST_ID_REUSED = "request_id_reused", Code.CONFLICT
