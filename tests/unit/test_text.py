"""Which texts can be shown to others, and that no text reaches them unchecked."""

import re
import unicodedata
from collections.abc import Iterator
from typing import Annotated, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import inspect

from protocol import auth, codec
from protocol.auth import Email, Register, ServiceName
from protocol.battles import ChatText
from protocol.connections import DisconnectReason
from protocol.errors import Failure
from protocol.facts import defined
from protocol.marks import mark_of
from protocol.message import Command, Done, Kind, Limit, Registry, specs
from protocol.permissions import Permission
from protocol.secret import is_secret
from protocol.text import MARK, is_seen, shown_line
from tests.contracts import ASKED_WITH, SHOWN

TURNING = [chr(code) for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A))]
"""All that UAX #9 has for embeddings, overrides and isolates."""
DIRECTION_MARKS = ["\u200e", "\u200f", "\u061c"]

UNSEEN = {
    "a space": " ",
    "spaces of all kinds": "\xa0\u1680\u2000\u200a\u202f\u205f\u3000",
    "zero width": "\u200b\u200c\u200d\u2060\ufeff",
    "a soft hyphen": "\xad",
    "invisible operators": "\u2061\u2062\u2063\u2064",
    "fillers of Hangul": "\u115f\u1160\u3164\uffa0",
    "Braille without a dot": "\u2800",
    "an accent on nothing": "\u0301",
    "vowels on nothing": "\u093e\u0bc6",
    "a circle around nothing": "\u20dd",
    "a joiner of graphemes": "\u034f",
    "variation selectors": "\ufe0f\U000e0100",
    "Mongolian selectors": "\u180b\u180c\u180d\u180e\u180f",
    "Khmer inherent vowels": "\u17b4\u17b5",
    "tags": "\U000e0001\U000e0041\U000e007f",
    "default-ignorable without a name": "\u2065\ufff0\U000e0fff",
    "musical controls": "\U0001d173\U0001d159",
    "shorthand controls": "\U0001bca0",
    "annotations": "\ufff9\ufffa\ufffb",
    "noncharacters": "\ufdd0\ufffe\uffff\U0010ffff",
}

SEEN = (
    *("hello", "0", ".", "\u4f60\u597d", "\ud55c\uad6d\uc5b4", "e\u0301", "\ue000", "\ufffd"),
    *("\u0645\u0631\u062d\u0628\u0627", "\u05e9\u05dc\u05d5\u05dd 50", "\u0710\u072a", "\u07ca"),
    *(
        "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
        "\u0915\u094d\u200d\u0937",
        "a\u200bb",
        "a\u2060",
    ),
    *("\U0001f469\u200d\U0001f680", "\u2764\ufe0f", "1\ufe0f\u20e3", "\U0001f44d\U0001f3fd"),
    *("\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f", "\U0001fae9"),
    *("\u05d0\u200f! C++\u200e \u05d1", "\u0627\u061c-1", " a ", "\u2801", "\u3131"),
)
"""Scripts of both directions, joiners, emoji (one that Unicode 14 does not have), flags of tags."""

ADDRESSES = (
    "ada@example.org",
    "\xfc\u4f60@e\u0301x.de",
    "\u05d0\u05d3\u05d4@\u05d3\u05d5\u05d2\u05de\u05d4.org",
)


def one(kind: Any) -> Any:
    """A message type with one field."""
    return msgspec.defstruct("One", [("text", kind)])


CHAT, REASON, SERVICE, EMAIL = map(one, (ChatText, DisconnectReason, ServiceName, Email))


def refused(message: Any, text: str) -> str:
    """What is said of a text that is refused, read and converted alike."""
    with pytest.raises(Failure) as read:
        codec.decode(message, msgspec.json.encode({"text": text}))
    with pytest.raises(msgspec.ValidationError) as converted:
        codec.convert({"text": text}, message)
    assert read.value.error == codec.unreadable(converted.value).error
    assert read.value.error.field == "text"
    assert "regex" not in read.value.error.message
    assert len(read.value.error.message) < 200
    return read.value.error.message


