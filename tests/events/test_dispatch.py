"""Every message gets its answer, whatever is wrong with it."""

from pathlib import Path
from typing import Any

import pytest

from tests.support.battles import easy_battle
from tests.support.people import Person, connected
from tests.support.server import Server


async def test_an_unknown_command_is_answered(alice: Person) -> None:
    assert await alice.refused("battles.cheat") == ("not_found", None)


@pytest.mark.parametrize("name", ["connect", "disconnect", "__proto__", "", "x" * 5000])
async def test_names_that_libraries_reserve_are_nothing_special(alice: Person, name: str) -> None:
    assert await alice.refused(name) == ("not_found", None)
    assert (await alice.ok("players.get"))["player"]["player_id"] == alice.id


async def test_an_event_is_no_command(alice: Person) -> None:
    assert await alice.refused("battles.struck") == ("not_found", None)


@pytest.mark.parametrize("data", [[], "text", 7, True, [{}]])
async def test_data_that_is_no_object_is_invalid(alice: Person, data: Any) -> None:
    answer = await alice.call("battles.get", data)
    assert answer["error"]["code"] == "invalid"


@pytest.mark.socketio
async def test_more_than_one_argument_is_invalid(alice: Person) -> None:
    answer = await alice.call("players.get", ({}, {}))
    assert answer["error"]["code"] == "invalid"


@pytest.mark.socketio
async def test_binary_is_invalid(alice: Person) -> None:
    answer = await alice.call("battles.get", {"battle_id": b"bytes"})
    assert answer["error"]["code"] == "invalid"


async def test_a_message_that_asks_for_no_answer_is_carried_out(alice: Person) -> None:
    battle_id = await easy_battle(alice)
    await alice.tell("rooms.join", room=f"battle:{battle_id}")
    await alice.tell("battles.join", battle_id=battle_id)
    battle = await alice.ok("battles.get", battle_id=battle_id)  # in order: both are done
    assert battle["seats"][alice.id]["seated"]
    joined = [data for name, data, _ in alice.events if name == "battles.player_joined"]
    assert [event["seat"]["player_id"] for event in joined] == [alice.id]


async def test_too_many_at_once_are_told_when_to_go_on(alice: Person) -> None:
    answers = [await alice.call("auth.renew", token="none") for _ in range(12)]
    codes = [answer["error"]["code"] for answer in answers]
    assert codes == ["unauthenticated"] * 10 + ["rate_limited"] * 2
    assert 0 < answers[-1]["error"]["retry_after_ms"] <= 1001


@pytest.mark.usefixtures("transport")
async def test_a_bug_in_a_handler_is_answered_and_logged(tmp_path: Path) -> None:
    async with Server(tmp_path / "data", "tests.support.broken_server") as server:
        person = await connected(server.url)
        answer = await person.call("tests.broken")
        assert answer["error"]["code"] == "internal"
        fault = answer["error"]["details"]["fault_id"]
        assert fault in answer["error"]["message"]
        assert "ZeroDivisionError" not in str(answer)
        assert (await person.ok("players.get"))["player"]["player_id"] == person.id
        await person.close()
    (line,) = [line for line in server.logged() if line["event"] == "handler_failed"]
    assert line["origin"] == fault
    assert line["command"] == "tests.broken"
    assert "ZeroDivisionError" in line["exception"]
