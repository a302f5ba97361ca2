"""The database: group commit, held readers, history and kept replies, migrations."""

from server.database.connect import Database, connect, migrate
from server.database.hot import Copy, Hot
from server.database.reader import Reader, Reading, Row
from server.database.statement import Statement
from server.database.work import ANY_NUMBER, Request, Stale, Work
from server.database.writer import Unavailable

__all__ = [
    "ANY_NUMBER",
    "Copy",
    "Database",
    "Hot",
    "Reader",
    "Reading",
    "Request",
    "Row",
    "Stale",
    "Statement",
    "Unavailable",
    "Work",
    "connect",
    "migrate",
]