def taken(message: Any, text: str) -> bool:
    """Whether a text is read as it is."""
    raw = msgspec.json.encode({"text": text})
    value: Any = codec.decode(message, raw)
    assert codec.convert({"text": text}, message) == value
    return bool(value.text == text)


@pytest.mark.parametrize("message", [CHAT, REASON, SERVICE], ids=["chat", "reason", "service"])
def test_what_turns_a_line_is_refused(message: Any) -> None:
    for char in TURNING:
        for text in (char, f"a{char}b", f"\u05d0{char}\u05d1"):
            assert "U+202A to U+202E" in refused(message, text), text.encode("unicode_escape")


def test_direction_marks_are_for_lines_with_letters_of_that_direction() -> None:
    for char in DIRECTION_MARKS:
        for text in (char, f"{char}a", f"50{char} gold", f"a {char}(b)", "".join(DIRECTION_MARKS)):
            assert "direction mark" in refused(CHAT, text)
        for letter in ("\u05d0", "\u0627", "\u0710", "\U00010800"):
            assert taken(CHAT, f"{letter}{char} 50")


@pytest.mark.parametrize("unseen", UNSEEN.values(), ids=UNSEEN.keys())
def test_a_line_of_which_nothing_is_seen_is_refused(unseen: str) -> None:
    for text in (unseen, *unseen, f" {unseen} "):
        assert "no visible character" in refused(CHAT, text), text.encode("unicode_escape")
        assert taken(CHAT, f"a{text}")


@pytest.mark.parametrize("text", SEEN, ids=ascii)
def test_what_is_seen_stays_as_it_is(text: str) -> None:
    assert taken(CHAT, text)
    assert taken(SERVICE, text)


@given(st.text(min_size=1, max_size=200))
def test_whatever_is_taken_has_something_to_see_and_turns_nothing(text: str) -> None:
    try:
        codec.decode(CHAT, msgspec.json.encode({"text": text}))
    except Failure:
        return
    assert any(unicodedata.category(char)[0] in "LNPSC" for char in text)
    assert any(map(is_seen, text))
    assert not set(text) & set(TURNING)


def test_every_default_ignorable_character_of_this_python_is_unseen() -> None:
    """Those are format characters (but for prepended marks), and what is listed."""
    ignored = [c for c in map(chr, range(0x110000)) if unicodedata.category(c) in ("Cf", "Mn")]
    assert len(ignored) > 1000
    assert not [c for c in ignored if is_seen(c)]


def test_nothing_of_an_address_is_unseen() -> None:
    for text in ADDRESSES:
        assert taken(EMAIL, text)
    unseen = [
        char for text in UNSEEN.values() for char in text if char not in "\u0301\u093e\u0bc6\u20dd"
    ]
    for char in (*TURNING, *DIRECTION_MARKS, *unseen):
        for text in (f"a{char}da@example.org", f"ada@{char}.org", f"ada@example.{char}"):
            refused(EMAIL, text)
    for text in ("\u0301a@example.org", "ada"):
        refused(EMAIL, text)


# ---- over all messages

HOSTILE = ("a\u202eb", "a\u2066b", "\u200b", "\u3164", "\u0301")


def texts(cls: type[msgspec.Struct], within: str = "") -> Iterator[tuple[str, inspect.Type]]:
    """The fields that take a string, also within others: path and type."""
    info = inspect.type_info(cls)
    assert isinstance(info, inspect.StructType)
    for field in info.fields:
        yield from _texts(field.type, f"{within}{field.encode_name}")


