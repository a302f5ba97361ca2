"""Every command that acts on others carries its caller, whatever its handler does."""

from typing import Any

import msgspec
import pytest

from protocol import codec
from protocol.message import Command, Done, Kind, Limit, Registry, Spec
from protocol.permissions import Permission, Role, granted
from protocol.secret import Secret
from server.auth import Callers
from server.database import Statement, Work
from server.gateway import Act, Context, Identity, Oversight
from server.gateway.handler_registry import HandlerEntry
from server.gateway.oversight import Overseen
from server.runtime.metrics import Metrics
from tests.contracts import UNAUDITED
from tests.contracts.contract import UNKNOWN
from tests.support.clock import ManualClock
from tests.support.lines import Line
from tests.support.messages import calls, needs

OTHER = Statement("tests.other", "update facts set value = '' where name = ''")
BOSS = Identity("boss", "Boss", granted(Role.ADMIN), Role.ADMIN, session="log-in")
ROBOT = Identity("robot", "Robot", frozenset({Permission.CONNECT, Permission.OPERATE}))
GUARDS = {
    "boss": ["auth.hold_caller", "auth.hold_log_in"],
    "robot": ["auth.hold_service_key"],
}

COMMANDS = [spec for spec in calls() if spec.kind is Kind.COMMAND]
OVER_OTHERS = [s for s in COMMANDS if needs(s).permission in ("operate", "administer")]

one_each = pytest.mark.parametrize("spec", OVER_OTHERS, ids=lambda spec: spec.name)


class Queue:
    """A database that only takes what is committed."""

    def __init__(self) -> None:
        self.writer = self
        self.work: Work

    def admit(self) -> None:
        """It is never late."""

    def queue(self, work: Work, *_: Any) -> None:
        """Take a unit."""
        self.work = work


def target_of(spec: Spec) -> Any:
    """A reply that names what was made, where the command itself does not."""
    made = spec.audit is not None and spec.audit not in spec.type.__struct_fields__
    fields = [(str(spec.audit), str, UNKNOWN)] if made else []
    return msgspec.defstruct("Target", fields, frozen=True)()


def committed(spec: Spec, caller: Identity, work: Work | None = None) -> tuple[Work, list[Act]]:
    """What a command's unit holds once a handler has committed it, and its acts."""
    acts: list[Act] = []
    callers = Callers(None, lambda: None)  # type: ignore[arg-type]
    oversight = Oversight(callers.guard, callers.check, lambda _, act: acts.append(act))
    message = HandlerEntry(spec, Metrics()).decode(codec.encode(needs(spec).data))
    queue: Any = Queue()
    overseen = Overseen(oversight, spec, message)
    line = Line(caller)
    ctx = Context(line, None, queue, ManualClock(), None, overseen)  # type: ignore[arg-type]
    unit = ctx.work() if work is None else work
    unit.change(OTHER)
    ctx.commit(unit, target_of(spec))
    return queue.work, acts


@one_each
@pytest.mark.parametrize("caller", [BOSS, ROBOT], ids=lambda caller: caller.id)
def test_its_unit_begins_with_its_caller(spec: Spec, caller: Identity) -> None:
    assert spec.guarded
    for made_otherwise in (None, Work("")):
        work, _ = committed(spec, caller, made_otherwise)
        names = [change.statement.name for change in work.changes]
        assert names == [*GUARDS[caller.id], "tests.other"]
        assert {change.rows for change in work.changes} == {1}
        ahead = [change.statement.name for change in work.ahead().changes]
        assert ahead == GUARDS[caller.id]


@one_each
def test_it_names_its_target_or_says_why_not(spec: Spec) -> None:
    if spec.name in UNAUDITED:
        assert spec.audit is None
        assert UNAUDITED[spec.name]
        return
    _, (act,) = committed(spec, BOSS)
    assert (act.action, act.target) == (spec.name, UNKNOWN)
    assert (act.actor, act.actor_name) == ("boss", "Boss")
    assert act.address == "203.0.113.7"


def test_there_are_some() -> None:
    assert {spec.domain for spec in OVER_OTHERS} >= {"users", "connections"}


def test_who_acts_for_themselves_is_not_held() -> None:
    own = [spec for spec in COMMANDS if spec not in OVER_OTHERS]
    assert own
    assert not [spec.name for spec in own if spec.guarded]


@pytest.mark.parametrize("permission", [Permission.OPERATE, Permission.ADMINISTER])
def test_the_permission_alone_makes_it_so(permission: Permission) -> None:
    registry = Registry()

    @registry.command("tests.do", permission=permission, limit=Limit.ACTION)
    class Do(Command[Done], frozen=True):
        """Does."""

    assert registry.find("tests.do").guarded  # type: ignore[union-attr]


def test_another_permission_may_be_for_others_too() -> None:
    registry = Registry()

    @registry.command(
        "tests.do", permission=Permission.AGENT, limit=Limit.ACTION, guarded=True, audit="whom"
    )
    class Do(Command[Done], frozen=True):
        """Does."""

        whom: str

    spec = registry.find("tests.do")
    assert spec is not None
    assert (spec.guarded, spec.audit) == (True, "whom")


@pytest.mark.parametrize("field", ["password", "nothing"])
def test_a_target_is_a_field_and_no_secret(field: str) -> None:
    registry = Registry()
    with pytest.raises(TypeError, match=f"{field} is not a field that can name the target"):

        @registry.command(
            "tests.do", permission=Permission.ADMINISTER, limit=Limit.ACTION, audit=field
        )
        class Do(Command[Done], frozen=True):
            """Does."""

            password: Secret
