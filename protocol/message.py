"""The registry of all commands, queries and events.

A decorator registers a message type. Validation, permissions, limits, documentation, metric labels
and tests read the registry. The functions at the end use the server's own registry; conformance
mode has another one.
"""

import builtins
from collections.abc import Callable, Iterator
from enum import StrEnum
from typing import Any, ClassVar, Final, Generic, TypeVar, get_args, get_origin

import msgspec

from protocol.errors import Code, Error, ErrorReason, Failure, RequestReason
from protocol.ids import RequestId
from protocol.marks import holds_mark
from protocol.permissions import OVER_OTHERS, Permission
from protocol.rooms import Room
from protocol.secret import Guarded, holds_secret, secret_fields
from protocol.text import MARK as SHOWN

Reply = TypeVar("Reply", bound=msgspec.Struct)
M = TypeVar("M", bound=type[msgspec.Struct])


class Command(
    Guarded,
    msgspec.Struct,
    Generic[Reply],
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    omit_defaults=True,
):
    """Changes something. Its reply is a promise: an acknowledged command is committed.

    Its JSON leaves out default values: otherwise the digest that identifies a retry would
    change with every field that a later version adds.

    Derive from it directly: a command derived from a command would inherit its reply silently.
    A field may be a `Secret`; commands that differ only in secrets are the same for
    `request_id`. Replies are stored, so they contain no secret.
    """

    request_id: RequestId | None = None


class Query(
    Guarded, msgspec.Struct, Generic[Reply], frozen=True, kw_only=True, forbid_unknown_fields=True
):
    """Reads and changes nothing."""


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """Something that has happened, delivered to all members of a room."""

    in_log: ClassVar[bool] = False
    """Whether the log of the room is its state: the decision numbers such an event."""

    def room(self) -> Room:
        """The room in which it is published."""
        raise NotImplementedError


class Done(msgspec.Struct, frozen=True):
    """The reply of a command without data."""


class Limit(StrEnum):
    """The classes of rate limits. The figures are in `RATES`."""

    ACTION = "action"
    CHAT = "chat"
    READ = "read"
    ROOM = "room"
    RARE = "rare"
    LOGIN = "login"  # log-ins that fail, by account

    __hash__ = str.__hash__  # an enumeration's own is written in Python, and asked for each message


Rates = dict[Limit, tuple[float, int]]
"""For each class: sustained messages a second, and the burst."""

RATES: Final[Rates] = {
    Limit.ACTION: (20.0, 40),
    Limit.CHAT: (0.5, 5),
    Limit.READ: (20.0, 60),
    Limit.ROOM: (10.0, 60),
    Limit.RARE: (1.0, 10),
    Limit.LOGIN: (0.1, 10),
}
"""Of one user."""

ADDRESS_RATES: Final[Rates] = {
    Limit.ACTION: (2000.0, 4000),
    Limit.CHAT: (50.0, 500),
    Limit.READ: (2000.0, 6000),
    Limit.ROOM: (1000.0, 6000),
    Limit.RARE: (100.0, 1000),
    Limit.LOGIN: (1.0, 30),
}
"""Of one address, multiplied by ADDRESS_LIMIT_SCALE: a hundred users at full speed may share one,
and a thousand may connect at once. Users mistype few passwords, so failed log-ins have less."""


class Delivery(StrEnum):
    """How an event is delivered to one client."""

    KEPT = "kept"  # numbered, in the history, never dropped
    LATEST = "latest"  # a newer one replaces a pending one
    LOSSY = "lossy"  # the oldest pending ones are dropped


KEPT: Final = Delivery.KEPT
LATEST: Final = Delivery.LATEST
LOSSY: Final = Delivery.LOSSY


class Kind(StrEnum):
    """The kind of a message."""

    COMMAND = "command"
    QUERY = "query"
    EVENT = "event"


class UndeclaredReason(Exception):
    """A message failed with a reason that its `refuses` does not list: a server error."""


class Spec(msgspec.Struct, frozen=True):
    """One entry of the registry."""

    name: str
    kind: Kind
    type: type[msgspec.Struct]
    doc: str
    reply: builtins.type[msgspec.Struct] | None = None
    permission: Permission | None = None
    limit: Limit | None = None
    delivery: Delivery | None = None
    secrets: tuple[str, ...] = ()
    guarded: bool = False
    """Whether it acts on others: it is committed only while its caller still has the permission."""
    audit: str | None = None
    """The field with its target in the audit log; None if it is not audited. It is a field of the
    reply if the command creates the target."""
    refuses: tuple[ErrorReason, ...] = ()
    """Every possible reason of `refused` and `conflict`. Every command also has the reasons of a
    `request_id`."""

    def declares(self, error: Error) -> bool:
        """Whether an error is a declared reply: codes with reasons need a declared reason."""
        if error.code not in (Code.REFUSED, Code.CONFLICT):
            return error.reason is None
        every = tuple(RequestReason) if self.kind is Kind.COMMAND else ()
        return error.reason in (*self.refuses, *every)

    def checked(self, fault: Exception) -> Exception:
        """The exception of a handler; UndeclaredReason instead of an undeclared Failure."""
        if not isinstance(fault, Failure) or self.declares(fault.error):
            return fault
        undeclared = UndeclaredReason(f"{self.name}: {fault.error.code} {fault.error.reason}")
        undeclared.__cause__ = fault
        return undeclared

    @property
    def domain(self) -> str:
        """The word before the dot."""
        return self.name.partition(".")[0]


