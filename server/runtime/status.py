"""The status of HTTP that stands for each code, and what else of an error is said in HTTP."""

from typing import Final

from protocol.errors import Code, Error

STATUS: Final[dict[Code, int]] = {
    Code.INVALID: 400,
    Code.UNAUTHENTICATED: 401,
    Code.FORBIDDEN: 403,
    Code.NOT_FOUND: 404,
    Code.CONFLICT: 409,
    Code.REFUSED: 403,
    Code.RATE_LIMITED: 429,
    Code.TOO_LARGE: 413,
    Code.BUSY: 503,
    Code.UNAVAILABLE: 503,
    Code.TIMED_OUT: 504,
    Code.INTERNAL: 500,
}


def headers(error: Error) -> dict[str, str]:
    """The headers of an answer that is this error: when to come again."""
    if error.retry_after_ms is None:
        return {}
    return {"retry-after": str(-(-error.retry_after_ms // 1000))}
