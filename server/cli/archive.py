"""The file of a backup: a tar whose every byte is known or has a checksum.

- `about.json`: the kind of database, the revision of its tables, when it was made
- `database`: a SQLite file, or what pg_dump writes in its custom format
- `secret_key`: where the server has made one, so that access tokens stay good
- `SHA256SUMS`: the checksums of the others, as `sha256sum -c` takes them

Headers and padding have no checksum of their own. They are made in one way alone, and compared with
that. Backups of format 1 have no `SHA256SUMS`; they are read as any tar is.
"""

import hashlib
import os
import tarfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, Final, NamedTuple

import msgspec

from server.auth import SECRET_FILE
from server.runtime import files

FORMAT: Final = 2
ABOUT: Final = "about.json"
DATABASE: Final = "database"
SUMS: Final = "SHA256SUMS"
_SMALL_BYTES: Final = 1024 * 1024
"""More than all members but the database hold."""
_END: Final = bytes(2 * tarfile.BLOCKSIZE)

Check = Callable[[], None]
"""Is called between the steps of what takes long. Raises to end it."""


class Damaged(Exception):
    """The file is not as it was written."""


class Foreign(Damaged):
    """The file is no backup, or too much of it is damaged to tell."""


class About(msgspec.Struct, frozen=True):
    """What a backup is of."""

    engine: str
    revision: str
    at: str
    format: int


class ArchiveMember(NamedTuple):
    """One file within the tar. `digest` is None in a backup of format 1."""

    file: Path
    name: str
    offset: int
    size: int
    digest: bytes | None

    def pieces(self, check: Check) -> Iterator[bytes]:
        """What it holds. Raises Damaged, after the last piece too: the file was changed or can't
        be read twice alike; OSError, and what `check` raises."""
        digest = hashlib.sha256()
        with self.file.open("rb") as file:
            file.seek(self.offset)
            for piece in _pieces(file, self.size, check):
                digest.update(piece)
                yield piece
        if self.digest is not None and digest.digest() != self.digest:
            raise Damaged(f"{self.name} is not what its checksum says")


class Backup(NamedTuple):
    """A file that has been verified, and where its parts are."""

    about: About
    database: ArchiveMember
    secret: bytes | None


# ---- writing


def write(
    path: Path, about: About, database: Iterable[bytes], secret: bytes | None, check: Check
) -> None:
    """Write a new file, and read it back from the disk. Raises OSError, Damaged, and what
    `database` and `check` raise."""
    at = int(time.time())
    with path.open("xb") as file:
        sums = [_write_member(file, ABOUT, at, [msgspec.json.encode(about)], check)]
        sums.append(_write_member(file, DATABASE, at, database, check))
        if secret is not None:
            sums.append(_write_member(file, SECRET_FILE, at, [secret], check))
        _write_member(file, SUMS, at, [b"".join(sums)], check)
        file.write(_END)
        file.flush()
        os.fsync(file.fileno())
        if hasattr(os, "posix_fadvise"):
            # Else what is read back would come from memory, and say nothing of the disk.
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    if read(path, check).about != about:
        raise Damaged("what was written can't be read back")


def _write_member(
    file: IO[bytes], name: str, at: int, pieces: Iterable[bytes], check: Check
) -> bytes:
    """Returns its line of SHA256SUMS. The size is known only at the end."""
    start, size, digest = file.tell(), 0, hashlib.sha256()
    file.write(bytes(tarfile.BLOCKSIZE))
    for piece in pieces:
        check()
        file.write(piece)
        digest.update(piece)
        size += len(piece)
    file.write(bytes(_padding(size)))
    end = file.tell()
    file.seek(start)
    file.write(_header(name, size, at))
    file.seek(end)
    return _sum_line(digest.digest(), name)


def _header(name: str, size: int, at: int) -> bytes:
    """The one header that a file of this name, size and time has here."""
    info = tarfile.TarInfo(name)
    info.size, info.mtime, info.mode = size, at, files.PRIVATE
    return info.tobuf(tarfile.GNU_FORMAT)


def _sum_line(digest: bytes, name: str) -> bytes:
    return f"{digest.hex()}  {name}\n".encode()


def _padding(size: int) -> int:
    return -size % tarfile.BLOCKSIZE


# ---- reading


def read(path: Path, check: Check) -> Backup:
    """Verify a file, all of it. Raises Damaged, ValueError for one of a newer version, OSError, and
    what `check` raises."""
    with path.open("rb") as file:
        about = _about(file)
        file.seek(0)
        if about.format == 1:
            return _read_first_format(path, file, about)
        if about.format != FORMAT:
            raise ValueError(f"{path} was made by a newer version")
        return _read(path, file, about, check)