_by_type: Final[dict[type, Spec]] = {}
"""The entries of all registries: a type is in one of them."""


def _reply_of(cls: type[msgspec.Struct], base: Any) -> type[msgspec.Struct]:
    for parent in cls.__dict__.get("__orig_bases__", ()):
        if get_origin(parent) is base:
            (reply,) = get_args(parent)
            assert isinstance(get_origin(reply) or reply, type)  # a Page[Item] is an alias
            found: type[msgspec.Struct] = reply
            return found
    raise TypeError(f"{cls.__name__} must derive from {base.__name__}[<its reply>] directly")


class Registry:
    """All messages of one kind of server.

    `dotted`: whether a name must be domain.verb, and no event may have that of a command.
    """

    def __init__(self, *, dotted: bool = True) -> None:
        self._dotted: Final = dotted
        self._calls: dict[str, Spec] = {}
        self._events: dict[str, Spec] = {}

    def command(
        self,
        name: str,
        *,
        permission: Permission,
        limit: Limit,
        guarded: bool = False,
        audit: str | None = None,
        refuses: tuple[ErrorReason, ...] = (),
    ) -> Callable[[M], M]:
        """Register a `Command[Reply]` under its wire name.

        `guarded` marks a command that acts on others; permissions of OVER_OTHERS imply it.
        `audit` is the field with its target. `refuses` lists all possible reasons: any other
        one is a server error.
        """
        guarded = guarded or permission in OVER_OTHERS
        return self._register_call(
            name, Kind.COMMAND, Command, permission, limit, guarded, audit, refuses
        )

    def query(
        self,
        name: str,
        *,
        permission: Permission,
        limit: Limit = Limit.READ,
        refuses: tuple[ErrorReason, ...] = (),
    ) -> Callable[[M], M]:
        """Register a `Query[Reply]` under its wire name. `refuses` as for a command."""
        return self._register_call(name, Kind.QUERY, Query, permission, limit, refuses=refuses)

    def event(self, name: str, *, delivery: Delivery) -> Callable[[M], M]:
        """Register an `Event` under its wire name."""

        def register(cls: M) -> M:
            if holds_secret(cls):
                raise TypeError(f"{name}: an event is published, so it must not contain a Secret")
            self._add(Spec(name, Kind.EVENT, cls, (cls.__doc__ or "").strip(), delivery=delivery))
            return cls

        return register

    def find(self, name: str) -> Spec | None:
        """The entry of a wire name, None if there is none. Never raises."""
        return self._calls.get(name) or self._events.get(name)

    def specs(self, *kinds: Kind) -> Iterator[Spec]:
        """All entries of the kinds (by default of all kinds), sorted by name."""
        both = (*self._calls.values(), *self._events.values())
        for spec in sorted(both, key=lambda spec: spec.name):
            if not kinds or spec.kind in kinds:
                yield spec

    def _register_call(
        self,
        name: str,
        kind: Kind,
        base: Any,
        permission: Permission,
        limit: Limit,
        guarded: bool = False,
        audit: str | None = None,
        refuses: tuple[ErrorReason, ...] = (),
    ) -> Callable[[M], M]:
        def register(cls: M) -> M:
            doc = (cls.__doc__ or "").strip()
            reply = _reply_of(cls, base)
            if holds_mark(cls, SHOWN, deep_only=True):
                raise TypeError(
                    f"{name}: text that others see must be a direct field, or it is not checked"
                )
            if holds_secret(cls, deep_only=True):
                raise TypeError(f"{name}: a Secret must be a direct field, or it is not masked")
            if kind is Kind.COMMAND and holds_secret(reply):
                raise TypeError(
                    f"{name}: replies of commands are stored, so they must not contain a Secret"
                )
            if audit is not None:
                named = [f for of in (cls, reply) for f in of.__struct_fields__]
                if audit not in named or audit in secret_fields(cls):
                    raise TypeError(f"{name}: {audit} is not a field that can name the target")
            self._add(
                Spec(
                    name,
                    kind,
                    cls,
                    doc,
                    reply=reply,
                    permission=permission,
                    limit=limit,
                    secrets=secret_fields(cls),
                    guarded=guarded,
                    audit=audit,
                    refuses=refuses,
                )
            )
            return cls

        return register

    def _add(self, spec: Spec) -> None:
        names = self._events if spec.kind is Kind.EVENT else self._calls
        taken = {**self._calls, **self._events} if self._dotted else names
        if spec.name in taken or spec.type in _by_type:
            raise ValueError(f"{spec.name} or {spec.type.__name__} is already registered")
        if "." not in spec.name and self._dotted:
            raise ValueError(f"{spec.name}: a name must be domain.verb")
        if not spec.doc:
            raise ValueError(f"{spec.name}: a message needs a docstring: it is its documentation")
        names[spec.name] = spec
        _by_type[spec.type] = spec


spec_of: Final[Callable[[type], Spec]] = _by_type.__getitem__
"""The entry of a message type in any registry. Raises KeyError if there is none."""


REGISTRY: Final = Registry()
"""The server's own registry."""

command = REGISTRY.command
query = REGISTRY.query
event = REGISTRY.event
find = REGISTRY.find
specs = REGISTRY.specs
