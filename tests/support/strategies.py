"""What may be sent in the place of a message: made from its type, almost right and quite wrong.

Messages are JSON text and not values, as what is wrong may be the text: a number that is none, a
key that comes twice, half a surrogate.
"""

import json
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec
from hypothesis import strategies as st
from msgspec import inspect

from protocol import codec
from tests.support.injections import INJECTIONS

FOREIGN = (
    *("__proto__", "constructor", "prototype", "toString", "__class__", "__init__", "__dict__"),
    *("id", "user_id", "player_id", "role", "permissions", "who", "seq", "at", "damage", "gold"),
    *("$where", "$ne", "", " ", ".", "a.b", "a[0]", "$", "`", "a`b", "\u0000", "\n", "é", "🐉"),
)
"""Names of fields that no message has, or that none should take."""

NUMBERS = (
    *("0", "-0", "-0.0", "1", "-1", "1.0", "1.5", "1e2", "1E400", "-1e999", "1e-999", "0.1"),
    *(
        str(2**31),
        str(2**53 - 1),
        str(2**53),
        str(2**53 + 1),
        str(2**63),
        str(2**64),
        str(-(2**63)),
    ),
    *("1" + "0" * 400, "-1" + "0" * 400, "9" * 5000, "0." + "0" * 400 + "1"),
)
NO_NUMBERS = ("NaN", "Infinity", "-Infinity", "nan", "inf", "01", "+1", "1.", ".5", "1e", "0x10")
"""Python's own decoder takes the first three."""

STRINGS = (
    *('""', '" "', '"\\u0000"', '"a\\nb"', '"a\\r\\nb"', '"\\u2028"', '"\\ufeff"', '"\\u202e"'),
    *('"a\\u2066b"', '"\\u200f1"', '"\\u05d0\\u200f"', '"\\u3164"', '"\\u0301"', '"a\\u200db"'),
    *('"é"', '"e\\u0301"', '"\\uff21"', '"\\u017f"', '"ß"', '"İ"', '"\\ud83d\\udc09"', '"🐉"'),
    *('"' + "x" * 100 + '"', '"' + "x" * 5000 + '"', '"' + "é" * 300 + '"'),
)
NO_STRINGS = (
    '"\\ud800"',
    '"\\udc00"',
    '"\\udc00\\ud800"',
    '"\\x"',
    '"\n"',
    '"\x00"',
    '"open',
    "'a'",
)
"""What no JSON string holds: half a surrogate, an escape that there is not, bare control."""

OTHERS = ("null", "true", "false", "[]", "{}", "[[]]", '{"a":1}', "[1,2,3]", '["a"]', '{"":""}')

NESTED = tuple(
    text
    for depth in (50, 1000, 5000)
    for text in ("[" * depth + "]" * depth, '{"a":' * depth + "1" + "}" * depth, "[" * depth)
)

Pairs = list[tuple[str, str]]


class Sent(NamedTuple):
    """What is sent, and the one field that is wrong with it where that is known."""

    text: str
    field: str | None = None


def quoted(text: str) -> str:
    """A JSON string; half a surrogate is escaped."""
    return json.dumps(text)


def of(pairs: Pairs) -> str:
    """An object of these, in this order, also where a name comes twice."""
    return "{" + ",".join(f"{quoted(name)}:{value}" for name, value in pairs) + "}"


def fields(cls: type[msgspec.Struct]) -> tuple[inspect.Field, ...]:
    """The fields of a message type."""
    info = inspect.type_info(cls)
    assert isinstance(info, inspect.StructType)
    return info.fields


def takes_text(info: inspect.Type) -> bool:
    """Whether a field may be given a string."""
    match info:
        case inspect.Metadata():
            return takes_text(info.type)
        case inspect.UnionType():
            return any(map(takes_text, info.types))
        case inspect.StrType() | inspect.AnyType():
            return True
    return False


def places(
    cls: type[msgspec.Struct], wanted: Callable[[inspect.Type], bool] = lambda _: True
) -> list[tuple[str, ...]]:
    """The paths of all fields whose type is wanted, also within others."""
    found: list[tuple[str, ...]] = []
    for field in fields(cls):
        if wanted(field.type):
            found.append((field.encode_name,))
        found += [(field.encode_name, *inner) for inner in _within(field.type, wanted)]
    return found


