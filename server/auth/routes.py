"""REST under /api/auth."""

from collections.abc import Awaitable, Callable

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from protocol.auth import ROUTES, Login, RefreshBody, Register
from protocol.errors import unauthenticated
from protocol.message import Limit
from server.auth.service import Auth
from server.gateway import Limits, network
from server.http.rest import answer, body, while_connected
from server.runtime.clock import Clock

Respond = Callable[[Request], Awaitable[Response]]


class LoggedOut(msgspec.Struct, frozen=True):
    """`data` of logout."""

    logged_out: bool = True


def _network(request: Request) -> str:
    """What the client's address counts as."""
    return network(request.client.host if request.client else "")


def routes(auth: Auth, addresses: Limits, clock: Clock) -> list[Route]:
    """All routes of this domain. They are counted by address, before their body is read."""

    async def register(request: Request) -> Response:
        given = await body(request, Register)
        registering = auth.register(given, _network(request))
        return answer(await while_connected(request, registering), status=201)

    async def login(request: Request) -> Response:
        given = await body(request, Login)
        return answer(await while_connected(request, auth.log_in(given, _network(request))))

    async def refresh(request: Request) -> Response:
        given = await body(request, RefreshBody)
        return answer(await auth.refresh(given.refresh_token))

    async def logout(request: Request) -> Response:
        given = await body(request, RefreshBody)
        await auth.log_out(given.refresh_token)
        return answer(LoggedOut())

    async def me(request: Request) -> Response:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise unauthenticated("send the access token as a bearer token")
        return answer(await auth.me(token))

    def counted(limit: Limit, respond: Respond) -> Respond:
        async def count(request: Request) -> Response:
            addresses.check(_network(request), limit, clock.monotonic())
            return await respond(request)

        # Of log-ins only those that fail count, and by account too: that is decided there.
        return respond if limit is Limit.LOGIN else count

    responding = {
        "/api/auth/register": register,
        "/api/auth/login": login,
        "/api/auth/refresh": refresh,
        "/api/auth/logout": logout,
        "/api/auth/me": me,
        "/api/auth/verify": me,
    }
    found = []
    for route, limit in ROUTES.items():
        method, path = route.split()
        found.append(Route(path, counted(limit, responding[path]), methods=[method]))
    return found
