"""REST under /api/auth."""

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from protocol.auth import Login, RefreshBody, Register
from protocol.errors import unauthenticated
from server.auth.service import Auth
from server.rest import answer, body


class LoggedOut(msgspec.Struct, frozen=True):
    """`data` of logout."""

    logged_out: bool = True


def routes(auth: Auth) -> list[Route]:
    """All routes of this domain."""

    async def register(request: Request) -> Response:
        return answer(await auth.register(await body(request, Register)), status=201)

    async def login(request: Request) -> Response:
        return answer(await auth.log_in(await body(request, Login)))

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
            raise unauthenticated("give the access token as a bearer token")
        return answer(await auth.me(token))

    return [
        Route("/api/auth/register", register, methods=["POST"]),
        Route("/api/auth/login", login, methods=["POST"]),
        Route("/api/auth/refresh", refresh, methods=["POST"]),
        Route("/api/auth/logout", logout, methods=["POST"]),
        Route("/api/auth/verify", me, methods=["GET"]),
        Route("/api/auth/me", me, methods=["GET"]),
    ]