def _texts(info: inspect.Type, path: str) -> Iterator[tuple[str, inspect.Type]]:
    match info:
        case inspect.Metadata() if isinstance(info.type, inspect.StrType):
            yield path, info
        case inspect.Metadata():
            yield from _texts(info.type, path)
        case inspect.StrType() | inspect.AnyType() | inspect.RawType():
            yield path, info
        case inspect.UnionType():
            for each in info.types:
                yield from _texts(each, path)
        case inspect.ListType() | inspect.VarTupleType() | inspect.SetType():
            yield from _texts(info.item_type, f"{path}[]")
        case inspect.DictType():
            yield from _texts(info.key_type, f"{path}[]")
            yield from _texts(info.value_type, f"{path}[]")
        case inspect.StructType():
            yield from texts(info.cls, f"{path}.")


TAKEN_IN: dict[str, type[msgspec.Struct]] = {
    **{spec.name: spec.type for spec in specs(Kind.COMMAND, Kind.QUERY)},
    **{
        cls.__name__: cls
        for cls in defined(auth, msgspec.Struct)
        if cls.__struct_config__.forbid_unknown_fields
    },
}
FIELDS = [(name, path, info) for name, cls in TAKEN_IN.items() for path, info in texts(cls)]


def test_no_text_reaches_others_unchecked() -> None:
    found = {path for _, path, info in FIELDS if mark_of(info, MARK)}
    assert found == SHOWN
    for name, path, info in FIELDS:
        if is_secret(info) or mark_of(info, MARK) or (name, path) in ASKED_WITH:
            continue
        assert isinstance(info, inspect.Metadata), f"{name} {path}: any text"
        assert isinstance(info.type, inspect.StrType)
        pattern = info.type.pattern
        assert pattern is not None, f"{name} {path}: any text"
        for text in HOSTILE:
            assert not re.search(pattern, text), f"{name} {path} takes {text!r}"


def test_what_is_only_asked_with_changes_nothing() -> None:
    commands = {spec.name for spec in specs(Kind.COMMAND)}
    assert not {name for name, _ in ASKED_WITH} & commands
    assert {name for name, _ in ASKED_WITH} <= set(TAKEN_IN)
    assert {"Register", "Login"} <= set(TAKEN_IN)


@pytest.mark.parametrize(
    ("name", "path"), [(name, path) for name, path, info in FIELDS if mark_of(info, MARK)]
)
def test_each_that_is_shown_is_checked_by_the_decoder_of_its_message(name: str, path: str) -> None:
    cls = TAKEN_IN[name]
    given: dict[str, Any] = {field: None for field, _ in texts(cls)}
    ident = "01a20629-2f24-79f0-9df7-df12e7c4209b"
    given |= {"battle_id": ident, "connection_id": ident, "user_id": ident}
    given |= {"username": "ada", "password": "correct horse"}
    known = {key: value for key, value in given.items() if key in cls.__struct_fields__}
    known = {key: value for key, value in known.items() if value is not None}
    for text in ("\u202ea@b.c", "\u200b", "\u3164"):
        with pytest.raises(Failure) as caught:
            codec.decode(cls, msgspec.json.encode({**known, path: text}))
        assert caught.value.error.field == path


def test_a_shown_text_within_another_type_is_not_registered() -> None:
    class Inner(msgspec.Struct):
        """Has the text."""

        text: ChatText

    registry = Registry()
    with pytest.raises(TypeError, match="must be a direct field"):

        @registry.command("tests.say", permission=Permission.PLAY, limit=Limit.CHAT)
        class SayDeep(Command[Done], frozen=True):
            """Says."""

            inner: Inner

    with pytest.raises(TypeError, match="must be a direct field"):

        @registry.command("tests.list", permission=Permission.PLAY, limit=Limit.CHAT)
        class SayMany(Command[Done], frozen=True):
            """Says."""

            lines: tuple[Annotated[str, shown_line(10)], ...]


def test_what_is_not_shown_is_read_by_msgspec_alone() -> None:
    """A strike is read as fast as ever."""
    for spec in specs(Kind.COMMAND, Kind.QUERY):
        shown = any(mark_of(info, MARK) for _, info in texts(spec.type))
        assert isinstance(codec.decoder(spec.type), msgspec.json.Decoder) is not shown
    assert codec.convert({"username": "ada", "password": "x"}, Register).email is None
