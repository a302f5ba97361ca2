"""An older copy of a PostgreSQL database, put in its place under a running server."""

import asyncpg

COPY = "older_copy"
_TABLES = (
    "select tablename from pg_tables where schemaname = 'public' and tablename <> 'alembic_version'"
)


async def keep(url: str) -> None:
    """Keep what the tables hold now."""
    opened = await asyncpg.connect(url)
    try:
        async with opened.transaction(isolation="repeatable_read"):
            await opened.execute(f"create schema {COPY}")
            for (table,) in await opened.fetch(_TABLES):
                await opened.execute(f'create table {COPY}."{table}" as table public."{table}"')
    finally:
        await opened.close()


async def put_back(url: str) -> None:
    """Put what was kept in the place of what the tables hold, at once."""
    opened = await asyncpg.connect(url)
    try:
        async with opened.transaction():
            await opened.execute("set local session_replication_role = replica")  # no foreign keys
            names = [f'"{table}"' for (table,) in await opened.fetch(_TABLES)]
            await opened.execute(f"truncate {', '.join(names)}")
            for name in names:
                await opened.execute(f"insert into {name} table {COPY}.{name}")
    finally:
        await opened.close()
