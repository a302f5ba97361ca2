"""What a database raises, in one line for an operator."""

import os
import sqlite3
from pathlib import Path
from typing import Final

import asyncpg
from sqlalchemy.exc import DBAPIError

from server.database.url import beside
from server.database.work import Unavailable

_RAISED: Final = (sqlite3.Error, asyncpg.PostgresError, asyncpg.InterfaceError)


def database_error(error: BaseException) -> str | None:
    """What is wrong with the database, without the statement and its values, which may be secret.
    None for an error that no database raises."""
    if isinstance(error, Unavailable):
        return f"the database does not answer: {error}"
    if isinstance(error, DBAPIError):
        return f"the database refused: {words(error)}"
    if isinstance(error, _RAISED):
        return f"the database refused: {error}"
    return None


def words(error: DBAPIError) -> str:
    """What the database itself said. SQLAlchemy adds the statement, and for asyncpg a class."""
    said = error.orig
    return str((said and said.__cause__) or said)


def cause(path: Path) -> str:
    """Why the file of a SQLite database may not be opened, to stand behind the words of SQLite,
    which only says `disk I/O error` or `unable to open`. Empty where nothing is seen."""
    folder = path.resolve().parent
    if path.is_dir():
        return " (it is a folder)"
    if not folder.is_dir():
        return f" (there is no folder {folder})"
    if hasattr(os, "statvfs"):  # Windows has none
        disk = os.statvfs(folder)
        if disk.f_flag & os.ST_RDONLY:
            return " (the file system is read-only)"
        if disk.f_bavail == 0 or (disk.f_files and disk.f_favail == 0):
            return " (the disk is full)"
    for denied in (folder, *(file for file in (path, *beside(path)) if file.exists())):
        if not os.access(denied, os.R_OK | os.W_OK):
            return f" (no permission to read and write {denied})"
    return ""
