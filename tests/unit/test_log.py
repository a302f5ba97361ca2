"""The log: our own events by level, libraries from WARNING on, and no token in any of it."""

import json
import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from protocol.secret import KEY_PREFIX, REFRESH_PREFIX

ROOT = Path(__file__).parents[2]
LIBRARIES = ("uvicorn.error", "engineio.server", "socketio", "aiosqlite", "sqlalchemy", "anything")
SECRETS = (f"{REFRESH_PREFIX}abc-def_1", f"{KEY_PREFIX}abc", "eyJhbGciOiJI.eyJzdWIi.abc-_def")

PROGRAM = """
import logging, sys
from server.runtime.log import configure, logger
configure(sys.argv[1])
log = logger("test")
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
