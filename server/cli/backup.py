"""`backup` and `restore`: all data in one file, a tar that holds

- `about.json`: the kind of database, the revision of its tables, when it was made
- `database`: a SQLite file, or what pg_dump writes in its custom format
- `secret_key`: where the server has made one, so that access tokens stay good
"""

import asyncio
import shutil
import tarfile
import tempfile
import time
from pathlib import Path
from typing import Final

import msgspec

from protocol.times import rfc3339
from server.auth import SECRET_FILE, AuthSettings
from server.cli.data import ADMIN_FILE, private_files
from server.cli.parser import Given
from server.cli.settings import in_force
from server.cli.words import CliError
from server.config import Settings
from server.database import InTheWay, copy, engine_of, put
from server.runtime import files

FORMAT: Final = 1
ABOUT: Final = "about.json"
DATABASE: Final = "database"


class About(msgspec.Struct, frozen=True):
    """What a backup is of."""

    engine: str
    revision: str
    at: str
    format: int = FORMAT


async def backup(given: Given) -> None:
    """Copy all data into a file. Whatever happens, no half of one is left there."""
    private_files()
    print(await asyncio.to_thread(_backup, in_force(given), Path(given.file)))


async def restore(given: Given) -> None:
    """Put a backup in the place of the data."""
    private_files()
    try:
        print(await asyncio.to_thread(_restore, in_force(given), Path(given.file), given.force))
    except InTheWay as e:
        raise CliError(f"{e}: --force replaces what is there") from None


def _backup(settings: Settings, file: Path) -> str:
    if file.exists() and _about(file) is None:
        raise CliError(f"{file} is there, and no backup: it is left alone")
    with tempfile.TemporaryDirectory(dir=file.parent, prefix=f".{file.name}.") as folder:
        made = Path(folder) / "tar"
        about = _make(settings, Path(folder), made)
        files.replace(made, file)
    size = f"{file.stat().st_size:,} bytes"
    return f"{file}: {about.engine}, tables at {about.revision}, {about.at}, {size}"


def _make(settings: Settings, folder: Path, made: Path) -> About:
    at = rfc3339(time.time_ns() // 1_000_000)
    database, described = folder / DATABASE, folder / ABOUT
    about = About(engine_of(settings.database), copy(settings.database, database), at)
    described.write_bytes(msgspec.json.encode(about))
    with tarfile.open(made, "x") as tar:
        tar.add(described, ABOUT)
        tar.add(database, DATABASE)
        secret = settings.data_dir / SECRET_FILE
        if settings.of(AuthSettings).secret_key is None and secret.is_file():
            tar.add(secret, SECRET_FILE)
    return about


def _restore(settings: Settings, file: Path, force: bool) -> str:
    if not file.is_file():
        raise CliError(f"{file} is not there")
    about, engine = _about(file), engine_of(settings.database)
    if about is None:
        raise CliError(f"{file} is no backup of Warroom, or it is damaged")
    if about.format != FORMAT:
        raise CliError(f"{file} was made by a newer version")
    if about.engine != engine:
        raise CliError(f"{file} is of {about.engine}, and DATABASE_URL of {engine}")
    files.make_folder(settings.data_dir)
    with tempfile.TemporaryDirectory(dir=settings.data_dir, prefix=".restore.") as folder:
        database, secret = Path(folder) / DATABASE, Path(folder) / SECRET_FILE
        try:
            with tarfile.open(file) as tar:
                for member in tar:
                    if member.isreg() and member.name in (DATABASE, SECRET_FILE):
                        _extract(tar, member, Path(folder) / member.name)
        except (tarfile.TarError, FileExistsError) as e:
            raise CliError(f"{file} is damaged: {e}") from None
        if not database.is_file():
            raise CliError(f"{file} is damaged: there is no database in it")
        put(settings.database, database, about.revision, force=force)
        if secret.is_file() and settings.of(AuthSettings).secret_key is None:
            files.replace(secret, settings.data_dir / SECRET_FILE)
    files.remove(settings.data_dir / ADMIN_FILE)  # it was of what is gone
    return f"{file} is restored: {about.engine}, as of {about.at}"


def _extract(tar: tarfile.TarFile, member: tarfile.TarInfo, target: Path) -> None:
    """Copy what a file of the archive holds, and nothing else of it: no owner, mode or link."""
    source = tar.extractfile(member)
    assert source is not None
    with source, target.open("xb") as file:
        shutil.copyfileobj(source, file)


def _about(file: Path) -> About | None:
    """What a backup is of; None where it is none."""
    try:
        with tarfile.open(file) as tar:
            described = tar.extractfile(ABOUT)
            return msgspec.json.decode(described.read() if described else b"", type=About)
    except (tarfile.TarError, KeyError, msgspec.DecodeError, EOFError):
        return None
