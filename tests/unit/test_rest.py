"""REST: envelopes and codes; the real routes of Starlette, asked over ASGI."""

from typing import Any, NamedTuple

import msgspec
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from protocol.errors import Code, Error, Failure, busy
from server.http.rest import (
    EXCEPTION_HANDLERS,
    MAX_BODY_BYTES,
    STATUS,
    answer,
    body,
)


class Thing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A body."""

    n: int


async def echo(request: Request) -> Response:
    """Answer with what was sent."""
    return answer(await body(request, Thing), status=201)


async def fail(request: Request) -> Response:
    """Fail as asked."""
    code = Code(request.path_params["code"])
    raise busy("later", retry_after_ms=1001) if code is Code.BUSY else Failure(Error(code, "no"))


async def crash(_: Request) -> Response:
    """Have a fault."""
    raise ZeroDivisionError("with a secret in it")


ROUTES = [
    Route("/echo", echo, methods=["POST"]),
    Route("/fail/{code}", fail),
    Route("/crash", crash),
]
APP = Starlette(routes=ROUTES, exception_handlers=EXCEPTION_HANDLERS)


class Answer(NamedTuple):
    """What came back."""

    status: int
    headers: dict[str, str]
    json: Any


async def ask(method: str, path: str, chunks: tuple[bytes, ...] = (b"",)) -> Answer:
    """Send a request."""
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [],
        "server": ("test", 80),
        "client": ("test", 1),
        "scheme": "http",
        "root_path": "",
        "http_version": "1.1",
    }
    incoming = [
        {"type": "http.request", "body": chunk, "more_body": n < len(chunks)}
        for n, chunk in enumerate(chunks, 1)
    ]
    sent: list[Any] = []

    async def receive() -> Any:
        return incoming.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    try:
        await APP(scope, receive, send)
    except ZeroDivisionError:
        assert path == "/crash"  # Starlette answers and then lets the web server log it too
    headers = {k.decode(): v.decode() for k, v in sent[0]["headers"]}
    text = b"".join(message.get("body", b"") for message in sent[1:])
    return Answer(sent[0]["status"], headers, msgspec.json.decode(text))


async def test_data_comes_in_its_envelope() -> None:
    found = await ask("POST", "/echo", (b'{"n"', b": 7}"))
    assert (found.status, found.json) == (201, {"data": {"n": 7}, "success": True})
    assert found.headers["content-type"] == "application/json"
    assert found.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("code", Code)
async def test_every_code_has_its_status(code: Code) -> None:
    found = await ask("GET", f"/fail/{code}")
    assert found.status == STATUS[code]
    assert found.json["success"] is False
    assert found.json["error"]["code"] == code


async def test_who_is_to_come_again_is_told_when() -> None:
    assert (await ask("GET", "/fail/busy")).headers["retry-after"] == "2"


@pytest.mark.parametrize(
    ("raw", "field"), [(b'{"n": "x"}', "n"), (b"{}", "n"), (b'{"n": 1, "m": 2}', "m")]
)
async def test_a_body_that_is_wrong_is_told_its_field(raw: bytes, field: str) -> None:
    found = await ask("POST", "/echo", (raw,))
    assert (found.status, found.json["error"]["field"]) == (400, field)


@pytest.mark.parametrize("raw", [b"", b"[", b"\xff", b"[" * 8_000])
async def test_a_body_that_is_none_is_invalid(raw: bytes) -> None:
    assert (await ask("POST", "/echo", (raw,))).status == 400


async def test_a_body_is_not_read_beyond_its_limit() -> None:
    chunk = b" " * (MAX_BODY_BYTES // 2)
    found = await ask("POST", "/echo", (chunk, chunk, b" ", b"never asked for"))
    assert (found.status, found.json["error"]["code"]) == (413, "too_large")


async def test_a_fault_is_told_by_its_id_alone() -> None:
    found = await ask("GET", "/crash")
    assert (found.status, found.json["error"]["code"]) == (500, "internal")
    assert "secret" not in str(found.json)


async def test_what_is_not_there_has_the_envelope_too() -> None:
    found = await ask("GET", "/nothing")
    assert (found.status, found.json["error"]["code"]) == (404, "not_found")


async def test_another_method_is_told_which_are_allowed() -> None:
    found = await ask("GET", "/echo")
    assert (found.status, found.headers["allow"]) == (405, "POST")
