"""A connection to PostgreSQL: how it is opened, and what is raised where there is none."""

import os
from enum import StrEnum
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit, urlunsplit

import asyncpg

CONNECT_S: Final = 3.0
"""Enough where a round trip takes half a second: TCP, the question whether there is TLS, and three
for a password. Source: RFC 5802 (SCRAM), as PostgreSQL carries it out."""
CACHED_STATEMENTS: Final = 1024
ENCODING: Final = "UTF8"
"""The only encoding that holds every text a client may send. Source: PostgreSQL, Character Set
Support: the others hold some characters, and SQL_ASCII holds bytes."""

AWAY: Final = (
    OSError,  # TimeoutError is one
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # such as: another kind of server answers at the address
    asyncpg.PostgresConnectionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.OperatorInterventionError,
    asyncpg.PostgresSystemError,
    asyncpg.InvalidTransactionStateError,  # such as: this is a standby now, and only reads
    asyncpg.InvalidSQLStatementNameError,
)
"""What says that the database can't be asked now, and says nothing of what it was asked."""

REFUSED: Final = (*AWAY, asyncpg.PostgresError)
"""What is raised where no connection can be had: it may be the password that is refused."""

_LOST: Final = frozenset(
    {
        "25006",  # read_only_sql_transaction: of the session for good, or this is a standby now
        "25P03",  # idle_in_transaction_session_timeout: PostgreSQL has ended the session
        "25P04",  # transaction_timeout: it has ended the session (from version 17 on)
        "26000",  # invalid_sql_statement_name: the session was reset, or is another one
        "57P01",  # admin_shutdown
        "57P02",  # crash_shutdown
        "57P03",  # cannot_connect_now: it starts, stops or recovers
        "57P04",  # database_dropped
        "57P05",  # idle_session_timeout
    }
)
"""The errors after which a connection can't be used any more. After all others it can, also after
53100 (disk_full) and 57014 (query_canceled).
Source: PostgreSQL, Appendix A, PostgreSQL Error Codes."""
_LOST_CLASS: Final = "08"
"""Class 08, Connection Exception."""


class Target(StrEnum):
    """Which servers a connection may lead to, in libpq's words.

    `target_session_attrs` in the address or PGTARGETSESSIONATTRS is used instead.
    """

    WRITES = "read-write"
    PRIMARY = "primary"
    """It may be read-only for a moment. A standby may not have yet what was acknowledged."""
    ANY = "any"


class Unusable(ConnectionError):
    """The database answers, and can't be used as it is."""


class ReadOnly(Unusable):
    """There are only servers that do not write."""


def lost(fault: BaseException) -> bool:
    """Whether a connection can't be used any more after an error."""
    if not isinstance(fault, asyncpg.PostgresError):
        return True  # nobody knows what it is about to answer
    state = getattr(fault, "sqlstate", None) or ""
    return state in _LOST or state.startswith(_LOST_CLASS)


async def connect_postgres(dsn: str, name: str, target: Target, **settings: str) -> Any:
    """A connection, with settings of its session. Raises what asyncpg raises, OSError.

    Where the address has several hosts, they are asked in order, each within `CONNECT_S`. Raises
    ReadOnly or Unusable where the servers that answer are not such as are looked for.
    """
    own_target = _names_a_target(dsn)
    read_only: ReadOnly | None = None
    fault: Exception | None = None
    for address in [dsn] if own_target else _hosts(dsn):
        try:
            return await _connect(address, name, None if own_target else target, settings)
        except ReadOnly as e:
            read_only = e
        except REFUSED as e:
            fault = e
    # A server that reads says more than another one that is away.
    raise read_only or fault or AssertionError


async def _connect(dsn: str, name: str, target: Target | None, settings: dict[str, str]) -> Any:
    try:
        connection = await asyncpg.connect(
            dsn,
            timeout=CONNECT_S,
            statement_cache_size=CACHED_STATEMENTS,
            target_session_attrs=None if target is None else target.value,
            server_settings={
                "application_name": name,
                # Where this process vanishes without a word, its locks do not outlive it for long.
                "idle_in_transaction_session_timeout": "10s",
                "tcp_keepalives_idle": "5",
                "tcp_keepalives_interval": "2",
                "tcp_keepalives_count": "3",
                **settings,
            },
        )
    except asyncpg.TargetServerAttributeNotMatched as e:
        if target is None:
            raise Unusable(f"no server of DATABASE_URL is as target_session_attrs says: {e}") from e
        raise ReadOnly(
            "the database is read-only: DATABASE_URL leads to a standby, or"
            " default_transaction_read_only is on"
        ) from e
    encoding = connection.get_settings().server_encoding
    if encoding != ENCODING:
        connection.terminate()
        raise Unusable(
            f"the encoding of the database is {encoding}, and must be UTF8: make another with"
            " create database NAME encoding 'UTF8' template template0"
        )
    return connection


def _names_a_target(dsn: str) -> bool:
    query = parse_qs(urlsplit(dsn).query)
    return "target_session_attrs" in query or "PGTARGETSESSIONATTRS" in os.environ


def _hosts(dsn: str) -> list[str]:
    """The address once for each of its hosts: asyncpg has one timeout for all of them, which the
    first of them uses up where its machine is gone."""
    parts = urlsplit(dsn)
    user, at, hosts = parts.netloc.rpartition("@")
    if "," not in hosts:
        return [dsn]
    return [urlunsplit(parts._replace(netloc=f"{user}{at}{host}")) for host in hosts.split(",")]
