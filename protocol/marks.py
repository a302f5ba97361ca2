"""Finds marks on the types of fields, such as `Meta(extra={"secret": True})`."""

from collections.abc import Iterator

import msgspec
from msgspec import inspect


def mark_of(info: inspect.Type, mark: str) -> object:
    """The value of a mark of a type, None if it is not marked."""
    return (info.extra or {}).get(mark) if isinstance(info, inspect.Metadata) else None


def marked_fields(cls: type[msgspec.Struct], mark: str) -> dict[str, object]:
    """The fields that have or may have a marked type, each with its mark."""
    return {
        field.name: found
        for field in _fields(cls)
        for one in _either(field.type)
        if (found := mark_of(one, mark)) is not None
    }


def holds_mark(cls: type[msgspec.Struct], mark: str, *, deep_only: bool = False) -> bool:
    """Whether a type contains a mark; `deep_only`: other than on a direct field."""
    plain = marked_fields(cls, mark) if deep_only else {}
    return any(_holds(f.type, mark, {cls}) for f in _fields(cls) if f.name not in plain)


def _fields(cls: type[msgspec.Struct]) -> tuple[inspect.Field, ...]:
    info = inspect.type_info(cls)
    assert isinstance(info, inspect.StructType)
    return info.fields


def _either(info: inspect.Type) -> tuple[inspect.Type, ...]:
    return info.types if isinstance(info, inspect.UnionType) else (info,)


def _inner(info: inspect.Type, seen: set[type]) -> Iterator[inspect.Type]:
    match info:
        case inspect.Metadata():
            yield info.type
        case inspect.UnionType():
            yield from info.types
        case inspect.ListType() | inspect.VarTupleType() | inspect.SetType():
            yield info.item_type
        case inspect.DictType():
            yield from (info.key_type, info.value_type)
        case inspect.StructType() if info.cls not in seen:
            seen.add(info.cls)
            yield from (field.type for field in info.fields)


def _holds(info: inspect.Type, mark: str, seen: set[type]) -> bool:
    if mark_of(info, mark) is not None:
        return True
    return any(_holds(one, mark, seen) for one in _inner(info, seen))
