"""The log: our own events by level, libraries from WARNING on, and no token in any of it."""

import json
import logging
import os
import pty
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from protocol.secret import KEY_PREFIX, REFRESH_PREFIX
from server.runtime.log import Levels, _json, parse

ROOT = Path(__file__).parents[2]
LIBRARIES = ("uvicorn.error", "engineio.server", "socketio", "aiosqlite", "sqlalchemy", "anything")
SECRETS = (f"{REFRESH_PREFIX}abc-def_1", f"{KEY_PREFIX}abc", "eyJhbGciOiJI.eyJzdWIi.abc-_def")

PROGRAM = """
import logging, sys
from server.runtime.log import configure, logger
log, other = logger("test"), logger("other")
configure(sys.argv[1])
other.debug("other debug")
other.warning("other warning")
for level in ("debug", "info", "warning", "error"):
    getattr(log, level)(f"ours {level}", given=sys.argv[3:])
    for name in sys.argv[2].split(","):
        getattr(logging.getLogger(name), level)("%s %s %s", name, level, sys.argv[3:])
try:
    raise ValueError(*sys.argv[3:])
except ValueError:
    log.exception("failed")
try:
    b"\\xff".decode()
except UnicodeDecodeError:
    logging.getLogger("uvicorn.error").exception("Invalid UTF-8")
    logging.getLogger("anything").exception("Invalid UTF-8")
"""


def logged(level: str, *given: str) -> list[dict[str, Any]]:
    """What a process logs at a level."""
    program = [sys.executable, "-c", PROGRAM, level, ",".join(LIBRARIES), *given]
    done = subprocess.run(program, cwd=ROOT, capture_output=True, text=True, check=True)
    return [json.loads(line) for line in done.stderr.splitlines()]


@pytest.mark.parametrize("level", ["DEBUG", "INFO", "WARNING", "ERROR"])
def test_the_level_is_that_of_our_events_and_libraries_say_no_more_than_warnings(
    level: str,
) -> None:
    events = [line["event"] for line in logged(level)]
    for other in ("DEBUG", "INFO", "WARNING", "ERROR"):
        number = logging.getLevelName(other)
        ours = number >= logging.getLevelName(level)
        assert (f"ours {other.lower()}" in events) is ours
        for name in LIBRARIES:
            said = f"{name} {other.lower()} []" in events
            assert said is (ours and number >= logging.WARNING), (name, other)


def test_what_looks_like_a_token_is_masked_wherever_it_is_said() -> None:
    lines = logged("DEBUG", *SECRETS)
    text = json.dumps(lines)
    assert not [secret for secret in SECRETS if secret in text]
    assert any("ValueError" in line.get("exception", "") for line in lines)
    assert "abc" not in text
    assert text.count("***") >= 3 * 4 * (1 + 2)


def test_a_frame_that_is_no_text_is_a_line_and_other_faults_are_told_whole() -> None:
    lines = {line["level"]: line for line in logged("INFO") if line["event"] == "Invalid UTF-8"}
    assert "exception" not in lines["warning"]
    assert "UnicodeDecodeError" in lines["error"]["exception"]


@pytest.mark.parametrize(
    ("levels", "said"),
    [
        ("INFO", {"other warning", "ours info", "ours warning", "ours error"}),
        ("INFO,other=ERROR", {"ours info", "ours warning", "ours error"}),
        ("ERROR, other=DEBUG", {"other debug", "other warning", "ours error"}),
        ("WARNING,test=ERROR,other=WARNING", {"other warning", "ours error"}),
    ],
)
def test_components_have_levels_of_their_own(levels: str, said: set[str]) -> None:
    lines = [line for line in logged(levels) if line["component"] in ("test", "other")]
    assert {line["event"] for line in lines} - {"failed"} == said
    for line in lines:
        assert line["component"] == ("other" if line["event"].startswith("other") else "test")


def test_a_library_is_a_component_too() -> None:
    (line,) = [line for line in logged("INFO") if line["event"] == "uvicorn.error warning []"]
    assert line["component"] == "uvicorn.error"


def test_levels_are_read() -> None:
    assert parse("INFO") == Levels("INFO", {})
    assert parse("INFO, a=DEBUG,b=ERROR") == Levels("INFO", {"a": "DEBUG", "b": "ERROR"})


@pytest.mark.parametrize(
    "text",
    ["", "info", "LOUD", "INFO,", "INFO,a", "INFO,a=", "INFO,=DEBUG", "INFO,a=LOUD", "a=INFO"],
)
def test_what_is_no_level_is_told(text: str) -> None:
    with pytest.raises(ValueError):
        parse(text)


def test_a_component_that_there_is_not_is_named() -> None:
    program = [sys.executable, "-c", PROGRAM, "INFO,tset=DEBUG", "x"]
    done = subprocess.run(program, cwd=ROOT, capture_output=True, text=True, check=False)
    assert "nothing is called 'tset'; there are log, other, test" in done.stderr


