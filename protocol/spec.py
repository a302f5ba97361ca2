"""The generated parts of PROTOCOL.md, from the registry: `python -m protocol.spec --check`.

It writes the text between `<!-- generated: commands -->` and `<!-- end -->`, and leaves the rest of
the file unchanged.
"""

import argparse
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from enum import StrEnum
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, Final, TypeVar, get_origin

import msgspec
from msgspec import inspect

from protocol import codec, errors, rooms
from protocol.auth import ROUTES
from protocol.domains import load
from protocol.endings import Ending, RefusalReason
from protocol.facts import by_type, defined, enums, fields, reasons, refused_by, room_of
from protocol.gateway import (
    ConnectError,
    Evicted,
    EvictionReason,
    Expired,
    ExpiryReason,
    Parting,
    ResetReason,
)
from protocol.message import (
    ADDRESS_RATES,
    RATES,
    Command,
    Delivery,
    Event,
    Kind,
    Limit,
    Query,
    Spec,
    spec_of,
    specs,
)
from protocol.pages import item_of
from protocol.permissions import GRANTS, SCOPES, Permission
from protocol.secret import is_secret

_INSTALLED: Final = Path(__file__).with_name("PROTOCOL.md")
DOCUMENT: Final = _INSTALLED if _INSTALLED.is_file() else Path(__file__).parents[1] / "PROTOCOL.md"
"""In a checkout it is at the top; a wheel has it next to this file."""

_FIRST: Final = ("rooms", "auth", "server")
"""The messages of the gateway come before those of the domains."""

_PART: Final = re.compile(r"(<!-- generated: ([a-z ]+) -->\n).*?(<!-- end -->)", re.DOTALL)
_ENVELOPE: Final = (codec.Meta, errors.Error, errors.FieldError, errors.Fault)

_WORDS: Final[dict[type[inspect.Type], str]] = {
    inspect.BoolType: "boolean",
    inspect.NoneType: "null",
    inspect.AnyType: "any JSON",
}

T = TypeVar("T")


def render(document: str) -> str:
    """The document with current generated parts.

    Raises ValueError if a part is unknown, or has no place in the document.
    """
    found = load()
    parts = {name: part(found) for name, part in _PARTS.items()}
    placed = [match[2] for match in _PART.finditer(document)]
    if sorted(placed) != sorted(parts):
        wrong = sorted(set(placed) ^ set(parts)) or sorted(placed)
        raise ValueError(f"each generated part has one place; look at: {', '.join(wrong)}")
    return _PART.sub(lambda match: f"{match[1]}\n{parts[match[2]]}\n\n{match[3]}", document)


# ---- types


