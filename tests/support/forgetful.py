"""A file system that forgets what was not synced: all that power cuts would leave of it, or what
one leaves that comes at a chosen change."""

import asyncio
import hashlib
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, Literal

from tests.support.programs import missing, need
from tests.support.until import until

SOURCE: Final = Path(__file__).with_suffix(".c")
HEADER: Final = Path("/usr/include/fuse3/fuse.h")
DEVICE: Final = Path("/dev/fuse")
BUILT: Final = Path(__file__).parents[2] / ".pytest_cache"
MOUNTED_WITHIN_S: Final = 20

Lost = Literal["names", "data"]
"""What a cut takes: the bytes that were not synced, and with `names` the names too of which the
folder was not synced."""


class Forgetful:
    """What is written into `folder` survives a power cut only where it was synced."""

    def __init__(self, folder: Path, survived: Path) -> None:
        self.folder = folder
        self._survived = survived

    @property
    def moments(self) -> list[Path]:
        """What a power cut at each moment leaves, in order. Nothing else can be left of it."""
        return sorted(self._survived.iterdir())

    @property
    def latest(self) -> int:
        """How many of the moments have passed."""
        return len(self.moments)


class Cuttable:
    """A disk whose power can be cut. From then on everything on it fails."""

    def __init__(self, folder: Path, survived: Path) -> None:
        self.folder = folder
        self.left = survived / "cut"
        """What the cut has left, in a folder that stays."""

    def cut_after(self, changes: int) -> None:
        """Cut the power at one of the next changes, from 1 on: that one is not made."""
        (self.folder / f".cut-{changes}").stat()

    @property
    def changes(self) -> int:
        """How many changes there have been: what alters a file or a folder, or syncs it."""
        return (self.folder / ".changes").stat().st_size

    @property
    def is_cut(self) -> bool:
        """Whether the power is cut."""
        return self.left.exists()

    async def until_cut(self) -> None:
        """Wait for the cut. Raises TimeoutError."""

        async def cut() -> bool:
            return self.is_cut

        await until(cut)

    def fill(self, source: Path) -> None:
        """Copy what a folder holds onto the disk, and sync all of it."""
        shutil.copytree(source, self.folder, dirs_exist_ok=True)
        for path in (*self.folder.rglob("*"), self.folder):
            descriptor = os.open(path, os.O_RDONLY)
            os.fsync(descriptor)
            os.close(descriptor)


@asynccontextmanager
async def forgetful(path: Path) -> AsyncIterator[Forgetful]:
    """Mount one in a folder that shows every moment. Skips the test where that is not possible."""
    async with _mounted_in(path) as (folder, survived):
        yield Forgetful(folder, survived)
        shutil.rmtree(survived)


@asynccontextmanager
async def cuttable(path: Path, lost: Lost) -> AsyncIterator[Cuttable]:
    """Mount one in a folder, to be cut once. Skips the test where that is not possible."""
    async with _mounted_in(path, lost) as (folder, survived):
        yield Cuttable(folder, survived)


@asynccontextmanager
async def _mounted_in(path: Path, *options: str) -> AsyncIterator[tuple[Path, Path]]:
    """The folder where it is mounted, and that in which is what survives."""
    unmount = need("fusermount3")
    for needed in (HEADER, DEVICE):
        if not needed.exists():
            missing(f"{needed} is not there (Debian: libfuse3-dev)")
    program, folder, survived = await _compiled(), path / "mounted", path / "survived"
    folder.mkdir(parents=True)
    survived.mkdir()
    process = await asyncio.create_subprocess_exec(program, folder, survived, *options)
    try:
        await _mounted(folder, process)
        yield folder, survived
        await _run(unmount, "-u", str(folder))
        assert await process.wait() == 0
    finally:
        if process.returncode is None:
            await _run(unmount, "-u", "-z", str(folder))
            await process.wait()


async def _compiled() -> Path:
    """The program, compiled once for each version of its source."""
    compiler = need("cc")
    version = hashlib.sha256(SOURCE.read_bytes()).hexdigest()[:16]
    program = BUILT / f"forgetful-{version}"
    if not program.exists():
        BUILT.mkdir(exist_ok=True)
        new = program.with_suffix(f".{os.getpid()}")  # others may compile it at the same time
        await _run(
            *(compiler, "-O1", "-D_FILE_OFFSET_BITS=64", f"-I{HEADER.parent}", str(SOURCE)),
            *("-o", str(new), "-lfuse3"),
        )
        new.replace(program)
    return program


async def _mounted(folder: Path, process: asyncio.subprocess.Process) -> None:
    async with asyncio.timeout(MOUNTED_WITHIN_S):
        while not await asyncio.to_thread(folder.is_mount):
            if process.returncode is not None:
                missing("a file system can't be mounted")
            await asyncio.sleep(0.02)


async def _run(*command: str) -> None:
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
