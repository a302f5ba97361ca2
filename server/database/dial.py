"""A connection to PostgreSQL: how it is opened, and what is raised where there is none."""

from typing import Any, Final

import asyncpg

CONNECT_S: Final = 3.0
"""Enough where a round trip takes half a second: TCP, the question whether there is TLS, and three
for a password. Source: RFC 5802 (SCRAM), as PostgreSQL carries it out."""
CACHED_STATEMENTS: Final = 1024

AWAY: Final = (
    OSError,  # TimeoutError is one
    asyncpg.InterfaceError,
    asyncpg.PostgresConnectionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.OperatorInterventionError,
    asyncpg.PostgresSystemError,
    asyncpg.InvalidTransactionStateError,  # such as: this is a standby now, and only reads
)
"""What says that the database can't be asked now, and says nothing of what it was asked."""

REFUSED: Final = (*AWAY, asyncpg.PostgresError)
"""What is raised where no connection can be had: it may be the password that is refused."""


async def dial(dsn: str, name: str, **settings: str) -> Any:
    """A connection, with settings of its session. Raises what asyncpg raises, OSError."""
    return await asyncpg.connect(
        dsn,
        timeout=CONNECT_S,
        statement_cache_size=CACHED_STATEMENTS,
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
