"""What the server says of its own contract: /protocol for people, /asyncapi.json for programs.

Both are built once, at the start, from the registry that messages are validated with.
"""

import hashlib
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from protocol import asyncapi
from server.http.reference import page

_FOR_EVERYBODY: Final = {"access-control-allow-origin": "*"}
"""A page that draws AsyncAPI documents reads it from wherever it is. There is nothing secret in it,
and it is the same for whoever asks."""


def routes() -> list[Route]:
    """The routes of both."""
    return [
        _document("/asyncapi.json", asyncapi.encoded(), "application/json", _FOR_EVERYBODY),
        _document("/protocol", page().encode(), "text/html", {}),
    ]


def _document(path: str, content: bytes, media_type: str, headers: dict[str, str]) -> Route:
    """A route that answers with the same bytes each time, or says that they are known."""
    tag = f'"{hashlib.blake2b(content, digest_size=16).hexdigest()}"'
    # Asked about each time: after an update nobody reads what was.
    headers = {**headers, "etag": tag, "cache-control": "no-cache"}

    async def respond(request: Request) -> Response:
        known = request.headers.get("if-none-match", "")
        if known == "*" or tag in (one.strip().removeprefix("W/") for one in known.split(",")):
            return Response(status_code=304, headers=headers)
        return Response(content, headers=headers, media_type=media_type)

    return Route(path, respond)
