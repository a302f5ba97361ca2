"""The command that README.md adds, added to a copy of all files, and tried as it says there."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.support.markdown import README, ROOT, blocks, chapter
from tests.support.programs import need

WITHIN_S: Final = 300
CHAPTER: Final = chapter(README.read_text(), "Add a command")
TESTS: Final = ".venv/bin/python -m pytest"
"""What `./scripts/test` does with arguments, when all is set up."""


def do(folder: Path, *command: str) -> str:
    """Run a command in a folder. Returns what it prints; it must succeed."""
    known = {k: v for k, v in os.environ.items() if k in ("PATH", "HOME", "TMPDIR", "LANG", "CI")}
    done = subprocess.run(
        command,
        cwd=folder,
        env=known,
        capture_output=True,
        text=True,
        timeout=WITHIN_S,
        check=False,
    )
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of all that is committed, with the packages that are installed."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a checkout")
    listed = do(ROOT, need("git"), "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    copy = tmp_path / "warroom"
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, copy / name)
    (copy / ".venv").symlink_to(sys.prefix)
    return copy


def visible(folder: Path) -> set[str]:
    """The names in a folder that do not begin with a dot: `scripts/check` judges those."""
    return {path.name for path in folder.iterdir() if not path.name.startswith(".")}


def test_scripts_test_is_pytest() -> None:
    script = (ROOT / "scripts" / "test").read_text()
    assert re.search(rf'^ *exec {TESTS} "\$@"$', script, re.MULTILINE)


@pytest.mark.slow
def test_the_command_is_added_as_it_is_shown(tree: Path) -> None:
    (diff,) = blocks(CHAPTER, "diff")
    (steps,) = blocks(CHAPTER, "")
    before = visible(tree)
    (tree / "wave.diff").write_text(diff.text)
    for step in steps.text.splitlines():
        command = step.replace("./scripts/test", TESTS)
        printed = do(tree, *command.split())
        if command != step:
            assert " passed" in printed
            assert "failed" not in printed
    assert visible(tree) == before, "the steps leave a file behind"
    do(tree, ".venv/bin/ruff", "check", ".")
    do(tree, ".venv/bin/ruff", "format", "--check", ".")
    do(tree, ".venv/bin/python", "-m", "protocol.spec", "--check")
    assert "#### `players.wave`" in (tree / "PROTOCOL.md").read_text()


def test_the_steps_try_what_was_added() -> None:
    (diff,) = blocks(CHAPTER, "diff")
    (steps,) = blocks(CHAPTER, "")
    assert steps.text.splitlines()[:2] == ["git apply wave.diff", "rm wave.diff"]
    assert "./scripts/test " in steps.text
    touched = {line[6:] for line in diff.text.splitlines() if line.startswith("+++ b/")}
    assert touched == {
        "protocol/players.py",
        "server/players/handlers.py",
        "tests/events/test_players.py",
        "tests/contracts/players.py",
    }
