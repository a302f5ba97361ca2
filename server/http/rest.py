"""REST: the envelope of bodies and answers, errors by code."""

import asyncio
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from protocol import codec
from protocol.errors import Code, Error, Failure, internal, unavailable
from server.database import Unavailable
from server.runtime.correlation import fault_id
from server.runtime.log import logger
from server.runtime.status import STATUS, headers

log = logger("rest")

T = TypeVar("T")

MAX_BODY_BYTES: Final = 8 * 1024


class Success(msgspec.Struct, frozen=True):
    """The envelope of an answer."""

    data: Any
    success: bool = True


class NoSuccess(msgspec.Struct, frozen=True):
    """The envelope of an error."""

    error: Error
    success: bool = False


async def body(request: Request, kind: type[T]) -> T:
    """The body of a request. Raises Failure `too_large`, `invalid` with the field."""
    raw = b""
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > MAX_BODY_BYTES:
            raise Failure(Error(Code.TOO_LARGE, f"a body must have at most {MAX_BODY_BYTES} bytes"))
    return codec.decode(kind, raw)


async def while_connected(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """Await something for a client whose body was read, and cancel it once the client is gone.

    For what waits in a queue: nobody else should wait for an answer that nobody gets. Raises
    ClientDisconnect, and what the work raises.
    """
    working = asyncio.create_task(work)
    leaving = asyncio.create_task(_disconnected(request))
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        raise ClientDisconnect
    finally:
        working.cancel()
        leaving.cancel()
        await asyncio.gather(working, leaving, return_exceptions=True)


async def _disconnected(request: Request) -> None:
    """Wait until the client is gone."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def answer(data: object, status: int = 200) -> Response:
    """An answer in its envelope."""
    return _json(Success(data), status)


def _json(value: object, status: int) -> Response:
    fresh = {"cache-control": "no-store"}
    return Response(codec.encode(value), status, fresh, "application/json")


def _error(error: Error) -> Response:
    response = _json(NoSuccess(error), STATUS[error.code])
    response.headers.update(headers(error))
    return response


async def _failed(_: Request, exception: Exception) -> Response:
    assert isinstance(exception, Failure)
    return _error(exception.error)


async def _unavailable(_: Request, exception: Exception) -> Response:
    return _error(unavailable(f"the database is unavailable: {exception}").error)


async def _http(_: Request, exception: Exception) -> Response:
    assert isinstance(exception, HTTPException)
    code = Code.NOT_FOUND if exception.status_code == 404 else Code.INVALID
    error = NoSuccess(Error(code, exception.detail))
    response = _json(error, exception.status_code)
    response.headers.update(exception.headers or {})  # such as Allow
    return response


async def _gone(_: Request, __: Exception) -> Response:
    return Response()  # to nobody: who asked is gone


async def _broken(request: Request, exception: Exception) -> Response:
    log.error("route_failed", path=request.url.path, exc_info=exception)
    return _error(internal(fault_id()))


EXCEPTION_HANDLERS: Final[Any] = {
    Failure: _failed,
    Unavailable: _unavailable,
    HTTPException: _http,
    ClientDisconnect: _gone,
    Exception: _broken,
}
