"""PROTOCOL.md and the table of settings say what the code says."""

import ast
import dataclasses
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from protocol import spec
from protocol.auth import PASSWORD_MAX_BYTES, PASSWORD_MIN_BYTES
from protocol.domains import APART, load
from protocol.endings import RefusalReason
from protocol.errors import Code
from protocol.gateway import EvictionReason, ExpiryReason, RoomReason
from protocol.message import ADDRESS_RATES, RATES, Kind, Limit, find, specs
from server.auth import turns
from server.auth.attempts import ACCOUNT_RATE
from server.cli.settings import BEGIN, END, documentation
from server.config import Settings
from server.database.writer import MAX_WAIT_S
from server.gateway import rate_limits
from server.gateway.admission import RENEWED_S
from server.gateway.backlog import USER_MESSAGES
from server.gateway.connection import MAX_INBOX
from server.gateway.main_namespace import SocketIOConnection
from server.gateway.rooms import MAX_GAP_BYTES, MAX_GAP_EVENTS, MAX_ROOMS
from server.http.request_timeouts import MAX_HEAD_BYTES, MAX_HEADERS
from server.http.rest import MAX_BODY_BYTES, STATUS
from server.transport import limits
from server.transport.frame_reader import FRAGMENT_BYTES, SPARE_FRAGMENTS
from server.transport.outbox import MAX_LOSSY
from server.transport.polling import MAX_PACKETS, PROBE_S
from server.transport.websocket import LINGER_S, RESTRICTED_BYTES
from tests.support.markdown import chapter, rows, spans

ROOT = Path(__file__).parents[2]
LOG_INS, REGISTRATIONS = turns.MAX_OF_NETWORK.values()


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


def test_figures_in_the_text_are_the_server_s() -> None:
    text = spec.DOCUMENT.read_text()
    assert f"more than {MAX_GAP_EVENTS:,} events, more than {MAX_GAP_BYTES // 1024} KiB" in text
    assert f"more than {MAX_LOSSY} of the same" in text
    said = " ".join(chapter(text, "1. Unauthenticated: register or log in").split())
    for words in (
        f"At most {turns.MAX_WAITING} password hashes are queued: of one network at most"
        f" {LOG_INS} for log-ins and {REGISTRATIONS} for registrations.",
        f"per network: {at_once(ADDRESS_RATES[Limit.LOGIN])};",
        f"per account and network: {at_once(RATES[Limit.LOGIN])};",
        f"has not logged in from before: {at_once(ACCOUNT_RATE)}.",
        f"{PASSWORD_MIN_BYTES} to {PASSWORD_MAX_BYTES} bytes of UTF-8",
    ):
        assert words in said


def at_once(rate: tuple[float, int]) -> str:
    """A rate as it stands in the table of rates."""
    return f"{rate[0]:g}/s, {rate[1]} at once"


def bytes_of(setting: str) -> str:
    """A default in bytes, with its setting."""
    return f"{getattr(Settings, setting):,} bytes (`{setting.upper()}`)"


def ms_of(setting: str) -> str:
    """A default in milliseconds as seconds, with its setting."""
    return f"{getattr(Settings, setting) / 1000:g} s (`{setting.upper()}`)"


def rate_of(excused: tuple[float, int]) -> str:
    """A rate, and how many at once."""
    return f"{excused[0]:g} a second, {excused[1]} at once"