class _Types:
    """The types with a heading of their own, to which fields link."""

    def __init__(self, found: list[ModuleType]) -> None:
        domains = {spec.type.__module__ for spec in specs()}
        named = [c for m in found if m.__name__ in domains for c in defined(m, msgspec.Struct)]
        calls = (Command, Query, Event)
        shared = [c for c in named if not issubclass(c, calls)]
        replies = [item_of(s.reply) or s.reply for s in specs() if s.reply is not None]
        apart = [cls for cls in replies if cls not in shared]
        self.structs = list(dict.fromkeys([*apart, *shared]))
        auth = [m for m in found if m.__name__ == "protocol.auth"]
        self.rest = [c for m in auth for c in defined(m, msgspec.Struct)]
        carried = [*self.structs, *self.rest, *(spec.type for spec in specs())]
        used = {enum for cls in carried for field in fields(cls) for enum in enums(field.type)}
        known = [c for m in found for c in defined(m, StrEnum)]
        everywhere = (errors.Code, Permission)
        self.enums = [c for c in known if c in used and c not in everywhere]
        self.values = _aliases(found)
        linked: list[type] = [*self.structs, *self.enums, *self.rest, *_ENVELOPE]
        names = [*(cls.__name__ for cls in linked), *self.values]
        self.linked = set(names)
        if twice := sorted(name for name in self.linked if names.count(name) > 1):
            raise ValueError(f"two types are named {', '.join(twice)}")

    def name(self, cls: type) -> str:
        """The name of a type, linked to its heading if it has one. Events have their wire names,
        pages the names of their items."""
        if (item := item_of(cls)) is not None:
            return f"[page](#long-lists) of {self.name(item)}"
        if (spec := by_type(cls)) is not None:
            return f"[`{spec.name}`](#{spec.name.replace('.', '')})"
        plain = f"`{cls.__name__}`"
        return f"[{plain}](#{cls.__name__.lower()})" if cls.__name__ in self.linked else plain

    def text(self, info: inspect.Type) -> str:
        """A type as text: a link to its heading if it has one, otherwise its kind and limits."""
        for name, alias in self.values.items():
            if info == alias:
                return f"[`{name}`](#{name.lower()})"
        return self.plain(info)

    def plain(self, info: inspect.Type) -> str:
        """A type as text, with its limits."""
        match info:
            case inspect.Metadata():
                words = self.plain(info.type) + (", secret" if is_secret(info) else "")
            case inspect.StrType():
                words = "string" + _limits(_lengths(info), _quoted("matches", info.pattern))
            case inspect.IntType() | inspect.FloatType():
                words = "integer" if isinstance(info, inspect.IntType) else "number"
                words += _limits(_bound("≥", info.ge), _bound("≤", info.le))
            case inspect.EnumType():
                words = self.enum(info.cls)
            case inspect.StructType():
                words = self.name(info.cls)
            case inspect.VarTupleType() | inspect.ListType():
                words = f"array of {self.text(info.item_type)}"
            case inspect.DictType():
                words = f"object of {self.text(info.value_type)} by {self.text(info.key_type)}"
            case inspect.UnionType():
                words = " or ".join(self.text(one) for one in _null_last(info.types))
            case _:
                words = _WORDS[type(info)]
        return words

    def enum(self, cls: type[Any]) -> str:
        """An enum: a link to its heading, or its values if it has none."""
        if cls.__name__ in self.linked:
            return self.name(cls)
        return f"one of {_codes(sorted(member.value for member in cls))}"

    def table(self, cls: type[msgspec.Struct], skip: Iterable[str] = ()) -> str:
        """The table of a type's fields; "" if it has none."""
        rows = [field for field in fields(cls) if field.encode_name not in skip]
        if not rows:
            return ""
        optional = [field for field in rows if not field.required]
        taken_in = cls.__struct_config__.forbid_unknown_fields
        left_out = cls.__struct_config__.omit_defaults
        head = ["field", "type"]
        if optional and taken_in:
            head.append("default")
        elif optional and left_out:
            head.append("left out if")
        cells = (
            [f"`{f.encode_name}`", self.text(f.type), _default(f) if f in optional else ""]
            for f in rows
        )
        return _table(head, (row[: len(head)] for row in cells))


def _aliases(found: list[ModuleType]) -> dict[str, inspect.Metadata]:
    """The described types of single values, by name."""
    there: dict[str, inspect.Metadata] = {}
    for name, value in (pair for module in found for pair in vars(module).items()):
        if get_origin(value) is Annotated:
            info = inspect.type_info(value)
            if isinstance(info, inspect.Metadata) and _about(info):
                there[name] = info
    return dict(sorted(there.items()))


def _about(info: inspect.Metadata) -> str:
    return str((info.extra_json_schema or {}).get("description", ""))


def _lengths(info: inspect.StrType) -> str | None:
    if info.min_length is not None and info.max_length is not None:
        return f"{info.min_length} to {info.max_length} characters"
    if info.max_length is not None:
        return f"at most {info.max_length} characters"
    return None if info.min_length is None else f"at least {info.min_length} characters"


def _bound(word: str, limit: object) -> str | None:
    return None if limit is None else f"{word} {limit}"


def _quoted(word: str, pattern: str | None) -> str | None:
    return None if pattern is None else f"{word} `{pattern}`"


def _limits(*given: str | None) -> str:
    there = [limit for limit in given if limit is not None]
    return f" ({', '.join(there)})" if there else ""


def _null_last(types: Iterable[inspect.Type]) -> list[inspect.Type]:
    return sorted(types, key=lambda one: isinstance(one, inspect.NoneType))


def _default(field: inspect.Field) -> str:
    factory: Any = field.default_factory
    value = field.default if factory is msgspec.NODEFAULT else factory()
    if value is msgspec.NODEFAULT:
        return "unchanged"  # UNSET, which msgspec does not show
    return f"`{codec.encode(value).decode()}`"


# ---- text


def _table(head: list[str], rows: Iterable[list[str]]) -> str:
    lines = ([cell.replace("|", "\\|") for cell in row] for row in rows)
    rule = ["---"] * len(head)
    return "\n".join(f"| {' | '.join(line)} |" for line in (head, rule, *lines))


def _codes(words: Iterable[str]) -> str:
    return ", ".join(f"`{word}`" for word in words)


def _doc(cls: type) -> str:
    """A docstring as paragraphs."""
    lines = [line.strip() for line in (cls.__doc__ or "").strip().splitlines()]
    return "\n".join(lines)


