"""Who may come in: passwords, tokens, log-ins, service keys."""

from server.audit import AuditLog
from server.auth import handlers
from server.auth.accounts import Accounts
from server.auth.attempts import Attempts
from server.auth.callers import Callers
from server.auth.invariants import INVARIANTS
from server.auth.passwords import Passwords
from server.auth.people import People
from server.auth.rights import Rights
from server.auth.routes import routes
from server.auth.secret import SECRET_FILE, SECRET_MIN_BYTES, load_secret
from server.auth.service import Auth
from server.auth.settings import AuthSettings
from server.auth.tables import ALL
from server.auth.tokens import AccessTokens
from server.domain import Built, Core, Domain
from server.gateway import Oversight
from server.users import Users

__all__ = [
    "DOMAIN",
    "SECRET_FILE",
    "SECRET_MIN_BYTES",
    "AccessTokens",
    "Accounts",
    "Attempts",
    "Auth",
    "AuthSettings",
    "Callers",
    "Passwords",
    "People",
    "Rights",
    "load_secret",
]


async def _build(core: Core) -> Built:
    settings, gateway, clock = core.settings.of(AuthSettings), core.gateway, core.clock
    users, log = core.service(Users), core.service(AuditLog)
    secret = load_secret(settings.secret_key, core.settings.data_dir, is_new=await users.none())
    rights = Rights(core.database, gateway, clock)
    callers = Callers(core.database.reader, rights.look_soon)
    gateway.oversee(Oversight(callers.guard, callers.check, log.record))
    await rights.begin()
    passwords = Passwords(settings.password_hash_cost)
    people = People(users, passwords)
    auth = Auth(
        core.database,
        people,
        passwords,
        secret,
        Attempts(gateway.addresses, clock),
        rights,
        clock,
        settings,
    )
    gateway.authenticate_by(auth.identify)
    return Built(
        services=[auth, people, rights, Accounts(core.database, people, rights, log, clock)],
        background={"rights": rights.run},
        routes=routes(auth, gateway.addresses, clock),
        prune=auth.prune,
        drain=auth.close,
        close=passwords.close,
    )


DOMAIN = Domain(
    name="auth",
    build=_build,
    uses=("audit", "users"),
    tables=ALL,
    settings=AuthSettings,
    handlers=(handlers,),
    invariants=INVARIANTS,
)
