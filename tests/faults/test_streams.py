"""Standard streams that are closed, full or cut off; SIGHUP; the end of a parent."""

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.support.outside import until
from tests.support.people import connected
from tests.support.server import ROOT, Server

WITHIN_S = 30
RUN = f"exec {sys.executable} -m server"

STREAMS = {
    "input closed": "<&-",
    "output closed": ">&-",
    "errors closed": "2>&-",
    "all closed": "<&- >&- 2>&-",
    "output full": ">/dev/full",
    "errors full": "2>/dev/full",
    "all full": "</dev/full >/dev/full 2>/dev/full",
}


class Shell:
    """A command of a server that a shell starts, and that logs to a file."""

    def __init__(self, folder: Path) -> None:
        self.server = Server(folder / "data")
        self.log = folder / "log"
        self.environment = {**self.server._environment, "LOG_FILE": str(self.log)}

    async def start(self, command: str) -> asyncio.subprocess.Process:
        """Start it."""
        return await asyncio.create_subprocess_exec(
            *("bash", "-o", "pipefail", "-c", command), cwd=ROOT, env=self.environment
        )

    def events(self) -> list[str]:
        """What was logged so far."""
        if not self.log.exists():
            return []
        lines, _, _ = self.log.read_text().rpartition("\n")
        return [json.loads(line)["event"] for line in lines.splitlines()]

    async def logged(self, event: str) -> None:
        """Wait for an event in the log."""

        async def there() -> bool:
            return event in self.events()

        await until(there, WITHIN_S)


@asynccontextmanager
async def ended(process: asyncio.subprocess.Process) -> AsyncIterator[None]:
    """Leave no process behind."""
    try:
        yield
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def _streams(pid: int) -> list[str]:
    """What a process has as its standard input, output and error."""
    return [str(Path(f"/proc/{pid}/fd/{number}").readlink()) for number in range(3)]


@pytest.mark.parametrize("streams", STREAMS.values(), ids=STREAMS)
async def test_a_server_runs_without_its_streams(tmp_path: Path, streams: str) -> None:
    shell = Shell(tmp_path)
    process = await shell.start(f"{RUN} run --port 0 {streams}")
    async with ended(process):
        await shell.logged("listening")
        # It has come through what it prints, and serves.
        address = next(
            json.loads(line)["address"]
            for line in shell.log.read_text().splitlines()
            if "listening" in line
        )
        await (await connected(address)).close()
        assert not any(name.startswith("socket:") for name in _streams(process.pid))
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), WITHIN_S) == 0
    assert ("output_failed" in shell.events()) == (">/dev/full" in streams.split())
    password = (shell.server.data_dir / "admin_password").read_text().strip()
    assert password, "it could not be shown, so it stays in its file"


@pytest.mark.parametrize(
    ("command", "unbuffered"), [("user list", ""), ("user list", "1"), ("--help", "")]
)
async def test_output_that_can_not_be_written_is_one_line(
    tmp_path: Path, command: str, unbuffered: str
) -> None:
    server = Server(tmp_path / "data", PYTHONUNBUFFERED=unbuffered)
    await server.command("migrate")
    done = await asyncio.to_thread(
        subprocess.run,
        ["bash", "-c", f"{RUN} {command} >/dev/full"],
        cwd=ROOT,
        env=server._environment,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("warroom: the output can't be written: No space left on device")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("config >&-", 0),
        ("user list 2>&-", 0),
        ("user add ada --password-stdin </dev/zero 2>/dev/full", 2),
        ("call players.get - </dev/zero", 2),
        ("nonsense <&- >&- 2>&-", 2),
        ("nonsense 2>/dev/full", 2),
        # What reads has enough at once: as every other program does it.
        ("config | true", 141),
    ],
)
async def test_exit_codes_hold_without_streams(tmp_path: Path, line: str, code: int) -> None:
    server = Server(tmp_path / "data")
    await server.command("migrate")
    done = await asyncio.to_thread(
        subprocess.run,
        ["bash", "-o", "pipefail", "-c", f"{RUN.removeprefix('exec ')} {line}"],
        cwd=ROOT,
        env=server._environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        timeout=WITHIN_S,
    )
    assert done.returncode == code, done.stderr
    assert done.stderr.count("\n") <= 1, done.stderr


# ---- SIGHUP


async def test_sighup_ends_as_sigterm_does(own_server: Server) -> None:
    person = await connected(own_server.url)
    assert await own_server._end(signal.SIGHUP) == 0
    await person.until_event("server.closing")
    await person.close()
    assert "closing" in [line["event"] for line in own_server.logged()]


async def test_nohup_is_respected(tmp_path: Path) -> None:
    shell = Shell(tmp_path)
    process = await shell.start(f"trap '' HUP; {RUN} run --port 0 >/dev/null 2>&1")
    async with ended(process):
        await shell.logged("listening")
        process.send_signal(signal.SIGHUP)
        process.send_signal(signal.SIGHUP)
        # It still writes its log, into a new file where the old one was moved away.
        shell.log.rename(tmp_path / "moved")
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), WITHIN_S) == 0
    assert shell.events() == ["closing"], "the log is begun anew where it was moved away"


# ---- children


def _children(pid: int) -> list[int]:
    return [int(n) for n in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _runs(pid: int) -> bool:
    """Whether a process is there, and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM, signal.SIGKILL])
async def test_the_server_of_dev_ends_with_its_parent(
    tmp_path: Path, number: signal.Signals
) -> None:
    shell = Shell(tmp_path)
    process = await shell.start(f"{RUN} run --dev --port 0 >/dev/null 2>&1")
    async with ended(process):
        await shell.logged("listening")
        (child,) = _children(process.pid)
        process.send_signal(number)
        await asyncio.wait_for(process.wait(), WITHIN_S)

        async def gone() -> bool:
            return not _runs(child)

        await until(gone, WITHIN_S)
    assert "closing" in shell.events(), "it ended by its clean shutdown"
