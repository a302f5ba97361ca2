"""A file system that forgets what was not synced: all that power cuts would leave of it."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from tests.support.programs import missing, need

SOURCE: Final = Path(__file__).with_suffix(".c")
HEADER: Final = Path("/usr/include/fuse3/fuse.h")
DEVICE: Final = Path("/dev/fuse")
MOUNTED_WITHIN_S: Final = 20


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


@asynccontextmanager
async def forgetful(path: Path) -> AsyncIterator[Forgetful]:
    """Mount one in a folder. Skips the test where that is not possible."""
    compiler = need("cc")
    unmount = need("fusermount3")
    for needed in (HEADER, DEVICE):
        if not needed.exists():
            missing(f"{needed} is not there (Debian: libfuse3-dev)")
    program, folder, survived = path / "forgetful", path / "mounted", path / "survived"
    folder.mkdir()
    survived.mkdir()
    await _run(
        *(compiler, "-O1", "-D_FILE_OFFSET_BITS=64", f"-I{HEADER.parent}", str(SOURCE)),
        *("-o", str(program), "-lfuse3"),
    )
    process = await asyncio.create_subprocess_exec(str(program), str(folder), str(survived))
    try:
        await _mounted(folder, process)
        yield Forgetful(folder, survived)
        await _run(unmount, "-u", str(folder))
        assert await process.wait() == 0
    finally:
        if process.returncode is None:
            await _run(unmount, "-u", "-z", str(folder))
            await process.wait()
        shutil.rmtree(survived)


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
