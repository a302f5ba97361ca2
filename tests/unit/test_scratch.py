"""Folders for unfinished files: gone at the end, and gone too where the process was killed."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from server.runtime import files

HOLD = """
import sys, time
from pathlib import Path
from server.runtime import files
with files.scratch(Path(sys.argv[1])) as folder:
    (folder / "large").write_bytes(b"x" * 1000)
    print(folder, flush=True)
    time.sleep(600)
"""


def left(folder: Path) -> list[str]:
    """The names of the scratch folders in a folder."""
    return sorted(path.name for path in folder.iterdir() if path.name.startswith(files.SCRATCH))


def test_it_is_gone_at_the_end(tmp_path: Path) -> None:
    with files.scratch(tmp_path) as folder:
        (folder / "large").write_text("x")
        assert left(tmp_path) == [folder.name]
        assert folder.stat().st_mode & 0o077 == 0
    assert left(tmp_path) == []
    with pytest.raises(ZeroDivisionError), files.scratch(tmp_path):
        1 / 0  # noqa: B018
    assert left(tmp_path) == []


def test_what_a_killed_process_left_is_removed_by_the_next_and_not_before(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        theirs = Path(process.stdout.readline().strip())
        with files.scratch(tmp_path) as ours:
            assert left(tmp_path) == sorted([theirs.name, ours.name])
        assert left(tmp_path) == [theirs.name]
        process.send_signal(signal.SIGKILL)
    assert left(tmp_path) == [theirs.name]
    files.clean(tmp_path)
    assert left(tmp_path) == []


def test_one_that_was_left_before_its_lock_was_made_is_removed(tmp_path: Path) -> None:
    (tmp_path / f"{files.SCRATCH}x").mkdir()
    files.clean(tmp_path)
    assert left(tmp_path) == []


def test_one_that_another_removes_before_its_lock_is_taken_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = os.open
    raced = []

    def open_late(path: str | Path, *arguments: int, **more: int) -> int:
        if str(path).endswith("lock") and len(raced) < 2:
            raced.append(path)
            if len(raced) == 1:
                files.clean(tmp_path)  # which opens the lock first
        return made(path, *arguments, **more)

    monkeypatch.setattr(os, "open", open_late)
    with files.scratch(tmp_path) as folder:
        assert left(tmp_path) == [folder.name]
    assert len(raced) == 2


def test_other_hidden_files_stay(tmp_path: Path) -> None:
    (tmp_path / ".warroom.tar.x").mkdir()
    (tmp_path / f"{files.SCRATCH}link").symlink_to(tmp_path / ".warroom.tar.x")
    files.clean(tmp_path)
    assert list((tmp_path / ".warroom.tar.x").iterdir()) == []
