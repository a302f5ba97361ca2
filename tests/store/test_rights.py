"""Changes of rights reach open connections: in one process at once, in others at the next look."""

import asyncio
import sqlite3
from pathlib import Path

import pytest

from protocol.errors import Code, Failure
from protocol.permissions import Role
from server.auth import Accounts, Auth
from server.auth import rights as module
from tests.support.lines import accepted, line
from tests.support.processes import Look, Process, process, versions

# ---- in one process: at once


async def test_logging_out_closes_what_the_log_in_opened_and_no_more(here: Process) -> None:
    first = await here.person("alice")
    second = await here.log_in("alice")
    other = await here.person("bob")
    lines = [await here.line(who) for who in (first, first, second, other)]
    await here.log_out(first)
    assert [line.ended for line in lines] == ["logged_out", "logged_out", None, None]
    assert not await accepted(here.app, token=first.tokens.access_token)
    assert await accepted(here.app, token=second.tokens.access_token)


async def test_who_is_disabled_is_out_and_comes_in_again_only_by_a_new_log_in(
    here: Process,
) -> None:
    log_ins = [await here.person("alice"), await here.log_in("alice")]
    lines = [await here.line(logged_in) for logged_in in log_ins]
    await here.app.service(Accounts).disable("alice")
    assert [line.ended for line in lines] == ["disabled", "disabled"]
    with pytest.raises(Failure) as caught:
        await here.log_in("alice")
    assert caught.value.error.code is Code.UNAUTHENTICATED
    await here.app.service(Accounts).enable("ALICE")
    for logged_in in log_ins:
        assert not await accepted(here.app, token=logged_in.tokens.access_token)
        with pytest.raises(Failure):
            await here.app.service(Auth).refresh(logged_in.tokens.refresh_token)
    again = await here.line(await here.log_in("alice"))
    assert again.ended is None


async def test_another_role_closes_and_is_refreshed_into(here: Process) -> None:
    logged_in = await here.person("alice")
    before = await here.line(logged_in)
    await here.app.service(Accounts).set_role("alice", Role.VIEWER)
    assert before.ended == "rights_changed"
    assert not await accepted(here.app, token=logged_in.tokens.access_token)
    refreshed = await here.app.service(Auth).refresh(logged_in.tokens.refresh_token)
    after = await here.line(refreshed)
    assert (after.ended, after.identity.role) == (None, Role.VIEWER)


async def test_a_service_key_is_revoked(here: Process) -> None:
    keys = [
        await here.app.service(Accounts).add_service_key(name, ["read"])
        for name in ("one", "other")
    ]
    lines = [await line(here.app, service_key=key) for key in keys]
    await here.app.service(Accounts).revoke_service_key("one")
    assert [line.ended for line in lines] == ["revoked", None]
    assert not await accepted(here.app, service_key=keys[0])
    assert await accepted(here.app, service_key=keys[1])


async def test_what_changes_nothing_closes_nothing(here: Process, tmp_path: Path) -> None:
    logged_in = await here.person("alice")
    await here.log_out(await here.log_in("alice"))
    ended = await here.log_in("alice")
    await here.log_out(ended)
    before = versions(tmp_path)
    stays = await here.line(logged_in)
    await here.log_out(ended)
    await here.app.service(Auth).log_out("no token at all")
    await here.app.service(Accounts).set_role("alice", Role.PLAYER)
    await here.app.service(Accounts).enable("alice")
    assert versions(tmp_path) == before == [1, 2]
    assert stays.ended is None


# ---- between processes


async def test_what_another_process_changes_is_acted_on_within_a_look(
    here: Process, there: Process, listening: Look
) -> None:
    key = await here.app.service(Accounts).add_service_key("robot", [])
    people = [await here.person(name) for name in ("alice", "bob", "carol", "dave")]
    lines = [await here.line(who) for who in people]
    lines.append(await line(here.app, service_key=key))
    await there.log_out(people[0])
    await there.app.service(Accounts).disable("bob")
    await there.app.service(Accounts).set_role("carol", Role.AGENT)
    await there.app.service(Accounts).revoke_service_key("robot")
    assert {line.ended for line in lines} == {None}
    await listening()
    assert [line.ended for line in lines] == [
        "logged_out",
        "disabled",
        "rights_changed",
        None,
        "revoked",
    ]


