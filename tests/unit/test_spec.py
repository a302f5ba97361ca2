"""PROTOCOL.md and README.md say what the code says."""

import ast
import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import pytest

from protocol import spec
from protocol.domains import APART, load
from protocol.gateway import EvictionReason, ExpiryReason
from protocol.message import Kind, find, specs
from server.cli.settings import BEGIN, END, documentation
from server.config import Settings
from server.gateway.connection import MAX_INBOX
from server.gateway.outbox import MAX_LOSSY
from server.gateway.pace import EXCUSED
from server.gateway.rooms import MAX_GAP_BYTES, MAX_GAP_EVENTS
from server.rest import MAX_BODY_BYTES, STATUS
from tests.support.markdown import chapter, rows

ROOT = Path(__file__).parents[2]


@pytest.fixture
def document(tmp_path: Path) -> Path:
    """A copy of PROTOCOL.md, as it should be."""
    copy = tmp_path / "PROTOCOL.md"
    copy.write_text(spec.DOCUMENT.read_text())
    spec.main(["--write"], copy)
    return copy


def check(document: Path) -> str | None:
    """What the check says, None where it is content."""
    try:
        spec.main(["--check"], document)
    except SystemExit as e:
        return str(e.code)
    return None


def test_the_document_is_current() -> None:
    assert check(spec.DOCUMENT) is None


def test_an_edited_table_is_stale_until_it_is_written(document: Path) -> None:
    wanted = document.read_text()
    document.write_text(wanted.replace("Strike an enemy once.", "Strike an enemy twice."))
    assert check(document) == "PROTOCOL.md is stale: run python -m protocol.spec --write"
    spec.main(["--write"], document)
    assert check(document) is None
    assert document.read_text() == wanted


def test_a_changed_docstring_makes_it_stale(
    document: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    attack = find("battles.attack")
    assert attack is not None
    monkeypatch.setattr(attack.type, "__doc__", "Strike an enemy, gently.")
    assert check(document) is not None


def test_what_stands_outside_of_the_marks_is_left_alone(document: Path) -> None:
    document.write_text(f"Before.\n{document.read_text()}After.\n")
    assert check(document) is None


def test_a_mark_that_is_gone_is_named(document: Path) -> None:
    document.write_text(document.read_text().replace("generated: codes", "generated: cods"))
    assert check(document) == "PROTOCOL.md: each generated part has one place; look at: codes, cods"


def test_stale_is_exit_code_1() -> None:
    program = "import sys; from pathlib import Path; from protocol import spec; spec.main"
    done = subprocess.run(
        [sys.executable, "-c", f"{program}(['--check'], Path({os.devnull!r}))"],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1


def test_every_message_is_in_the_document(document: Path) -> None:
    lines = document.read_text().splitlines()
    load()
    for entry in specs():
        if not entry.name.startswith("tests."):
            assert lines.count(f"#### `{entry.name}`") == 1
            assert entry.doc.splitlines()[0] in lines


def test_every_command_stands_with_its_fields_and_its_permission(document: Path) -> None:
    text = document.read_text()
    for entry in specs(Kind.COMMAND, Kind.QUERY):
        part = text.partition(f"#### `{entry.name}`\n")[2].partition("\n#### ")[0]
        assert f"permission `{entry.permission}`" in part
        for field in entry.type.__struct_fields__:
            assert f"`{field}`" in part or field == "request_id"


def test_every_module_of_the_contract_is_read() -> None:
    there = {path.stem for path in (ROOT / "protocol").glob("*.py")} - APART - {"__init__"}
    assert {module.__name__.removeprefix("protocol.") for module in load()} == there


def test_it_needs_msgspec_and_the_standard_library_only() -> None:
    tree = ast.parse((ROOT / "protocol" / "spec.py").read_text())
    modules = {
        name.split(".")[0]
        for node in ast.walk(tree)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert modules - set(sys.stdlib_module_names) == {"msgspec", "protocol"}


def test_limits_are_the_server_s() -> None:
    text = spec.DOCUMENT.read_text()
    limits = text.partition("\n## Limits\n")[2].partition("\n## ")[0]
    for figure in (Settings.outbox_limit_bytes, Settings.max_message_bytes, MAX_BODY_BYTES):
        assert f"| {figure:,} bytes" in limits
    for name in ("outbox_limit_bytes", "outbox_stall_s", "max_message_bytes"):
        assert f"`{name.upper()}`" in limits
    assert f"reply, a connection | {MAX_INBOX} |" in limits
    rate, at_once = EXCUSED
    assert f"a connection | {rate:g} a second, {at_once} at once | `server.evicted`" in limits
    assert f"| {Settings.outbox_stall_s:g} s (`OUTBOX_STALL_S`) |" in limits
    interval_s, timeout_s = Settings.ping_interval_ms / 1000, Settings.ping_timeout_ms / 1000
    assert f"every {interval_s:g} s, to be answered within {timeout_s:g} s" in limits
    assert f"more than {MAX_GAP_EVENTS:,} events, more than {MAX_GAP_BYTES // 1024} KiB" in text
    assert f"more than {MAX_LOSSY} of the same" in text


def test_every_code_has_its_status_in_the_document() -> None:
    lines = spec.DOCUMENT.read_text().splitlines()
    for code, status in STATUS.items():
        assert any(line.startswith(f"| {status} |") and f"`{code}`" in line for line in lines)


def test_every_way_to_end_says_whether_to_come_back() -> None:
    endings = rows(chapter(spec.DOCUMENT.read_text(), "How a connection ends"))
    said = [(what.strip("`"), reason.strip("`")) for what, reason, _, _ in endings]
    for event, reasons in (("auth.expired", ExpiryReason), ("server.evicted", EvictionReason)):
        assert sorted(r for e, r in said if e == event) == sorted(reasons)
    assert len(set(said)) == len(said)
    assert {retry for _, _, retry, _ in endings} == {"yes", "no"}


def test_the_settings_in_the_readme_are_those_of_the_code() -> None:
    text = (ROOT / "README.md").read_text()
    assert f"{BEGIN}\n\n{documentation()}\n\n{END}" in text


@pytest.mark.parametrize("setting", dataclasses.fields(Settings), ids=lambda s: str(s.name))
def test_every_setting_has_a_row(setting: dataclasses.Field[object]) -> None:
    rows = [row for row in documentation().splitlines() if f"`{setting.name.upper()}`" in row]
    assert len(rows) == 1
    cells = [cell.strip() for cell in rows[0].strip("|").split("|")]
    assert cells[2:] == [setting.metadata[known] for known in ("unit",)] + [
        setting.metadata["parse"].__doc__,
        setting.metadata["doc"],
    ]
    for alias in filter(None, [setting.metadata["alias"]]):
        assert f"`{alias}`" in cells[0]
