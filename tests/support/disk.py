"""A small disk, to be filled."""

import errno
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.support.programs import missing

DISK_BYTES: Final = 8 * 1024 * 1024


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """Mount one. Skips the test where that is not possible."""
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", folder],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        missing(f"a disk can't be mounted: {mounted.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def fill(folder: Path) -> Path:
    """Leave no byte free."""
    path = folder / "filler"
    with path.open("wb", buffering=0) as file:
        for size in (65_536, 4096, 1):
            try:
                while True:
                    file.write(b"x" * size)
            except OSError as e:
                assert e.errno == errno.ENOSPC
    assert os.statvfs(folder).f_bavail == 0
    return path