async def test_who_came_in_with_the_new_rights_is_not_closed_for_the_change(
    here: Process, there: Process, listening: Look
) -> None:
    logged_in = await here.person("alice")
    before = await here.line(logged_in)
    await there.app.service(Accounts).set_role("alice", Role.VIEWER)
    after = await here.line(await here.app.service(Auth).refresh(logged_in.tokens.refresh_token))
    await listening()
    assert (before.ended, after.ended) == ("rights_changed", None)
    await listening()
    assert after.ended is None


async def test_a_start_begins_from_the_newest_change(here: Process, tmp_path: Path) -> None:
    logged_in = await here.person("alice")
    for _ in range(3):
        await here.log_out(await here.log_in("alice"))
    async with process(tmp_path) as restarted:
        open_line = await restarted.line(logged_in)
        await restarted.app.service(Accounts).set_role("alice", Role.VIEWER)
        assert open_line.ended == "rights_changed"


async def test_changes_are_numbered_without_a_gap_whoever_makes_them(
    here: Process, there: Process, tmp_path: Path
) -> None:
    people = [await here.person(f"person-{n}") for n in range(20)]

    async def change(n: int, where: Process) -> None:
        if n % 2:
            await where.app.service(Accounts).set_role(f"person-{n}", Role.VIEWER)
        else:
            await where.log_out(people[n])

    await asyncio.gather(*(change(n, (here, there)[n % 4 // 2]) for n in range(20)))
    assert versions(tmp_path) == list(range(1, 21))


async def test_the_same_change_in_two_processes_is_made_once(
    here: Process, there: Process, tmp_path: Path
) -> None:
    await here.person("alice")
    await asyncio.gather(
        *(p.app.service(Accounts).disable("alice") for p in (here, there, here, there))
    )
    assert versions(tmp_path) == [1]


# ---- the log of changes


async def test_old_changes_are_forgotten_and_never_the_newest(
    here: Process, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "KEPT", 3)
    monkeypatch.setattr(module, "FORGET_EACH", 2)
    await here.person("alice")
    for n in range(1, 12):
        await here.log_out(await here.log_in("alice"))
        kept = versions(tmp_path)
        assert kept == list(range(kept[0], n + 1))
        assert min(n, 3) <= len(kept) <= 3 + 2


async def test_who_was_away_for_too_long_lets_all_come_in_anew(
    here: Process, there: Process, listening: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    logged_in, other = await here.person("alice"), await here.person("bob")
    lines = [await here.line(who) for who in (logged_in, other)]
    monkeypatch.setattr(module, "KEPT", 2)
    monkeypatch.setattr(module, "FORGET_EACH", 1)
    await there.log_out(logged_in)
    for _ in range(5):
        await there.log_out(await there.log_in("bob"))
    fresh = await here.line(other)
    await listening()
    assert [line.ended for line in (*lines, fresh)] == ["rights_changed", "rights_changed", None]


async def test_a_database_that_is_away_ends_nothing(
    here: Process,
    there: Process,
    listening: Look,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """To forget old changes it writes, and can't."""
    people = [await here.person(name) for name in ("alice", "bob", "carol")]
    lines = [await here.line(who) for who in people]
    monkeypatch.setattr(module, "KEPT", 1)
    monkeypatch.setattr(module, "FORGET_EACH", 1)
    await here.app.database.writer.close()
    for who, open_line in zip(people, lines, strict=True):
        await there.log_out(who)
        await listening()
        assert open_line.ended == "logged_out"
    assert capsys.readouterr().out.count("rights_not_read") == 2


async def test_a_reason_of_a_newer_server_is_a_change_of_rights(
    here: Process, listening: Look, tmp_path: Path
) -> None:
    open_line = await here.line(await here.person("alice"))
    with sqlite3.connect(tmp_path / "warroom.db") as db:
        row = (1, open_line.identity.id, None, "banned", 0)
        db.execute("insert into rights_changes values (?, ?, ?, ?, ?)", row)
    db.close()
    await listening()
    assert open_line.ended == "rights_changed"