def _blocks(blocks: Iterable[str]) -> str:
    return "\n\n".join(block for block in blocks if block)


def _by_domain(found: Iterable[Spec]) -> Iterator[tuple[str, list[Spec]]]:
    domains: dict[str, list[Spec]] = {}
    for spec in found:
        domains.setdefault(spec.domain, []).append(spec)
    yield from ((word, domains.pop(word)) for word in _FIRST if word in domains)
    yield from domains.items()


# ---- parts


def _signature(spec: Spec, types: _Types) -> str:
    names = [f.encode_name + ("" if f.required else "?") for f in fields(spec.type)]
    assert spec.reply is not None
    reply = ", ".join(f.encode_name for f in fields(spec.reply))
    return f"`{{{', '.join(names)}}}` → {types.name(spec.reply)} `{{{reply}}}`"


def _commands(found: list[ModuleType]) -> str:
    types = _Types(found)
    blocks = [
        f"Every command has one more field:\n\n{types.table(Command)}",
        "A field without a default is required.",
    ]
    for domain, calls in _by_domain(specs(Kind.COMMAND, Kind.QUERY)):
        blocks.append(f"### Domain `{domain}`")
        for spec in calls:
            facts = f"{spec.kind} · permission `{spec.permission}` · rate class `{spec.limit}`"
            if spec.refuses:
                facts += f" · refuses: {_codes(spec.refuses)}"
            blocks += [
                f"#### `{spec.name}`",
                _signature(spec, types),
                _doc(spec.type),
                facts[0].upper() + facts[1:],
                types.table(spec.type, skip=("request_id",)),
            ]
    return _blocks(blocks)


def _room(spec: Spec) -> str:
    assert issubclass(spec.type, Event)
    name = room_of(spec.type)
    return f"room `{name}`" if name else "sent to one connection, in no room"


def _events(found: list[ModuleType]) -> str:
    types = _Types(found)
    blocks = []
    for domain, events in _by_domain(specs(Kind.EVENT)):
        blocks.append(f"### Events of `{domain}`")
        for spec in events:
            names = ", ".join(f.encode_name for f in fields(spec.type))
            facts = f"{_room(spec)} · delivery `{spec.delivery}`"
            blocks += [
                f"#### `{spec.name}`",
                f"`{{{names}}}`",
                _doc(spec.type),
                facts[0].upper() + facts[1:],
                types.table(spec.type),
            ]
    return _blocks(blocks)


def _struct(cls: type[msgspec.Struct], types: _Types) -> Iterator[str]:
    yield f"#### `{cls.__name__}`"
    yield _doc(cls)
    yield types.table(cls) or "No fields: `{}`."


def _types(found: list[ModuleType]) -> str:
    types = _Types(found)
    blocks = [block for cls in types.structs for block in _struct(cls, types)]
    for cls in types.enums:
        blocks += [f"#### `{cls.__name__}`", _doc(cls), f"One of {_codes(e.value for e in cls)}."]
    return _blocks(blocks)


def _values(found: list[ModuleType]) -> str:
    types = _Types(found)
    blocks: list[str] = []
    for name, info in types.values.items():
        words = types.plain(info)
        blocks += [f"#### `{name}`", _about(info), f"{words[0].upper()}{words[1:]}."]
    return _blocks(blocks)


def _envelope(found: list[ModuleType]) -> str:
    types = _Types(found)
    return _blocks(block for cls in _ENVELOPE for block in _struct(cls, types))


def _rest(found: list[ModuleType]) -> str:
    types = _Types(found)
    return _blocks(block for cls in types.rest for block in _struct(cls, types))


def _yes(retry: bool) -> str:
    return "yes" if retry else "no"


def _error_codes(_: list[ModuleType]) -> str:
    rows = ([f"`{code}`", code.meaning, _yes(code.retry)] for code in errors.Code)
    return _table(["code", "meaning", "retry"], rows)


def _reasons(found: list[ModuleType]) -> str:
    types = _Types(found)
    rows = (
        [
            f"`{reason}`",
            f"`{reason.code}`",
            "" if reason.details is None else types.name(reason.details),
            "every command" if cls is errors.RequestReason else _codes(refused_by(reason)),
        ]
        for cls in reasons(found)
        for reason in cls
    )
    return _table(["reason", "code", "`details`", "refused by"], rows)


