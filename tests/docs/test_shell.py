"""Every command, flag and setting that the documents tell a reader to type exists."""

import errno
import os
import re
import shlex
import subprocess
import sys
from dataclasses import fields
from functools import cache
from typing import Final

import pytest

from server.config import Settings
from tests.support.markdown import MEASURING, OPERATING, README, ROOT, blocks, chapter, rows, spans

TEXT: Final = "\n".join(path.read_text() for path in (README, OPERATING, MEASURING))
OURS: Final = re.compile(
    r"(?:^|[|(&] ?|=\S+ |CONTAINER )(?:warroom|\.venv/bin/python -m server) +([^|>&)\n]+)"
)
"""A command of ours, where one may begin, up to where the shell goes on with another."""
SCRIPT: Final = re.compile(r"(?:^|\s)\./scripts/(\w+)([^|>&\n]*)")
SETTING: Final = re.compile(r"\b([A-Z][A-Z_]+)=\S")


def typed() -> list[str]:
    """All lines that might be typed: of blocks in no language, and what is in the text."""
    shown = [block.text for block in blocks(TEXT) if block.language in ("", "sh", "text")]
    return [*spans(TEXT), *(line for text in shown for line in text.splitlines())]


COMMANDS: Final = sorted({m[1].strip() for line in typed() for m in OURS.finditer(line)})
SCRIPTS: Final = sorted(
    {(m[1], m[2].partition("#")[0].strip()) for line in typed() for m in SCRIPT.finditer(line)}
)
TROUBLE: Final = [row[0].strip("`") for row in rows(chapter(TEXT, "Trouble"))]
PROGRAMS: Final = {"run": ("server", "run"), "bench": ("scripts.benches",), "test": ("pytest",)}
"""The module that a script hands its arguments to."""


@cache
def help_of(*command: str) -> str:
    """What a module says about itself, or about a command of it."""
    done = subprocess.run(
        [sys.executable, "-m", *command, "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{command}: {done.stderr}"
    return done.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_there(command: str) -> None:
    words = shlex.split(command)
    actions = [word for word in words if not word.startswith("-")]
    place = ["server"]
    if actions == ["COMMAND"]:
        actions = []  # stands for any
    while actions and re.search(r"usage: .*(COMMAND|ACTION)", help_of(*place)):
        place.append(actions.pop(0))
    assert_flags(words, help_of(*place))


def assert_flags(words: list[str], known: str) -> None:
    """What begins with a dash is known."""
    for flag in (word.partition("=")[0] for word in words if word.startswith("-")):
        assert re.search(rf"(?<![\w-]){flag}(?![\w-])", known), flag


def test_there_are_commands_to_look_at() -> None:
    assert {command.split()[0] for command in COMMANDS} >= {"migrate", "user", "service-key"}
    assert {name for name, _ in SCRIPTS} >= {"run", "test"}


@pytest.mark.parametrize(("name", "arguments"), SCRIPTS)
def test_every_script_is_there(name: str, arguments: str) -> None:
    script = ROOT / "scripts" / name
    assert script.stat().st_mode & 0o100, "is not to be run"
    words = shlex.split(arguments)
    if words:
        known = help_of(*PROGRAMS[name])
        assert_flags(words, known)
        for word in words:
            if name == "bench" and not word.startswith("-"):
                assert re.search(rf"^ +{word}\b", known, re.MULTILINE), word
            if "/" in word:
                assert (ROOT / word).exists()


@pytest.mark.parametrize("message", TROUBLE)
def test_every_message_of_trouble_is_one_of_ours(message: str) -> None:
    if message == os.strerror(errno.EADDRINUSE):
        return
    folders = [ROOT / "server", ROOT / "protocol"]
    sources = [path for folder in folders for path in folder.rglob("*.py")]
    text = "".join(path.read_text() for path in (*sources, ROOT / "scripts" / "setup"))
    said = [piece.strip(" .:") for piece in message.split("…") if piece.strip(" .:")]
    assert said
    for piece in said:
        pattern = re.escape(piece).replace("SECRET_KEY", "(SECRET_KEY|{.*?})")
        assert re.search(pattern, text), piece


def test_every_setting_that_is_given_is_there() -> None:
    known = {setting.name.upper() for setting in fields(Settings)}
    given = {m[1] for line in typed() for m in SETTING.finditer(line)}
    assert given
    assert {name for name in given if not name.startswith("WARROOM_")} <= known