def _within(info: inspect.Type, wanted: Callable[[inspect.Type], bool]) -> list[tuple[str, ...]]:
    match info:
        case inspect.Metadata():
            return _within(info.type, wanted)
        case inspect.UnionType():
            return [path for one in info.types for path in _within(one, wanted)]
        case inspect.StructType():
            return places(info.cls, wanted)
    return []


def text_places(cls: type[msgspec.Struct]) -> list[tuple[str, ...]]:
    """The paths of all fields that take a string, also within others."""
    return places(cls, takes_text)


def put(data: dict[str, Any], path: tuple[str, ...], value: str) -> dict[str, Any]:
    """The data with a value in its place."""
    first, *rest = path
    if not rest:
        return {**data, first: value}
    inner = data.get(first)
    return {**data, first: put(inner if isinstance(inner, dict) else {}, tuple(rest), value)}


VALUES = st.one_of(
    st.sampled_from(OTHERS),
    st.sampled_from(NUMBERS),
    st.sampled_from(NO_NUMBERS),
    st.sampled_from(STRINGS),
    st.sampled_from(NO_STRINGS),
    st.sampled_from(NESTED),
    st.sampled_from(INJECTIONS).map(quoted),
    st.integers().map(str),
    st.floats().map(json.dumps),
    st.text(st.characters()).map(quoted),  # half surrogates too
    st.recursive(
        st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text()),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=20,
    ).map(json.dumps),
)
"""The text of any value, and of some that are none."""

NAMES = st.one_of(st.sampled_from(FOREIGN), st.sampled_from(INJECTIONS), st.text(max_size=50))


def messages(cls: type[msgspec.Struct], examples: st.SearchStrategy[dict[str, Any]]) -> Any:
    """Messages of a type, made from examples that look right."""
    every = fields(cls)
    known = [field.encode_name for field in every]
    required = [field.encode_name for field in every if field.required]

    def pairs(example: dict[str, Any]) -> Pairs:
        return [(name, json.dumps(value)) for name, value in example.items()]

    @st.composite
    def one_value_is_another(draw: st.DrawFn) -> Sent:
        name = draw(st.sampled_from(known))
        given = [pair for pair in pairs(draw(examples)) if pair[0] != name]
        return Sent(of([*given, (name, draw(VALUES))]), name)

    @st.composite
    def one_is_left_out(draw: st.DrawFn) -> Sent:
        name = draw(st.sampled_from(required))
        return Sent(of([pair for pair in pairs(draw(examples)) if pair[0] != name]), name)

    @st.composite
    def one_is_added(draw: st.DrawFn) -> Sent:
        name = draw(NAMES.filter(lambda name: name not in known))
        given = [*pairs(draw(examples)), (name, draw(VALUES))]
        return Sent(of(draw(st.permutations(given))), name)

    @st.composite
    def one_comes_twice(draw: st.DrawFn) -> Sent:
        name = draw(st.sampled_from(known))
        return Sent(of([*pairs(draw(examples)), (name, draw(VALUES)), (name, draw(VALUES))]), name)

    @st.composite
    def it_is_cut_or_goes_on(draw: st.DrawFn) -> Sent:
        text = of(pairs(draw(examples)))
        place = draw(st.integers(0, len(text)))
        added = draw(
            st.sampled_from(["", "}", "{", '"', ",", "]", "\\", "\x00", " ", "\ufeff", "/*"])
        )
        rest = text[place:] if draw(st.booleans()) else ""
        return Sent(text[:place] + added + rest)

    made = [
        *(([one_value_is_another()] * 3 + [one_comes_twice()]) if known else []),
        *([one_is_left_out()] if required else []),
        one_is_added(),
        it_is_cut_or_goes_on(),
        VALUES.map(Sent),
        examples.map(lambda example: Sent(of(pairs(example)))),
    ]
    return st.one_of(*made)


def verdict(cls: Any, text: str) -> str:
    """What its decoder says of a text: it "fits", its "shape" is wrong, or it is no "json"."""
    try:
        codec.decoder(cls).decode(text)
    except msgspec.ValidationError:
        return "shape"
    except msgspec.DecodeError as e:
        return "shape" if " - at `$." in str(e) else "json"  # a number too large for any field
    except (RecursionError, UnicodeError):
        return "json"
    return "fits"
