"""The address of a database."""

from pathlib import Path
from typing import Final

SQLITE: Final = "sqlite:///"
POSTGRES: Final = ("postgresql://", "postgres://")


def is_postgres(url: str) -> bool:
    """Whether it is PostgreSQL's."""
    return url.startswith(POSTGRES)


def is_known(url: str) -> bool:
    """Whether it names a kind of database that is spoken here."""
    return is_postgres(url) or (url.startswith(SQLITE) and url != SQLITE)


def is_there(url: str) -> bool:
    """Whether a SQLite database has its file. PostgreSQL is not asked."""
    return is_postgres(url) or sqlite_path(url).exists()


def sqlite_path(url: str) -> Path:
    """The file of a SQLite database. Raises ValueError for anything else."""
    if not url.startswith(SQLITE):
        raise ValueError("not the address of a SQLite database")
    return Path(url.removeprefix(SQLITE))


def beside(path: Path) -> list[Path]:
    """The files that SQLite may keep beside a database: its write-ahead log first."""
    return [path.with_name(path.name + end) for end in ("-wal", "-shm", "-journal")]
