"""The file of a backup: any byte that is not as it was written is noticed, before it is used."""

import io
import random
import shutil
import subprocess
import tarfile
from pathlib import Path

import msgspec
import pytest

from server.cli import archive
from server.cli.archive import About, Backup, Damaged

ABOUT = About("sqlite", "0009", "2026-01-01T00:00:00.000Z", archive.FORMAT)
DATABASE = random.Random(1).randbytes(1500)  # not a whole number of blocks
SECRET = b"not-a-secret" * 4


def check() -> None:
    """Nothing asks to end."""


def read(path: Path) -> tuple[Backup, bytes]:
    """All of it, verified."""
    found = archive.read(path, check)
    return found, b"".join(found.database.pieces(check))


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    """A backup of a database that is none."""
    path = tmp_path / "whole.tar"
    archive.write(path, ABOUT, [DATABASE[:1000], DATABASE[1000:]], SECRET, check)
    return path


def refused(path: Path) -> bool:
    """Whether it is not taken for a whole one."""
    try:
        archive.read(path, check)
    except (Damaged, ValueError):  # a newer version's: its number is damaged
        return True
    return False


def test_what_is_written_is_read(whole: Path) -> None:
    found, database = read(whole)
    assert (found.about, found.secret, database) == (ABOUT, SECRET, DATABASE)
    assert archive.is_backup(whole)


def test_every_bit_counts(whole: Path) -> None:
    written = bytearray(whole.read_bytes())
    with whole.open("rb+", buffering=0) as file:
        for at, byte in enumerate(written):
            for bit in range(8):
                file.seek(at)
                file.write(bytes([byte ^ 1 << bit]))
                assert refused(whole), f"bit {bit} of byte {at}"
            file.seek(at)
            file.write(bytes([byte]))
    assert not refused(whole)


def test_every_byte_is_needed_and_no_more(whole: Path) -> None:
    written = whole.read_bytes()
    for size in range(len(written)):
        whole.write_bytes(written[:size])
        assert refused(whole), f"{size} bytes"
    for more in (b"\0", b"x", bytes(512), bytes(10240), written):
        whole.write_bytes(written + more)
        assert refused(whole), f"{len(more)} bytes more"


@pytest.mark.parametrize("name", [archive.ABOUT, archive.DATABASE, "secret_key"])
def test_a_part_that_was_replaced_is_noticed(whole: Path, tmp_path: Path, name: str) -> None:
    """As by an unpacking and packing of tar: whole, and not what it was."""
    other = tmp_path / "other.tar"
    with tarfile.open(whole) as old, tarfile.open(other, "x", format=tarfile.GNU_FORMAT) as new:
        for member in old:
            content = old.extractfile(member)
            assert content is not None
            data = content.read()
            if member.name == name:
                data = data.replace(b"0009", b"0008") if name == archive.ABOUT else data[::-1]
            new.addfile(member, io.BytesIO(data))
    other.write_bytes(other.read_bytes()[: whole.stat().st_size])
    assert refused(other)


def test_other_programs_can_check_it(whole: Path, tmp_path: Path) -> None:
    if not (shutil.which("tar") and shutil.which("sha256sum")):
        pytest.skip("tar and sha256sum are not installed")
    subprocess.run(["tar", "xf", whole], cwd=tmp_path, check=True)
    done = subprocess.run(
        ["sha256sum", "--check", "--strict", archive.SUMS],
        cwd=tmp_path,
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout.splitlines() == ["about.json: OK", "database: OK", "secret_key: OK"]
    assert (tmp_path / "database").read_bytes() == DATABASE


def first_format(path: Path, *besides: str) -> Path:
    """A backup as the first version made it."""
    about = {"engine": "sqlite", "revision": "0009", "at": ABOUT.at, "format": 1}
    with tarfile.open(path, "w") as tar:
        for name, data in (
            (archive.ABOUT, msgspec.json.encode(about)),
            (archive.DATABASE, DATABASE),
            *((name, b"x") for name in besides),
        ):
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(data), 1234567890.5
            tar.addfile(info, io.BytesIO(data))
    return path


def test_the_first_format_is_read(tmp_path: Path) -> None:
    path = first_format(tmp_path / "first.tar")
    found, database = read(path)
    assert (found.about.format, found.secret, database) == (1, None, DATABASE)
    assert archive.is_backup(path)
    assert read(first_format(path, "secret_key"))[0].secret == b"x"


@pytest.mark.parametrize("name", [archive.SUMS, archive.DATABASE, "other"])
def test_a_later_format_is_not_taken_for_the_first(tmp_path: Path, name: str) -> None:
    with pytest.raises(Damaged):
        archive.read(first_format(tmp_path / "first.tar", name), check)


def test_a_newer_format_is_named_so(tmp_path: Path) -> None:
    path = tmp_path / "newer.tar"
    newer = About("sqlite", "0009", ABOUT.at, archive.FORMAT + 1)
    with pytest.raises(ValueError, match="newer"):
        archive.write(path, newer, [DATABASE], None, check)


@pytest.mark.parametrize("content", [b"dear diary", b"x" * 5000, bytes(5000)])
def test_other_files_are_no_backups(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "diary"
    path.write_bytes(content)
    assert not archive.is_backup(path)
    assert refused(path)
    assert not archive.is_backup(tmp_path)


def test_an_empty_file_may_be_replaced(tmp_path: Path) -> None:
    """It is what a full disk leaves of one; nothing is lost."""
    path = tmp_path / "empty"
    path.touch()
    assert archive.is_backup(path)
    assert refused(path)


def test_what_changes_after_it_was_verified_is_noticed(whole: Path) -> None:
    found = archive.read(whole, check)
    with whole.open("rb+") as file:
        file.seek(found.database.offset + 5)
        file.write(b"other")
    with pytest.raises(Damaged, match="database"):
        list(found.database.pieces(check))
