"""`migrate`: bringing the tables of the database to a revision."""

import asyncio

from server.cli.data import private_files
from server.cli.parser import Given
from server.cli.settings import in_force
from server.database import migrate as migrate_tables
from server.database import revisions
from server.runtime.files import make_folder


async def migrate(given: Given) -> None:
    """Bring the tables to a revision, then show where they are."""
    settings = in_force(given)
    private_files()
    make_folder(settings.data_dir)
    if not given.history:
        await asyncio.to_thread(migrate_tables, settings.database, given.to)
    for revision in await asyncio.to_thread(revisions, settings.database):
        print(f"{'*' if revision.current else ' '} {revision.revision}  {revision.doc}")
