"""scripts/setup makes .venv anew where it can't be used: Python was upgraded, or it is a copy."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.markdown import ROOT

PAGE = ("scripts/page/package-lock.json", "scripts/page/node_modules/.installed")


def setup(folder: Path, *arguments: str) -> int:
    """Run it in a folder. Returns its exit code."""
    done = subprocess.run(
        [folder / "scripts" / "setup", *arguments], capture_output=True, check=False, text=True
    )
    assert done.returncode in (0, 1), done.stderr
    return done.returncode


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose .venv was made, with no packages, so that no network is needed."""
    folder = tmp_path_factory.mktemp("project")
    for name in (*PAGE, "server/dashboard/vendor/socket.io.esm.min.js", "requirements.txt"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("")
    shutil.copy(ROOT / "scripts" / "setup", folder / "scripts" / "setup")
    assert setup(folder, "run", "--check") == 1
    assert setup(folder, "run") == 0
    assert setup(folder, "run", "--check") == 0
    return folder


def python(folder: Path) -> str:
    """What the .venv of a folder says of itself."""
    return subprocess.run(
        [folder / ".venv/bin/python", "-c", "import pip, sys; print(sys.prefix)"],
        capture_output=True,
        check=True,
        text=True,
    ).stdout.strip()


def test_nothing_is_made_where_all_is_current(made: Path) -> None:
    before = (made / ".venv/pyvenv.cfg").stat().st_mtime_ns
    assert setup(made, "run") == 0
    assert (made / ".venv/pyvenv.cfg").stat().st_mtime_ns == before


def test_a_python_that_was_removed(made: Path) -> None:
    link = made / ".venv/bin/python"
    for name in (made / ".venv/bin").glob("python*"):
        name.unlink()
        name.symlink_to("/nowhere/python3")
    assert not link.exists()
    assert setup(made, "run", "--check") == 1
    assert setup(made, "run") == 0
    assert python(made) == str(made / ".venv")


def test_a_python_of_another_version(made: Path) -> None:
    """The link leads to what the machine's `python3` is now: it starts, and sees no packages."""
    other = made / "other"
    other.write_text(
        f"#!/bin/sh\nexec {os.path.realpath(made / '.venv/bin/python')} -E -c 'import sys,"
        " sysconfig; sys.version_info = (3, 99); sysconfig.get_config_var = lambda _:"
        ' "cpython-399"; exec(sys.argv[1])\' "$2"\n'
    )
    other.chmod(0o755)
    link = made / ".venv/bin/python"
    before = link.readlink()
    link.unlink()
    link.symlink_to(other)
    assert setup(made, "run", "--check") == 1
    link.unlink()
    link.symlink_to(before)
    assert setup(made, "run", "--check") == 0


def test_a_copy_in_another_folder(made: Path, tmp_path: Path) -> None:
    """Its programs would run with the packages of the folder that it was copied from."""
    copy = tmp_path / "copy"
    shutil.copytree(made, copy, symlinks=True)
    assert setup(copy, "run", "--check") == 1
    assert setup(made, "run", "--check") == 0


def test_what_was_made_before_there_was_a_name(made: Path) -> None:
    stamp = made / ".venv/.interpreter"
    before = stamp.read_text()
    stamp.unlink()
    assert setup(made, "run", "--check") == 1
    stamp.write_text(before)
    assert setup(made, "run", "--check") == 0
