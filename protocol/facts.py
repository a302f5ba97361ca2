"""Facts of the registry that need more than one type, for the documents.

PROTOCOL.md and the AsyncAPI document are both written from here.
"""

import re
from collections.abc import Iterator
from inspect import cleandoc
from types import ModuleType
from typing import Final, TypeVar, cast

import msgspec
from msgspec import inspect

from protocol.errors import ErrorReason
from protocol.message import Event, Spec, specs
from protocol.pages import Page, item_of
from protocol.users import ROUTE_REFUSES

T = TypeVar("T")

_SHOWN_AS: Final = re.compile(r"(?<=.)(View|Summary|Entry)$")


def defined(module: ModuleType, kind: type[T]) -> list[type[T]]:
    """The classes of a kind that a module defines, in the order of definition."""
    return [
        value
        for value in vars(module).values()
        if isinstance(value, type)
        and issubclass(value, kind)
        and value.__module__ == module.__name__
    ]


def fields(cls: type[msgspec.Struct]) -> tuple[inspect.Field, ...]:
    """The fields of a type."""
    info = inspect.type_info(cls)
    assert isinstance(info, inspect.StructType)
    return info.fields


def schema_name(cls: type[msgspec.Struct]) -> str:
    """The name of a type's schema: `UserPage` for a `Page[UserView]`."""
    item = item_of(cls)
    return cls.__name__ if item is None else f"{_SHOWN_AS.sub('', item.__name__)}Page"


def doc_of(cls: type[msgspec.Struct]) -> str:
    """The description of a type, without indentation."""
    return cleandoc((cls if item_of(cls) is None else Page).__doc__ or "")


def enums(info: inspect.Type) -> Iterator[type]:
    """The enums in a field's type, without those within another struct."""
    match info:
        case inspect.EnumType():
            yield info.cls
        case inspect.VarTupleType() | inspect.ListType():
            yield from enums(info.item_type)
        case inspect.DictType():
            yield from enums(info.value_type)
        case inspect.UnionType():
            for one in info.types:
                yield from enums(one)


def reasons(found: list[ModuleType]) -> list[type[ErrorReason]]:
    """The enums of error reasons, one for each domain."""
    return [cls for m in found for cls in defined(m, ErrorReason) if cls is not ErrorReason]


def refused_by(reason: ErrorReason) -> list[str]:
    """The messages and routes that declare a reason."""
    routes = [route for route, refuses in ROUTE_REFUSES.items() if reason in refuses]
    return [*(spec.name for spec in specs() if reason in spec.refuses), *routes]


class _Named:
    """Stands for an event whose fields are written as their names: `battle:<battle_id>`."""

    def __init__(self, path: str = "") -> None:
        self._path = path

    def __getattr__(self, name: str) -> "_Named":
        return _Named(f"{self._path}.{name}" if self._path else name)

    def __str__(self) -> str:
        return f"<{self._path}>"


def room_of(event: type[Event]) -> str:
    """The room of an event, `battle:<battle_id>`; "" if it has none."""
    return event.room(cast(Event, _Named()))


def by_type(cls: type) -> Spec | None:
    """The registry entry of a type; None if the type is not a message."""
    return next((spec for spec in specs() if spec.type is cls), None)
