"""`backup` and `restore`: all data in one file, and back. `archive.py` says what is in it."""

import time
from pathlib import Path

from protocol.times import rfc3339
from server.auth import SECRET_FILE, AuthSettings
from server.cli import archive
from server.cli.archive import About, Damaged, Foreign
from server.cli.data import ADMIN_FILE, private_files
from server.cli.parser import Given
from server.cli.settings import in_force
from server.cli.words import CliError, complain
from server.config import Settings
from server.database import InTheWay, copy, engine_of, put
from server.runtime import files
from server.runtime.interrupt import Interrupt, Interrupted, interruptible

_SIGNALLED = 128
"""A shell adds the signal's number to it."""


async def backup(given: Given) -> None:
    """Copy all data into a file. Whatever happens, no half of one is left there."""
    private_files()
    settings, file = in_force(given), Path(given.file)
    try:
        print(await interruptible(lambda interrupt: _backup(settings, file, interrupt)))
    except Interrupted as e:
        raise CliError(f"{e}: no backup was made", code=_SIGNALLED + e.number) from None


async def restore(given: Given) -> None:
    """Put a backup in the place of the data."""
    private_files()
    settings, file = in_force(given), Path(given.file)
    try:
        print(
            await interruptible(lambda interrupt: _restore(settings, file, interrupt, given.force))
        )
    except InTheWay as e:
        raise CliError(f"{e}: --force replaces what is there") from None
    except Interrupted as e:
        raise CliError(f"{e}: nothing was restored", code=_SIGNALLED + e.number) from None


def read(file: Path, interrupt: Interrupt) -> archive.Backup:
    """Verify a backup, all of it. Blocks. Raises CliError with exit code 1 where it is damaged,
    ValueError where it is of a newer version, OSError, Interrupted."""
    try:
        found = archive.read(file, interrupt.check)
    except Foreign:
        raise CliError(f"{file} is no backup of Warroom, or it is damaged") from None
    except Damaged as e:
        raise CliError(f"{file} is damaged: {e}") from None
    if found.about.format == 1:
        complain(f"{file} was made before backups had checksums: damage may not be noticed")
    return found


def _backup(settings: Settings, given: Path, interrupt: Interrupt) -> str:
    file = given.resolve()  # a link stays, and what it leads to is replaced
    if file.exists() and not archive.is_backup(file):
        raise CliError(f"{given} is there, and no backup: it is left alone")
    at = rfc3339(time.time_ns() // 1_000_000)
    secret = settings.data_dir / SECRET_FILE
    kept = (
        secret.read_bytes()
        if settings.of(AuthSettings).secret_key is None and secret.is_file()
        else None
    )
    try:
        with files.scratch(file.parent) as folder:
            made = folder / "tar"
            copied = copy(settings.database, folder, interrupt)
            about = About(engine_of(settings.database), copied.revision, at, archive.FORMAT)
            archive.write(made, about, copied.pieces, kept, interrupt.check)
            interrupt.check()
            files.replace(made, file)
    except Damaged as e:
        raise CliError(f"what was written to {given} can't be read back: {e}") from None
    size = f"{file.stat().st_size:,} bytes"
    return f"{given}: {about.engine}, tables at {about.revision}, {about.at}, {size}, verified"


def _restore(settings: Settings, file: Path, interrupt: Interrupt, force: bool) -> str:
    if not file.is_file():
        raise CliError(f"{file} is not there, or is no file")
    engine = engine_of(settings.database)
    found = read(file, interrupt)
    about = found.about
    if about.engine != engine:
        raise CliError(f"{file} is of {about.engine}, and DATABASE_URL of {engine}")
    files.make_folder(settings.data_dir)
    try:
        pieces = found.database.pieces(interrupt.check)
        put(settings.database, pieces, about.revision, interrupt, force=force)
    except Damaged as e:
        raise CliError(f"{file} is damaged: {e}") from None
    # Where it is ended here, access tokens of the backup are refused, and clients refresh them.
    if found.secret is not None and settings.of(AuthSettings).secret_key is None:
        files.write(settings.data_dir / SECRET_FILE, found.secret)
    files.remove(settings.data_dir / ADMIN_FILE)  # it was of what is gone
    return f"{file} is restored: {about.engine}, as of {about.at}"
