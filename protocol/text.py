"""Allowed characters of a client's text, and the stricter rules of text that others see.

Text that others see must not change how the rest of a line is read, nor look like nothing. A type
that is marked so is checked by `codec.decoder`, before any handler has the message. Source: UAX #9
(explicit formatting, implicit marks), UTR #36 section 3.1 and UTS #39 (text that deceives), UAX #44
(Default_Ignorable_Code_Point).
"""

import re
import unicodedata
from collections.abc import Callable
from typing import Final

import msgspec

from protocol.marks import marked_fields

CONTROLS: Final = r"\x00-\x1f\x7f-\x9f\u2028\u2029"
"""In no text of a client, as it is shown to others: not every database takes a NUL, a terminal does
what a control character says, and a text that breaks lines is not one line."""

TURNS: Final = r"\u202a-\u202e\u2066-\u2069"
"""Embeddings, overrides and isolates: what is written after them is read in another direction, and
in another order than it is stored. Letters of right-to-left scripts need none."""

LINE: Final = rf"^[^{CONTROLS}]+$(?!\n)"
"""One line. `$` alone would let a newline at the end pass."""

SHOWN_LINE: Final = rf"^[^{CONTROLS}{TURNS}]+$(?!\n)"
"""One line that others see."""

MARK: Final = "shown"
_LINE: Final = "line"
_ADDRESS: Final = "address"

_ABOUT: Final = (
    "one line with at least one visible character; no control characters; no U+202A to U+202E"
    " and U+2066 to U+2069, which change its direction; U+200E, U+200F and U+061C only with a"
    " letter of a right-to-left script"
)

_EXPECTED: Final[dict[object, str]] = {
    _LINE: "must be one line without control characters, and without U+202A to U+202E and"
    " U+2066 to U+2069",
    _ADDRESS: "must be an e-mail address such as ada@example.org",
}
"""The error text for a text that does not match its pattern."""

_DIRECTION_MARKS: Final = frozenset("\u200e\u200f\u061c")
_RIGHT_TO_LEFT: Final = frozenset({"R", "AL"})
_UNSEEN_KINDS: Final = frozenset({"Cc", "Cf", "Cs", "Mn", "Mc", "Me", "Zs", "Zl", "Zp"})
"""Controls and format characters, marks, which need a letter to stand on, and spaces. A character
that is assigned only in a newer Unicode (Cn) may well be seen: a new emoji."""
_UNSEEN: Final = re.compile(
    "["
    "\u115f\u1160\u3164\uffa0"  # fillers, which are letters of Hangul
    "\u2800"  # Braille without a dot
    # what else is default-ignorable, assigned or not
    "\ufdd0-\ufdef"  # noncharacters
    "\u034f\u17b4\u17b5\u180b-\u180f\u2065\ufe00-\ufe0f\ufff0-\ufff8\U000e0000-\U000e0fff"
    "\U0001d159"  # a note without a head
    "]"
)
"""Characters that are invisible, whatever their category."""


def shown_line(max_length: int, about: str = "Text") -> msgspec.Meta:
    """The limits of one line that others see."""
    return msgspec.Meta(
        min_length=1,
        max_length=max_length,
        pattern=SHOWN_LINE,
        description=f"{about}: {_ABOUT}.",
        extra={MARK: _LINE},
    )


def shown_address(max_length: int, pattern: str, about: str) -> msgspec.Meta:
    """The limits of an address that others see, which has nothing unseen in it at all."""
    return msgspec.Meta(
        max_length=max_length, pattern=pattern, description=about, extra={MARK: _ADDRESS}
    )


def is_seen(char: str) -> bool:
    """Whether a character by itself can be seen."""
    is_character = ord(char) & 0xFFFE != 0xFFFE  # the last two of each plane never are
    return (
        is_character and unicodedata.category(char) not in _UNSEEN_KINDS and not _UNSEEN.match(char)
    )


def _wrong_line(text: str) -> str | None:
    if not _DIRECTION_MARKS.isdisjoint(text) and not any(
        unicodedata.bidirectional(char) in _RIGHT_TO_LEFT
        for char in text
        if char not in _DIRECTION_MARKS
    ):
        # Among letters of such a script they keep neutral characters in their place, and keyboards
        # put them there. Elsewhere they only change what stands before what, unseen.
        return "has a direction mark but no letter of a right-to-left script"
    return None if any(map(is_seen, text)) else "has no visible character"


def _wrong_address(text: str) -> str | None:
    # Joiners too: nobody could tell two addresses apart that differ in one. An accent has a letter
    # before it.
    accented = False
    for char in text:
        accent = unicodedata.category(char).startswith("M") and not _UNSEEN.match(char)
        if not (is_seen(char) or (accent and accented)):
            return "has an invisible character"
        accented = True
    return None


_WRONG: Final[dict[object, Callable[[str], str | None]]] = {
    _LINE: _wrong_line,
    _ADDRESS: _wrong_address,
}


def check_shown(message: object, fields: dict[str, object]) -> None:
    """Check the fields of a message that others see, as `shown_fields` gives them.

    Raises msgspec's ValidationError for the first that can't be shown, as decoding does.
    """
    for name, kind in fields.items():
        value = getattr(message, name)
        if isinstance(value, str) and (fault := _WRONG[kind](value)) is not None:
            raise msgspec.ValidationError(f"{fault} - at `$.{name}`")


def in_words(error: msgspec.ValidationError, fields: dict[str, object]) -> msgspec.ValidationError:
    """What decoding has raised; where a field that others see does not match, without a pattern."""
    text = str(error)
    for name, kind in fields.items():
        if " matching regex " in text and text.endswith(f" - at `$.{name}`"):
            return msgspec.ValidationError(f"{_EXPECTED[kind]} - at `$.{name}`")
    return error


def shown_fields(cls: type[msgspec.Struct]) -> dict[str, object]:
    """The fields of a message type that others see, each with what it must be."""
    return marked_fields(cls, MARK)