FILE = """
import os, sys
from pathlib import Path
from server.runtime.log import configure, logger
log = logger("test")
path = Path(sys.argv[1])
configure("INFO", path)
log.info("first")
path.rename(path.with_suffix(".1"))
log.info("second")
path.parent.rename(path.parent.with_name("elsewhere"))
log.info("third")
log.info("fourth")
path.parent.mkdir()
log.info("fifth")
path.unlink()
path.mkdir()
log.info("sixth")
path.rmdir()
log.info("seventh wrr_abc")
"""


def test_a_file_is_written_beside_stderr_and_made_anew_where_it_was_moved(tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    file = folder / "warroom.log"
    program = [sys.executable, "-c", FILE, str(file)]
    os.umask(0)
    try:
        done = subprocess.run(program, cwd=ROOT, capture_output=True, text=True, check=True)
    finally:
        os.umask(0o022)
    said = [json.loads(line) for line in done.stderr.splitlines()]
    assert [line["event"] for line in said] == [
        *("first", "second", "third", "log_file_failed", "fourth", "fifth"),
        *("sixth", "log_file_failed", "seventh ***"),
    ], "a file that can't be written is told of once, and again when it could be meanwhile"
    assert "FileNotFoundError" in said[3]["error"]
    assert "IsADirectoryError" in said[7]["error"]

    def there(path: Path) -> list[str]:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        assert all(line in said for line in lines)
        return [line["event"] for line in lines]

    elsewhere = tmp_path / "elsewhere"
    assert there(elsewhere / "warroom.1") == ["first"]
    assert there(elsewhere / "warroom.log") == ["second"]
    assert there(file) == ["seventh ***"]


def test_a_file_that_can_not_be_had_ends_the_start(tmp_path: Path) -> None:
    program = [sys.executable, "-c", FILE, str(tmp_path / "nowhere" / "x.log")]
    done = subprocess.run(program, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "FileNotFoundError" in done.stderr


def on_a_terminal(program: str, **environment: str) -> str:
    """What a process shows on a terminal."""
    reads, writes = pty.openpty()
    try:
        subprocess.run(
            [sys.executable, "-c", program],
            cwd=ROOT,
            env={**os.environ, **environment},
            stderr=writes,
            check=True,
        )
        return os.read(reads, 65_536).decode()
    finally:
        os.close(reads)
        os.close(writes)


SHOWN = r"""
from server.runtime.log import configure, logger
log = logger("test")
configure("INFO")
log.info("\x1b[2Jhello", name="a\x1b[31m\nb\x00\ud83d", token="wrr_abc")
secret = "a password"
try:
    raise ValueError("\x1b[31m of it")
except ValueError:
    log.exception("failed")
"""


def test_a_terminal_shows_lines_for_people_and_nothing_that_moves_its_cursor() -> None:
    shown = on_a_terminal(SHOWN, NO_COLOR="1")
    assert "hello" in shown
    assert "component" in shown
    assert "{" not in shown
    assert "\x1b" not in shown
    assert "\\x1b[2Jhello" in shown
    assert "Traceback" in shown
    assert "\\x1b[31m of it" in shown
    assert "a password" not in shown, "the variables of a frame are not shown"
    assert "***" in shown
    assert "abc" not in shown


def test_a_terminal_that_takes_colours_gets_them() -> None:
    shown = on_a_terminal(SHOWN, NO_COLOR="")
    assert "\x1b[" in shown
    assert "\x1b[2J" not in shown, "but the colours are ours"


UNWRITABLE = """
import logging, sys
from server.runtime.log import configure, logger

class Stuck:
    def __str__(self):
        raise RuntimeError("wrr_abc")

log = logger("test")
configure("INFO")
log.info("first", given="wrr_abc")
logging.getLogger("library").warning("%s %s", Stuck(), "wrr_abc")
log.info("second")
sys.stderr.close()
log.info("third")
print("went on")
"""


def test_a_line_that_can_not_be_written_ends_nothing_and_shows_nothing() -> None:
    program = [sys.executable, "-c", UNWRITABLE]
    done = subprocess.run(program, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout == "went on\n"
    first, missing, second = done.stderr.splitlines()
    assert json.loads(first)["event"] == "first"
    assert missing == "library: a line could not be logged: RuntimeError"
    assert json.loads(second)["event"] == "second"
    assert "abc" not in done.stderr


def test_whatever_is_logged_is_a_line_of_json() -> None:
    for value in ("half \ud800", {1: "a"}, b"\xff", float("nan"), 1 << 70, Path("x"), {"a", "b"}):
        assert "event" in json.loads(_json({"event": "x", "value": value}, repr))
