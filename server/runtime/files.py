"""Files that survive a power cut: whole or not at all, and there before anything relies on them.

A file is written into a scratch folder beside it, synced and renamed, and then its folder is
synced: until that is done a power cut may leave no file, an empty one, or the one of before.
Source: rename(2) and fsync(2): "Calling fsync() does not necessarily ensure that the entry in the
directory containing the file has also reached disk. For that an explicit fsync() on a file
descriptor for the directory is also needed."
"""

import contextlib
import errno
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

PRIVATE: Final = 0o600
"""Only the owner reads it."""
PIECE_BYTES: Final = 1024 * 1024
"""So much of a large file is read at once."""


def write(path: Path, data: bytes, mode: int = PRIVATE) -> None:
    """Write a file, in the place of one that may be there. Raises OSError."""
    with _written(path, data, mode) as new:
        new.replace(path)
    sync_folder(path.parent)


def write_first(path: Path, data: bytes, mode: int = PRIVATE) -> bool:
    """Write a file where there is none. Returns whether this is the one that is there now.

    Of several that write the same at once one is the first. Raises OSError.
    """
    try:
        with _written(path, data, mode) as new:
            os.link(new, path)  # which replaces nothing, other than a rename
    except FileExistsError:
        return False
    except OSError:
        # A file system without links, such as FAT: two at the same moment are not told apart.
        if path.exists():
            return False
        write(path, data, mode)
    finally:
        sync_folder(path.parent)
    return True


def replace(source: Path, target: Path) -> None:
    """Move a file that may have been written by others in the place of another. Raises OSError.

    Both are in one file system.
    """
    sync(source)
    source.replace(target)
    sync_folder(target.parent)


def remove(path: Path) -> None:
    """Remove a file, if it is there, for good. Raises OSError."""
    path.unlink(missing_ok=True)
    sync_folder(path.parent)


def make_folder(path: Path) -> None:
    """Make a folder, and those that it is to be in, where they are not there. Raises OSError."""
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    path.mkdir(parents=True, exist_ok=True)
    # Its own name too where it is there: whoever made it may have been ended before that was done.
    for folder in missing or [path]:
        with contextlib.suppress(PermissionError):  # one that may be written to, and not be read
            sync_folder(folder.parent)


def sync(path: Path) -> None:
    """Wait until what a file holds is on disk. Raises OSError."""
    _sync(path, os.O_RDONLY)


def sync_folder(path: Path) -> None:
    """Wait until the names of a folder's files are on disk. Raises OSError.

    Where a file system can't do that, it is not waited for. Source: PostgreSQL, fsync_fname_ext.
    """
    if sys.platform == "win32":  # it opens no folders
        return
    try:
        _sync(path, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as e:
        if e.errno not in (errno.EBADF, errno.EINVAL):
            raise


def _sync(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _written(path: Path, data: bytes, mode: int) -> Iterator[Path]:
    """A file in a scratch folder beside another that holds what this is to hold, on disk."""
    with scratch(path.parent) as folder:
        new = folder / path.name
        with new.open("xb") as file:
            file.write(data)
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        yield new


# ---- folders for what is not finished

SCRATCH: Final = ".warroom-scratch-"
"""What the name of a folder begins with that holds unfinished files. Nobody else's does."""
_LOCK: Final = "lock"


@contextlib.contextmanager
def scratch(folder: Path) -> Iterator[Path]:
    """A folder within another, for files that are moved out of it once they are whole. It is
    removed at the end. Where the process is killed, the next scratch in the same folder removes it.

    Raises OSError.
    """
    clean(folder)
    made, lock = _locked_scratch(folder)
    try:
        yield made
    finally:
        # On another program's disk that is full or gone, the next one removes the rest.
        shutil.rmtree(made, ignore_errors=True)
        os.close(lock)


def clean(folder: Path) -> None:
    """Remove the scratch folders that killed processes left in a folder. Those in use stay.

    Raises OSError where the folder can't be read.
    """
    if sys.platform == "win32":  # it has no flock: what is in use can't be told
        return
    for left in folder.glob(f"{SCRATCH}*"):
        with contextlib.suppress(OSError):  # another user's, or removed by another program just now
            if not left.is_symlink():
                _remove_unused(left)


def _locked_scratch(folder: Path) -> tuple[Path, int]:
    """A new folder, and a descriptor that holds its lock."""
    while True:
        made = Path(tempfile.mkdtemp(dir=folder, prefix=SCRATCH))
        try:
            lock = os.open(made / _LOCK, os.O_RDWR | os.O_CREAT, PRIVATE)
        except FileNotFoundError:  # `clean` of another process came before the lock
            continue
        except OSError:
            made.rmdir()
            raise
        with contextlib.suppress(OSError):  # a file system without locks: then none is removed
            _flock(lock)
        if os.fstat(lock).st_nlink:
            return made, lock
        os.close(lock)  # the same, a moment later


def _remove_unused(left: Path) -> None:
    """Raises BlockingIOError where it is in use."""
    lock = os.open(left / _LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, PRIVATE)
    try:
        _flock(lock, wait=False)
        shutil.rmtree(left)
    finally:
        os.close(lock)


def _flock(descriptor: int, *, wait: bool = True) -> None:
    if sys.platform == "win32":
        return
    import fcntl  # noqa: PLC0415 - Windows has none

    fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
