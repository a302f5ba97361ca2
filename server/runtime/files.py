"""Files that survive a power cut: whole or not at all, and there before anything relies on them.

A file is written under another name in the same folder, synced and renamed, and then its folder is
synced: until that is done a power cut may leave no file, an empty one, or the one of before.
Source: rename(2) and fsync(2): "Calling fsync() does not necessarily ensure that the entry in the
directory containing the file has also reached disk. For that an explicit fsync() on a file
descriptor for the directory is also needed."
"""

import contextlib
import errno
import os
import sys
import tempfile
from pathlib import Path
from typing import Final

PRIVATE: Final = 0o600
"""Only the owner reads it."""


def write(path: Path, data: bytes, mode: int = PRIVATE) -> None:
    """Write a file, in the place of one that may be there. Raises OSError."""
    new = _written(path, data, mode)
    try:
        new.replace(path)
    except OSError:
        new.unlink()
        raise
    sync_folder(path.parent)


def write_first(path: Path, data: bytes, mode: int = PRIVATE) -> bool:
    """Write a file where there is none. Returns whether this is the one that is there now.

    Of several that write the same at once one is the first. Raises OSError.
    """
    new = _written(path, data, mode)
    try:
        os.link(new, path)  # which replaces nothing, other than a rename
    except FileExistsError:
        return False
    except OSError:
        # A file system without links, such as FAT: two at the same moment are not told apart.
        if path.exists():
            return False
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)
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


def _written(path: Path, data: bytes, mode: int) -> Path:
    """A file beside another that holds what this is to hold, on disk."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
    except OSError:
        Path(name).unlink()
        raise
    return Path(name)
