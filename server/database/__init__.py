"""The database: group commit, held readers, history and kept replies, migrations."""

from server.database.backup import InTheWay, clean, copy, engine_of, opened_copy, put
from server.database.connect import Database, connect
from server.database.connect_postgres import AWAY
from server.database.decide import MAX_DECISIONS, WriteConflict, retry_while_stale
from server.database.due import Due
from server.database.dumps import read_through
from server.database.failures import database_error
from server.database.instance_lock import instance_lock
from server.database.invariants import (
    HISTORY,
    CheckResult,
    Invariant,
    Violation,
    check_revision,
    rows,
    verify,
)
from server.database.mark import HistoryLost
from server.database.paging import (
    ESCAPE,
    Cursors,
    Listing,
    SortKey,
    ascending,
    containing,
    descending,
)
from server.database.pruning import PRUNE_EVERY_S, REPLIES_KEPT_MS, Pruning, forget, sweep
from server.database.read_connection import Reading
from server.database.reader import Reader
from server.database.revisions import migrate, revisions
from server.database.state_cache import Entry, StateCache
from server.database.statement import Row, Statement
from server.database.url import is_known, is_postgres, is_there, sqlite_path
from server.database.work import ANY_NUMBER, Change, Key, Request, Stale, Unavailable, Work

__all__ = [
    "ANY_NUMBER",
    "AWAY",
    "ESCAPE",
    "HISTORY",
    "MAX_DECISIONS",
    "PRUNE_EVERY_S",
    "REPLIES_KEPT_MS",
    "Change",
    "CheckResult",
    "Cursors",
    "Database",
    "Due",
    "Entry",
    "HistoryLost",
    "InTheWay",
    "Invariant",
    "Key",
    "Listing",
    "Pruning",
    "Reader",
    "Reading",
    "Request",
    "Row",
    "SortKey",
    "Stale",
    "StateCache",
    "Statement",
    "Unavailable",
    "Violation",
    "Work",
    "WriteConflict",
    "ascending",
    "check_revision",
    "clean",
    "connect",
    "containing",
    "copy",
    "database_error",
    "descending",
    "engine_of",
    "forget",
    "instance_lock",
    "is_known",
    "is_postgres",
    "is_there",
    "migrate",
    "opened_copy",
    "put",
    "read_through",
    "retry_while_stale",
    "revisions",
    "rows",
    "sqlite_path",
    "sweep",
    "verify",
]