def is_backup(path: Path) -> bool:
    """Whether a file is a backup, whole or not: what makes backups may replace it. Raises
    OSError."""
    if not path.is_file():
        return False
    if not path.stat().st_size:  # nothing is lost: a full disk may have left it
        return True
    try:
        with path.open("rb") as file:
            _about(file)
    except Damaged:
        return False
    return True


def _about(file: IO[bytes]) -> About:
    """What a file says that it is of; nothing is verified yet. Raises Foreign."""
    try:
        with tarfile.open(fileobj=file, mode="r:") as tar:
            first = tar.next()
        if first is None or first.name != ABOUT or first.size > _SMALL_BYTES:
            raise Foreign("it is no backup, or it is damaged")
        file.seek(first.offset_data)
        return msgspec.json.decode(file.read(first.size), type=About)
    except (tarfile.TarError, msgspec.DecodeError, ValueError, OverflowError):
        raise Foreign("it is no backup, or it is damaged") from None


def _read(path: Path, file: IO[bytes], about: About, check: Check) -> Backup:
    members: dict[str, ArchiveMember] = {}
    times = set()
    while SUMS not in members:
        member, at = _read_member(path, file, check)
        if member.name in members:
            raise Damaged(f"it holds two of {member.name}")
        members[member.name] = member
        times.add(at)
    if [*members] not in ([ABOUT, DATABASE, SUMS], [ABOUT, DATABASE, SECRET_FILE, SUMS]):
        raise Damaged(f"it holds {', '.join(members)}")
    if len(times) > 1:
        raise Damaged("its headers are not as they were written")
    *parts, sums = members.values()
    if _content(sums) != b"".join(_sum_line(part.digest or b"", part.name) for part in parts):
        raise Damaged("its parts are not what their checksums say")
    if file.read(len(_END) + 1) != _END:
        raise Damaged("its end is not as it was written")
    secret = members.get(SECRET_FILE)
    return Backup(about, members[DATABASE], None if secret is None else _content(secret))


def _read_member(path: Path, file: IO[bytes], check: Check) -> tuple[ArchiveMember, int]:
    """The next one, and the time in its header."""
    header = file.read(tarfile.BLOCKSIZE)
    try:
        info = tarfile.TarInfo.frombuf(header, "utf-8", "surrogateescape")
    except tarfile.TarError as e:
        raise Damaged(f"a header is not as it was written: {e}") from None
    name, size, at = info.name, info.size, int(info.mtime)
    limit = path.stat().st_size if name == DATABASE else _SMALL_BYTES
    if name not in (ABOUT, DATABASE, SECRET_FILE, SUMS) or not 0 <= size <= limit or at < 0:
        raise Damaged("a header is not as it was written")
    if header != _header(name, size, at):
        raise Damaged(f"the header of {name} is not as it was written")
    offset, digest = file.tell(), hashlib.sha256()
    for piece in _pieces(file, size, check):
        digest.update(piece)
    if file.read(_padding(size)) != bytes(_padding(size)):
        raise Damaged(f"the padding of {name} is not as it was written")
    return ArchiveMember(path, name, offset, size, digest.digest()), at


def _read_first_format(path: Path, file: IO[bytes], about: About) -> Backup:
    """One without checksums: only that it is a tar can be verified."""
    members: dict[str, ArchiveMember] = {}
    try:
        with tarfile.open(fileobj=file, mode="r:") as tar:
            for info in tar:
                if info.name in members or info.type != tarfile.REGTYPE:
                    raise Damaged(f"it holds {info.name} in another way than a backup does")
                members[info.name] = ArchiveMember(
                    path, info.name, info.offset_data, info.size, None
                )
    except (tarfile.TarError, ValueError, OverflowError) as e:
        raise Damaged(str(e)) from None
    if not {ABOUT, DATABASE} <= set(members) <= {ABOUT, DATABASE, SECRET_FILE}:
        raise Damaged(f"it holds {', '.join(members)}")
    secret = members.get(SECRET_FILE)
    if secret is not None and secret.size > _SMALL_BYTES:
        raise Damaged(f"{secret.name} is too large")
    return Backup(about, members[DATABASE], None if secret is None else _content(secret))


def _content(member: ArchiveMember) -> bytes:
    """All of a small one."""
    return b"".join(member.pieces(lambda: None))


def _pieces(file: IO[bytes], size: int, check: Check) -> Iterator[bytes]:
    """So many bytes from where the file stands. Raises Damaged where it ends before."""
    while size:
        check()
        piece = file.read(min(size, files.PIECE_BYTES))
        if not piece:
            raise Damaged("its end is missing")
        size -= len(piece)
        yield piece
