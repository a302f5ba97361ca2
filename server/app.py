"""The composition root: the one place that lists domains, services and routes."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, closing, contextmanager
from pathlib import Path
from typing import Any, Final

from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Mount
from starlette.types import ASGIApp, Scope
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from protocol import rooms
from server import audit, auth, connections, database, documents, health, players, web
from server.auth import handlers as auth_handlers
from server.auth import routes as auth_routes
from server.auth.invariants import INVARIANTS as AUTH_INVARIANTS
from server.battles import handlers as battle_handlers
from server.battles.invariants import INVARIANTS as BATTLE_INVARIANTS
from server.battles.rooms import BattleRoom, ListingRoom, PoolRoom
from server.battles.service import BattleService
from server.battles.store import Battles
from server.config import Settings
from server.connections import handlers as connection_handlers
from server.database import Unavailable
from server.gateway import Gateway, Identity, Oversight, Parts, unhandled
from server.gateway import handlers as gateway_handlers
from server.gateway.transports import Transports
from server.page import Page
from server.players import handlers as player_handlers
from server.players.invariants import INVARIANTS as PLAYER_INVARIANTS
from server.players.rooms import PlayerRoom, PlayersRoom, ProfileRoom
from server.players.service import StaminaPush
from server.reopening import reopened
from server.request_ids import HEADER as REQUEST_ID
from server.request_ids import RequestIds
from server.rest import EXCEPTION_HANDLERS
from server.runtime.clock import Clock, SystemClock
from server.runtime.files import clean, make_folder
from server.runtime.gauges import Gauges
from server.runtime.lag import Lag
from server.runtime.log import logger
from server.runtime.memory import Memory
from server.runtime.services import Ended, Service, ServiceFailed, repeat
from server.runtime.signals import on_end
from server.users import UserRoom, Users
from server.users.invariants import INVARIANTS as USER_INVARIANTS

log = logger("app")

HANDLERS: Final = (
    gateway_handlers,
    connection_handlers,
    auth_handlers,
    player_handlers,
    battle_handlers,
)
"""Importing them registers them."""

INVARIANTS: Final = (
    *database.HISTORY,
    *USER_INVARIANTS,
    *AUTH_INVARIANTS,
    *PLAYER_INVARIANTS,
    *BATTLE_INVARIANTS,
)
"""What must always be true of the stored data: `warroom verify` checks it."""

DASHBOARD: Final = Path(__file__).parent / "dashboard"
DRAIN_S: Final = 3.5
HANG_UP_S: Final = 1.5
RETRY_AFTER_MS: Final = 1000


class App:
    """One server, put together."""

    def __init__(
        self,
        settings: Settings,
        db: database.Database,
        gateway: Gateway,
        access: auth.Auth,
        rights: auth.Rights,
        clock: Clock,
        gauges: Gauges,
        parts: Parts,
    ) -> None:
        self.settings = settings
        self.database = db
        self.gateway = gateway
        self.refusals = gateway.refusals
        self.auth = access
        self.rights = rights
        self.audit = trail = parts[audit.AuditLog]
        self.users = users = access.people.users
        self.accounts = auth.Accounts(db, access.people, rights, trail, clock)
        self.health = health.Health(db, gateway, clock)
        self.clock = clock
        regen = players.Regen(
            round(settings.stamina_regen_interval * 1000), settings.stamina_regen_percent
        )
        self.players = players.Players(db.reader, regen)
        self.battles = Battles(db)
        self.profiles = players.Profiles(self.players, gateway, clock, self.battles.pool.seats)
        self.battles.pool.on_seat(self.profiles.touch)
        for part in (
            *(gateway, users, access.people, rights),
            *(self.players, self.profiles, self.battles),
        ):
            parts.add(part)
        users.at_registration(self.players.start)
        users.at_registration(self.profiles.register)
        users.at_deletion(self.players.end)
        users.at_deletion(self.profiles.end)
        users.at_deletion(self.battles.give_up_seat)
        users.forgets(rooms.player)
        gateway.rooms.add("connections", connections.ConnectionsRoom(gateway))
        gateway.rooms.add("user", UserRoom(db.reader, users))
        gateway.rooms.add("player", PlayerRoom(db.reader, self.players, clock))
        gateway.rooms.add("players", PlayersRoom(self.profiles))
        gateway.rooms.add("profile", ProfileRoom(self.profiles))
        gateway.rooms.add("battles", PoolRoom(self.battles.pool))
        gateway.rooms.add("listing", ListingRoom(self.battles))
        gateway.rooms.add("battle", BattleRoom(self.battles))
        self._battle_service = BattleService(self.battles, gateway, clock)
        self.pruning = database.Pruning(
            db, settings.history_events, round(settings.history_s * 1000)
        )
        self._prune_from_s = 0.0
        self.over = asyncio.Event()
        """Set when this server is to close."""
        self.history_lost = False
        """Whether that is because the database is not the one that it has in memory."""
        clock.on_set(gateway.clock_was_set)
        clock.on_set(self._clock_was_set)
        self.services: dict[str, Service] = {
            "pruning": self._prune,
            "writer": self._watch_writer,
            "recycling": db.recycling.run,
            "rights": rights.run,
            "battles": self._battle_service.run,
            "battle pool": self._battle_service.keep_pool,
            "battle count": self._battle_service.keep_count,
            "seats": self._battle_service.keep_presence,
            "profiles": self.profiles.run,
            "player count": self.profiles.keep_count,
            "player recount": self.profiles.keep_recount,
            "stamina": StaminaPush(self.players, gateway, clock).run,
            "progress": gateway.watch_progress,
            "connections": connections.Counting(gateway, clock).run,
            "deadlines": gateway.deadlines.watch,
            "lag": Lag(gauges, clock).run,
            "memory": Memory(clock).run,
            "slow": gateway.refusals.slow.watch,
        }
        self.sockets = Transports(gateway, self._allows_origin, self._rest(gauges))
        self.asgi = self._asgi()

    def _rest(self, gauges: Gauges) -> ASGIApp:
        routes = [
            *auth_routes.routes(self.auth, self.gateway.addresses, self.clock),
            *health.routes(self.health, gauges, self.settings.metrics_token),
            *documents.routes(),
            Mount("/", Page(directory=DASHBOARD, html=True)),
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
        except Ended:
            raise
        except database.HistoryLost:
            self.history_lost = True
            self.over.set()
        except Exception as e:
            raise ServiceFailed("writer", e) from e

    def _allows_origin(self, origin: str, scope: Scope) -> bool:
        scheme = scope["scheme"].replace("ws", "http")
        own = f"{scheme}://{Headers(scope=scope).get('host', '')}"
        return origin == own or origin in self.settings.cors_origins

    async def _prune(self) -> None:
        await repeat(self.prune, database.PRUNE_EVERY_S, self.clock, Unavailable, "pruning")

    def _clock_was_set(self) -> None:
        """What was written before is as old as the clock says, or much younger: what is deleted
        now might be asked for again. So nothing is, for as long as a retry may come."""
        self._prune_from_s = self.clock.monotonic() + database.REPLIES_KEPT_MS / 1000

    async def prune(self) -> None:
        """Let go of all that has aged. Raises Unavailable."""
        if self.clock.monotonic() < self._prune_from_s:
            return
        now = self.clock.now_ms()
        await self.pruning.prune(now)
        await self.battles.prune(self.pruning, now)
        await self.auth.prune(now)
        await self.users.prune(now)
        await self.audit.prune(now)

    async def start(self) -> None:
        """Take up what is open from the time before."""
        await self.profiles.recount()
        await self.battles.resume()
        try:
            await self._battle_service.fill_pool()
        except Unavailable as e:  # such as a full disk: what is there can be read, and played on
            log.warning("pool_not_filled", error=str(e))
        self.health.started = True

    async def drain(self) -> None:
        """Say good-bye to all clients, and answer what was taken in."""
        self.auth.close()
        await self.gateway.drain(RETRY_AFTER_MS, DRAIN_S)
        await self.sockets.close(HANG_UP_S)


@asynccontextmanager
async def opened(settings: Settings, clock: Clock | None = None) -> AsyncIterator[App]:
    """A server whose database is open and up to date. Closing commits what is queued."""
    if names := unhandled():
        raise RuntimeError(f"nobody handles {', '.join(names)}")
    services: dict[str, Service] = {}
    gauges, parts = Gauges(), Parts()
    if clock is None:
        clock = system = SystemClock()
        services["clock"] = system.follow
        gauges.watch(
            "warroom_clock_off_seconds",
            "How far the machine's clock is ahead of the server's, which follows it slowly.",
            lambda: system.off_s,
        )
    make_folder(settings.data_dir)
    await asyncio.to_thread(database.migrate, settings.database)
    passwords = auth.Passwords(settings.password_hash_cost)

    async def authenticate(given: object) -> Identity:
        return await access.identify(given)

    gateway = Gateway(settings, parts, clock, gauges, authenticate)
    db = await database.connect(
        settings.database,
        readers=settings.db_pool_size,
        recycle_s=settings.db_pool_recycle,
        publish=gateway.rooms.publish,
        gauges=gauges,
        clock=clock,
    )
    try:
        users = Users(db)
        secret = auth.load_secret(settings.secret_key, settings.data_dir, is_new=await users.none())
        rights = auth.Rights(db, gateway, clock)
        callers = auth.Callers(db.reader, rights.look_soon)
        trail = audit.AuditLog(db, settings.audit_days)
        parts.add(trail)
        gateway.use(db, Oversight(callers.guard, callers.check, trail.record))
        await rights.begin()
        access = auth.Auth(
            db,
            auth.People(users, passwords),
            passwords,
            secret,
            auth.Attempts(gateway.addresses, clock),
            rights,
            clock,
            settings,
        )
        app = App(settings, db, gateway, access, rights, clock, gauges, parts)
        app.services |= services
        yield app
    finally:
        passwords.close()
        await db.close()


Prepare = Callable[[App], Awaitable[None]]
Ready = Callable[[str], None]


async def serve(settings: Settings, prepare: Prepare, ready: Ready) -> None:
    """Run a server until SIGTERM or SIGINT.

    `prepare` is awaited before anybody can connect, `ready` is called with the address once it
    listens. Where the database has lost what was committed, the server is opened anew on what there
    is: both are called again. Raises OSError where the address can't be had, ValueError where
    another server runs on the data; in a group, ServiceFailed where a service keeps crashing, Ended
    where the database is no longer where it was.
    """
    stop = asyncio.Event()
    on_end(stop.set)
    make_folder(settings.data_dir)
    with database.alone(settings.database, server=True):
        clean(settings.data_dir)
        database.clean(settings.database)
        await _serve(settings, prepare, ready, stop)


async def _serve(settings: Settings, prepare: Prepare, ready: Ready, stop: asyncio.Event) -> None:
    listener: socket.socket | None = None
    while True:
        async with AsyncExitStack() as stack:
            if listener is None:
                app = await stack.enter_async_context(opened(settings))
                listener = web.listen(settings)
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
                    await web.serve(app, listener, app.over, ready)
                if stop.is_set() or not app.history_lost:
                    return
                listener = spare.dup()
        log.warning("reopening")


async def _reopened(
    stack: AsyncExitStack,
    settings: Settings,
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
