"""Each reason that a message declares is provoked, and none that it does not is ever sent.

The cases are those of `refuses=` in the registry; how each is brought about stands in the contract
of its domain. So a reason without a test is a failure here.
"""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from protocol.battles import BattleReason
from protocol.errors import ErrorReason, Failure, RequestReason, refused
from protocol.ids import uuid7
from protocol.message import Kind, Spec
from protocol.users import ROUTE_REFUSES
from server.battles import rules
from server.database.tables import metadata
from tests.contracts import MESSAGES, ROUTES_REFUSED
from tests.support.engines import database, on_both_engines, rows
from tests.support.messages import calls, needs
from tests.support.postgres import Postgres
from tests.support.stage import Stage

TABLES = sorted(metadata.tables)
DECLARED = [(spec, reason) for spec in calls() for reason in spec.refuses]
ROUTES = [(route, reason) for route, refuses in ROUTE_REFUSES.items() for reason in refuses]


def named(value: Any) -> str:
    """The name of a case."""
    return value.name if isinstance(value, Spec) else str(value)


@pytest.fixture
async def stage(tmp_path: Path, engine: str, postgres: Postgres | None) -> AsyncIterator[Stage]:
    url = await database(engine, postgres, tmp_path / "warroom.db")
    async with AsyncExitStack() as stack:
        yield await Stage.open(url, tmp_path, stack)


async def contents(url: str) -> dict[str, list[Any]]:
    """All that a command might change."""
    return {
        table: sorted(await rows(url, f"select * from {table}"), key=repr)  # noqa: S608
        for table in TABLES
    }


def test_every_reason_is_declared_somewhere_and_provoked_where_it_is() -> None:
    declared = {spec.name: set(spec.refuses) for spec in calls()}
    assert declared == {name: set(needs.refused) for name, needs in MESSAGES.items()}
    assert set(ROUTES) == set(ROUTES_REFUSED)


@on_both_engines
@pytest.mark.parametrize(("spec", "reason"), DECLARED, ids=named)
async def test_it_is_refused_for_each_reason_and_nothing_changes(
    stage: Stage, spec: Spec, reason: ErrorReason
) -> None:
    ear, fields = await needs(spec).refused[reason](stage)
    before = await contents(stage.url)
    once = {"request_id": uuid7()} if spec.kind is Kind.COMMAND else {}
    for _ in range(2):
        error = (await ear.ask(spec.name, **fields, **once))["error"]
        assert (error["code"], error["reason"]) == (reason.code, reason), error
        given = set() if reason.details is None else set(reason.details.__struct_fields__)
        assert set(error.get("details", {})) == given
    assert await contents(stage.url) == before


@on_both_engines
@pytest.mark.parametrize(("route", "reason"), ROUTES, ids=named)
async def test_a_route_refuses_for_each_reason(
    stage: Stage, route: str, reason: ErrorReason
) -> None:
    with pytest.raises(Failure) as failure:
        await ROUTES_REFUSED[route, reason](stage)
    error = failure.value.error
    assert (error.code, error.reason) == (reason.code, reason)


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
async def test_every_command_refuses_a_request_id_that_was_used_otherwise(stage: Stage) -> None:
    """It is declared for all of them at once."""
    somebody = await stage.player()
    battle_id = stage.easy()[0]
    await somebody.ok("battles.join", battle_id=battle_id, request_id="once")
    reused = RequestReason.REQUEST_ID_REUSED
    for name in ("battles.leave", "battles.revive", "battles.claim"):
        error = (await somebody.ask(name, battle_id=battle_id, request_id="once"))["error"]
        assert (error["code"], error["reason"]) == (reused.code, reused)


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
@pytest.mark.parametrize("once", [{}, {"request_id": "once"}], ids=["", "once"])
@pytest.mark.parametrize("name", ["battles.leave", "battles.attack"])
async def test_a_reason_that_is_not_declared_is_a_fault_of_ours_and_not_sent(
    stage: Stage,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
    once: dict[str, str],
) -> None:
    somebody = await stage.seated()

    def undeclared(*_: object) -> None:
        raise refused(BattleReason.NOT_OVER, "a reason of another command")

    monkeypatch.setattr(rules, "leave", undeclared)
    monkeypatch.setattr(rules, "strike", undeclared)
    fields = {"battle_id": stage.easy()[0], **once}
    if name == "battles.attack":
        fields |= {"enemy_id": 1}
    error = (await somebody.ask(name, **fields))["error"]
    assert error["code"] == "internal"
    assert "reason" not in error
    assert error["details"].keys() == {"fault_id"}
    logged = capsys.readouterr().out
    assert logged.count("handler_failed") == 1
    assert f"UndeclaredReason: {name}: refused not_over" in logged
