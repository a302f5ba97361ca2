"""GET /health and below, /api/health, /metrics."""

import asyncio
import hmac
from enum import StrEnum
from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from protocol.errors import unauthenticated
from server.database import Database
from server.gateway import Gateway
from server.health.store import answers
from server.http.rest import answer
from server.runtime.clock import Clock
from server.runtime.log import logger
from server.runtime.metrics import Metrics

log = logger("health")

DATABASE_TIMEOUT_S: Final = 1.5
DEGRADED_FROM_S: Final = 2.0
UNHEALTHY_FROM_S: Final = 10.0
"""How old the oldest unit is that is not committed: from 2 s on players wait too long, and from
10 s on nobody should be sent here."""


class State(StrEnum):
    """How a part is."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    UNHEALTHY = "unhealthy"


class Reason(StrEnum):
    """Why a part is not healthy, where a program may want to know."""

    READ_ONLY = "read_only"
    """The database can be reached, and does not write: a standby, or a setting."""
    AWAY = "away"
    """The database can't be reached."""


class Component(msgspec.Struct, frozen=True, omit_defaults=True):
    """How one part is, and how long it took to say so."""

    status: State
    reason: Reason | None = None
    latency_ms: float | None = None
    connected_clients: int | None = None


class Report(msgspec.Struct, frozen=True):
    """`data` of /api/health."""

    status: State
    components: dict[str, Component]


class Health:
    """Asks the parts how they are."""

    def __init__(self, database: Database, gateway: Gateway, clock: Clock) -> None:
        self._database = database
        self._gateway = gateway
        self._clock = clock
        self.started = False

    async def start(self) -> None:
        """Everything has started."""
        self.started = True

    async def report(self) -> Report:
        """All parts. Never raises."""
        components = {
            "database": await self._ask_database(),
            "writer": self._ask_writer(),
            "websocket": Component(
                State.UNHEALTHY if self._gateway.draining else State.HEALTHY,
                connected_clients=len(self._gateway.presence),
            ),
        }
        worst = max(list(State).index(part.status) for part in components.values())
        return Report(list(State)[worst], components)

    def _ask_writer(self) -> Component:
        """With a full disk everybody can still read; with no database nobody can do a thing."""
        writer = self._database.writer
        if not writer.connected:
            return Component(State.UNHEALTHY, Reason.READ_ONLY if writer.read_only else Reason.AWAY)
        if writer.age >= UNHEALTHY_FROM_S:
            return Component(State.UNHEALTHY)
        slow = writer.age >= DEGRADED_FROM_S
        ill = writer.failing or writer.blocked or slow
        return Component(State.DEGRADED if ill else State.HEALTHY)

    async def _ask_database(self) -> Component:
        asked = self._clock.monotonic()
        try:
            async with asyncio.timeout(DATABASE_TIMEOUT_S):
                await answers(self._database.reader)
        except Exception as e:  # noqa: BLE001 - whatever it is, it does not answer
            log.warning("database_unhealthy", error=f"{type(e).__name__}: {e}")
            return Component(State.UNHEALTHY)
        return Component(
            State.HEALTHY, latency_ms=round((self._clock.monotonic() - asked) * 1000, 2)
        )


def routes(health: Health, metrics: Metrics, metrics_token: str | None) -> list[Route]:
    """All routes of this domain."""

    def status(state: State) -> int:
        return 503 if state is State.UNHEALTHY else 200

    async def live(_: Request) -> Response:
        return JSONResponse({"status": State.HEALTHY})

    async def brief(_: Request) -> Response:
        report = await health.report()
        return JSONResponse({"status": report.status}, status(report.status))

    async def ready(_: Request) -> Response:
        report = await health.report()
        parts = {name: part.status for name, part in report.components.items()}
        reasons = {name: part.reason for name, part in report.components.items() if part.reason}
        said = {
            "status": report.status,
            "parts": parts,
            **({"reasons": reasons} if reasons else {}),
        }
        return JSONResponse(said, status(report.status))

    async def startup(_: Request) -> Response:
        state = State.HEALTHY if health.started else State.UNHEALTHY
        return JSONResponse({"status": state}, status(state))

    async def full(_: Request) -> Response:
        report = await health.report()
        return answer(report, status(report.status))

    async def metrics_text(request: Request) -> Response:
        if metrics_token is not None:
            expected = f"Bearer {metrics_token}".encode()
            given = request.headers.get("authorization", "").encode()
            if not hmac.compare_digest(given, expected):
                raise unauthenticated("send the metrics token as a bearer token")
        text, content_type = metrics.expose()
        return Response(text, headers={"content-type": content_type})

    return [
        Route("/health", brief),
        Route("/health/live", live),
        Route("/health/ready", ready),
        Route("/health/startup", startup),
        Route("/api/health", full),
        Route("/metrics", metrics_text),
    ]


def closed_routes() -> list[Route]:
    """The routes of a process that has no database, and tries to open one."""

    async def live(_: Request) -> Response:
        return JSONResponse({"status": State.HEALTHY})

    async def unhealthy(_: Request) -> Response:
        parts = {"database": State.UNHEALTHY}
        return JSONResponse({"status": State.UNHEALTHY, "parts": parts}, 503)

    paths = ("/health", "/health/ready", "/health/startup")
    return [Route("/health/live", live), *(Route(path, unhealthy) for path in paths)]