def _endings(_: list[ModuleType]) -> str:
    def row(seen: str, reason: str, ending: Ending) -> list[str]:
        return [seen, reason, _yes(ending.retry), ending.meaning]

    by_event = ((Expired, ExpiryReason), (Evicted, EvictionReason))
    expired, evicted = (
        [row(f"`{spec_of(event).name}`", f"`{reason}`", reason) for reason in cls]
        for event, cls in by_event
    )
    refused = [row("`connect_error`", f"`{code}`", code) for code in ConnectError]
    rows = [
        *expired,
        row(f"`{Parting.CLOSING}`", "", Parting.CLOSING),
        *evicted,
        row(Parting.NO_WORD, "", Parting.NO_WORD),
        *refused,
        row("`connect_error`", Parting.NO_NAMESPACE, Parting.NO_NAMESPACE),
    ]
    return _table(["what the client sees", "reason", "retry", "cause, and what to do"], rows)


def _refusals(_: list[ModuleType]) -> str:
    rows = (
        [
            f"`{reason}`",
            "" if reason.close_code is None else str(reason.close_code),
            ", ".join(map(str, reason.statuses)),
            _yes(reason.retry),
            reason.meaning,
        ]
        for reason in RefusalReason
    )
    return _table(["reason", "close code", "status", "retry", "cause, and what to do"], rows)


def _resets(_: list[ModuleType]) -> str:
    rows = ([f"`{reason}`", _yes(reason.retry), reason.meaning] for reason in ResetReason)
    return _table(["reason of a `reset`", "retry", "cause"], rows)


def _rooms(found: list[ModuleType]) -> str:
    types = _Types(found)
    rows = (
        [f"`{k.pattern}`", f"`{k.permission}`", types.name(rooms.snapshot(k.word)), k.doc]
        for k in rooms.all_kinds()
    )
    return _table(["room", "permission", "snapshot", "content"], rows)


def _permissions(_: list[ModuleType]) -> str:
    rows = [
        [f"`{role}`", *("yes" if permission in granted else "" for permission in Permission)]
        for role, granted in GRANTS.items()
    ]
    scopes = {Permission.CONNECT} | SCOPES
    service = [
        "service key",
        *(("by scope" if p in SCOPES else "yes") if p in scopes else "" for p in Permission),
    ]
    return _table(["role", *(f"`{p}`" for p in Permission)], [*rows, service])


def _rates(_: list[ModuleType]) -> str:
    calls = list(specs(Kind.COMMAND, Kind.QUERY))

    def counted(limit: Limit) -> str:
        routes = [route for route, of in ROUTES.items() if of is limit]
        return _codes([*(s.name for s in calls if s.limit is limit), *routes])

    rows = (
        [
            f"`{limit}`",
            *(
                f"{rate:g}/s, {burst} at once"
                for rate, burst in (RATES[limit], ADDRESS_RATES[limit])
            ),
            counted(limit),
        ]
        for limit in Limit
    )
    return _table(["class", "one user", "one address", "messages"], rows)


def _deliveries(_: list[ModuleType]) -> str:
    events = list(specs(Kind.EVENT))
    rows = (
        [f"`{kind}`", _codes(s.name for s in events if s.delivery is kind) or "none yet"]
        for kind in Delivery
    )
    return _table(["delivery", "events"], rows)


_PARTS: Final[dict[str, Callable[[list[ModuleType]], str]]] = {
    "commands": _commands,
    "events": _events,
    "values": _values,
    "types": _types,
    "envelope": _envelope,
    "rest bodies": _rest,
    "codes": _error_codes,
    "reasons": _reasons,
    "endings": _endings,
    "refusals": _refusals,
    "resets": _resets,
    "rooms": _rooms,
    "permissions": _permissions,
    "rates": _rates,
    "deliveries": _deliveries,
}


def main(arguments: list[str] | None = None, document: Path = DOCUMENT) -> None:
    """Write the generated parts, or check them. Exit code 1 if they are stale."""
    parser = argparse.ArgumentParser(prog="python -m protocol.spec", description=__doc__)
    action = parser.add_mutually_exclusive_group(required=True)
    action.add_argument("--write", action="store_true", help="write the generated parts")
    action.add_argument("--check", action="store_true", help="exit 1 if they are stale")
    given = parser.parse_args(arguments)
    try:
        there = document.read_text(encoding="utf-8")
        wanted = render(there)
    except (OSError, ValueError) as e:
        sys.exit(f"{document.name}: {e}")
    if given.write:
        document.write_text(wanted, encoding="utf-8")
    elif there != wanted:
        sys.exit(f"{document.name} is stale: run python -m protocol.spec --write")


if __name__ == "__main__":
    main()
