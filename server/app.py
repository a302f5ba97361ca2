"""The composition root: builds the domains, and runs the background tasks of the whole server."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Mount
from starlette.types import ASGIApp, Scope
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from server import database, health
from server.database import Unavailable, WriteConflict
from server.domain import Built, Core
from server.domains import DOMAINS
from server.gateway import Gateway, GatewaySettings, Services, unhandled
from server.gateway import handlers as gateway_handlers
from server.gateway.asgi import Transports
from server.http import documents, serving
from server.http.page import DashboardFiles
from server.http.reopening import reopened
from server.http.request_ids import HEADER as REQUEST_ID
from server.http.request_ids import RequestIds
from server.http.rest import EXCEPTION_HANDLERS
from server.runtime.background import BackgroundTask, BackgroundTaskFailed, CannotContinue, repeat
from server.runtime.clock import Clock, SystemClock
from server.runtime.files import clean, make_folder
from server.runtime.lag import Lag
from server.runtime.log import logger
from server.runtime.memory import Memory
from server.runtime.metrics import Metrics
from server.runtime.signals import on_end

if TYPE_CHECKING:
    from server.config import ServerSettings

P = TypeVar("P")

log = logger("app")

assert gateway_handlers  # importing it registers them

DASHBOARD: Final = Path(__file__).parent / "dashboard"
DRAIN_S: Final = 3.5
HANG_UP_S: Final = 1.5
RETRY_AFTER_MS: Final = 1000


class App:
    """One server, put together."""

    def __init__(self, core: Core, built: Sequence[Built]) -> None:
        self.settings = core.settings
        self.database = core.database
        self.gateway = gateway = core.gateway
        self.refusals = gateway.refusals
        self.clock = clock = core.clock
        self.pruning = core.pruning
        self._core = core
        self._built = built
        self._prune_from_s = 0.0
        self.over = asyncio.Event()
        """Set when this server is to close."""
        self.history_lost = False
        """Whether that is because the database is not the one that it has in memory."""
        clock.on_set(gateway.rights.clock_was_set)
        clock.on_set(self._clock_was_set)
        self.background: dict[str, BackgroundTask] = {
            "pruning": self._prune,
            "writer": self._watch_writer,
            "recycling": core.database.recycling.run,
            "progress": gateway.watch_progress,
            "deadlines": gateway.deadlines.watch,
            "lag": Lag(core.metrics, clock).run,
            "memory": Memory(clock).run,
            "slow": gateway.refusals.slow.watch,
        }
        for one in built:
            self.background |= one.background
        self.sockets = Transports(gateway, self._allows_origin, self._rest())
        self.asgi = self._asgi()

    def service(self, kind: type[P]) -> P:
        """A service of a domain. Raises KeyError where there is none."""
        return self._core.service(kind)

    def _rest(self) -> ASGIApp:
        routes = [
            *(route for one in self._built for route in one.routes),
            *documents.routes(),
            Mount("/", DashboardFiles(directory=DASHBOARD, html=True)),
        ]
        rest = Starlette(routes=routes, exception_handlers=EXCEPTION_HANDLERS)
        rest.add_middleware(
            CORSMiddleware,
            allow_origins=self.settings.cors_origins,
            allow_methods=["GET", "POST"],
            allow_headers=["authorization", "content-type"],
            expose_headers=[REQUEST_ID],
        )
        return rest

    def _asgi(self) -> ASGIApp:
        app: Any = self.sockets
        proxies = self.settings.trusted_proxies
        # Without any, anybody on this machine would be believed.
        if proxies:
            app = ProxyHeadersMiddleware(app, list(proxies))
        return RequestIds(app, proxies)

    async def _watch_writer(self) -> None:
        """Only a new process can take the place of a writer that crashed."""
        try:
            await self.database.writer.watch()
        except CannotContinue:
            raise
        except database.HistoryLost:
            self.history_lost = True
            self.over.set()
        except Exception as e:
            raise BackgroundTaskFailed("writer", e) from e

    def _allows_origin(self, origin: str, scope: Scope) -> bool:
        scheme = scope["scheme"].replace("ws", "http")
        own = f"{scheme}://{Headers(scope=scope).get('host', '')}"
        return origin == own or origin in self.settings.cors_origins

    async def _prune(self) -> None:
        put_off = (Unavailable, WriteConflict)
        await repeat(self.prune, database.PRUNE_EVERY_S, self.clock, put_off, "pruning")

    def _clock_was_set(self) -> None:
        """What was written before is as old as the clock says, or much younger: what is deleted
        now might be asked for again. So nothing is, for as long as a retry may come."""
        self._prune_from_s = self.clock.monotonic() + database.REPLIES_KEPT_MS / 1000

    async def prune(self) -> None:
        """Let go of all that has aged. Raises Unavailable, WriteConflict."""
        if self.clock.monotonic() < self._prune_from_s:
            return
        now = self.clock.now_ms()
        await self.pruning.prune(now)
        for one in self._built:
            if one.prune is not None:
                await one.prune(now)

    async def start(self) -> None:
        """Take up what is open from the time before."""
        for one in self._built:
            if one.start is not None:
                await one.start()

    async def drain(self) -> None:
        """Say good-bye to all clients, and answer what was taken in."""
        for one in self._built:
            if one.drain is not None:
                one.drain()
        await self.gateway.drain(RETRY_AFTER_MS, DRAIN_S)
        await self.sockets.close(HANG_UP_S)


@asynccontextmanager
async def opened(settings: "ServerSettings", clock: Clock | None = None) -> AsyncIterator[App]:
    """A server whose database is open and up to date. Closing commits what is queued."""
    if names := unhandled():
        raise RuntimeError(f"nobody handles {', '.join(names)}")
    background: dict[str, BackgroundTask] = {}
    metrics, services = Metrics(), Services()
    if clock is None:
        clock = system = SystemClock()
        background["clock"] = system.follow
        metrics.watch(
            "warroom_clock_off_seconds",
            "How far the machine's clock is ahead of the server's, which follows it slowly.",
            lambda: system.off_s,
        )
    make_folder(settings.data_dir)
    await asyncio.to_thread(database.migrate, settings.database)
    gateway = Gateway(settings.of(GatewaySettings), services, clock, metrics)
    services.add(gateway)
    db = await database.connect(
        settings.database,
        readers=settings.db_pool_size,
        recycle_s=settings.db_pool_recycle,
        publish=gateway.rooms.publish,
        metrics=metrics,
        clock=clock,
    )
    built: list[Built] = []
    try:
        gateway.use(db)
        core = Core(
            settings=settings,
            database=db,
            gateway=gateway,
            clock=clock,
            metrics=metrics,
            pruning=database.Pruning(db, settings.history_events, round(settings.history_s * 1000)),
            services=services,
        )
        for domain in DOMAINS:
            built.append(one := await domain.build(core))
            for service in one.services:
                services.add(service)
            for word, provider in one.rooms.items():
                gateway.rooms.add(word, provider)
        if words := gateway.rooms.unprovided():
            raise RuntimeError(f"no provider for the rooms {', '.join(words)}")
        app = App(core, built)
        app.background |= background
        yield app
    finally:
        for one in built:
            if one.close is not None:
                one.close()
        await db.close()


Prepare = Callable[[App], Awaitable[None]]
Ready = Callable[[str], None]


async def serve(settings: "ServerSettings", prepare: Prepare, ready: Ready) -> None:
    """Run a server until SIGTERM or SIGINT.

    `prepare` is awaited before anybody can connect, `ready` is called with the address once it
    listens. Where the database has lost what was committed, the server is opened anew on what there
    is: both are called again.

    Raises OSError where the address can't be had, ValueError where another server runs on the data;
    in a group, BackgroundTaskFailed where a background task keeps crashing, CannotContinue where
    the database is no longer where it was.
    """
    stop = asyncio.Event()
    on_end(stop.set)
    make_folder(settings.data_dir)
    with database.instance_lock(settings.database, server=True):
        clean(settings.data_dir)
        database.clean(settings.database)
        await _serve(settings, prepare, ready, stop)


async def _serve(
    settings: "ServerSettings", prepare: Prepare, ready: Ready, stop: asyncio.Event
) -> None:
    listener: socket.socket | None = None
    while True:
        async with AsyncExitStack() as stack:
            if listener is None:
                app = await stack.enter_async_context(opened(settings))
                listener = serving.listen(settings, settings.of(GatewaySettings).silence_s)
                await prepare(app)
                await app.start()
            else:
                found = await _reopened(stack, settings, prepare, listener, stop)
                if found is None:
                    listener.close()
                    return
                app = found
            if stop.is_set():
                return
            with closing(listener.dup()) as spare:
                with _ended_by(stop, app, spare):
                    await serving.serve(app, listener, app.over, ready)
                if stop.is_set() or not app.history_lost:
                    return
                listener = spare.dup()
        log.warning("reopening")


async def _reopened(
    stack: AsyncExitStack,
    settings: "ServerSettings",
    prepare: Prepare,
    listener: socket.socket,
    stop: asyncio.Event,
) -> App | None:
    """A server on what the database holds now, which the stack closes. Nothing that was in memory
    is in it. None where `stop` is set before."""

    async def open_one() -> App:
        async with AsyncExitStack() as opening:
            app = await opening.enter_async_context(opened(settings))
            await prepare(app)
            await app.start()
            stack.push_async_exit(opening.pop_all())
            return app

    return await reopened(open_one, listener, stop, health.closed_routes())


@contextmanager
def _ended_by(stop: asyncio.Event, app: App, spare: socket.socket) -> Iterator[None]:
    """`stop` ends a server, and closes the socket on which clients would wait for the next one."""

    async def follow() -> None:
        await stop.wait()
        spare.close()
        app.over.set()

    following = asyncio.create_task(follow(), name="stop")
    try:
        yield
    finally:
        following.cancel()