LIMITS = {
    "one message of a client, one polling body": (
        f"{Settings.max_message_bytes:,} bytes of UTF-8 (`MAX_MESSAGE_BYTES`)"
    ),
    "fragments of one message over a WebSocket": (
        f"{SPARE_FRAGMENTS:,}, and one more for each {FRAGMENT_BYTES} received bytes"
    ),
    "packets in one polling body": f"{MAX_PACKETS:,}",
    "before authentication: one message, one polling body": (
        f"{RESTRICTED_BYTES:,} bytes; Engine.IO's `maxPayload` applies afterwards"
    ),
    "unauthenticated clients, and incomplete requests": (
        f"{Settings.max_unauthenticated_connections:,} (`MAX_UNAUTHENTICATED_CONNECTIONS`)"
    ),
    "binary attachments": "none" if SocketIOConnection.max_attachments == 0 else "some",
    "pending messages of a connection": f"{MAX_INBOX}",
    "pending and partly received messages of a connection": (
        f"{Settings.max_message_bytes:,} bytes (`MAX_MESSAGE_BYTES`)"
    ),
    "pending and partly received messages of a user": (
        f"{ {4: 'four'}[USER_MESSAGES] } times as much"
    ),
    "pending and partly received messages of all clients": (
        f"{Settings.backlog_limit_bytes:,} bytes (`BACKLOG_LIMIT_BYTES`)"
    ),
    "messages of a connection in spite of `rate_limited`": rate_of(rate_limits.IN_SPITE),
    "junk of a connection: pings, unexpected acknowledgements, rejected log-ins, messages before"
    " authentication": rate_of(limits.JUNK_RATE),
    "rooms of a connection": f"{MAX_ROOMS:,}",
    "send buffer of a client": bytes_of("outbox_limit_bytes"),
    "time in which a client reads nothing from its send buffer": (
        f"{Settings.outbox_stall_s:g} s (`OUTBOX_STALL_S`)"
    ),
    "time to read the last messages before the server closes": f"{LINGER_S:g} s",
    "silence": (
        f"a ping every {ms_of('ping_interval_ms')}, pong within {ms_of('ping_timeout_ms')}"
    ),
    "time to authenticate": ms_of("connect_timeout_ms"),
    "time to receive a complete request or message": ms_of("receive_timeout_ms"),
    "time for a reply": f"{Settings.command_timeout:g} s (`COMMAND_TIMEOUT`)",
    "time to upgrade from polling to a WebSocket": f"{PROBE_S:g} s",
    "a REST body": f"{MAX_BODY_BYTES:,} bytes",
    "request line and headers": f"{MAX_HEAD_BYTES:,} bytes, {MAX_HEADERS} headers",
    "queued password hashes": (
        f"{turns.MAX_WAITING}; of one network {LOG_INS} for log-ins and {REGISTRATIONS} for"
        " registrations"
    ),
    "time that a change waits for its commit": f"{MAX_WAIT_S:g} s",
    "concurrent connections of one address": (
        f"{Settings.max_connections_per_address:,} (`MAX_CONNECTIONS_PER_ADDRESS`)"
    ),
    "concurrent connections of one user or service": (
        f"{Settings.max_connections_per_user:,} (`MAX_CONNECTIONS_PER_USER`)"
    ),
    "new connections of an address or a user": (
        f"a burst as large as the concurrent limit, refilled in {RENEWED_S:g} s"
    ),
}
"""What PROTOCOL.md says, from what the server does."""


def test_limits_are_the_server_s() -> None:
    said = {what: limit for what, limit, _ in rows(chapter(spec.DOCUMENT.read_text(), "Limits"))}
    assert said == LIMITS


def test_what_comes_beyond_a_limit_is_a_code_or_a_reason() -> None:
    known = {*Code, *EvictionReason, *RoomReason, *RefusalReason, "server.evicted"}
    for what, _, beyond in rows(chapter(spec.DOCUMENT.read_text(), "Limits")):
        assert set(spans(beyond)) <= known, what


def test_every_setting_that_is_a_limit_is_told_to_who_writes_a_client() -> None:
    told = spans(chapter(spec.DOCUMENT.read_text(), "Limits and endings"))
    limits = re.compile(r"max_|limit_|_limit|timeout|stall|interval_ms")
    names = [s.name for s in dataclasses.fields(Settings) if limits.search(s.name)]
    assert len(names) >= 10
    assert {name.upper() for name in names} - set(told) == set()


def test_every_reason_to_refuse_stands_with_its_close_code() -> None:
    said = rows(chapter(spec.DOCUMENT.read_text(), "Transport errors"))
    assert [(reason, code) for reason, code, *_ in said] == [
        (f"`{reason}`", "" if reason.close_code is None else str(int(reason.close_code)))
        for reason in RefusalReason
    ]
    assert {retry for _, _, _, retry, _ in said} == {"yes", "no"}
    assert all(why for *_, why in said)


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
    text = (ROOT / "server" / "README.md").read_text()
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
