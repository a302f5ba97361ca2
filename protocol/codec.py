"""Strict decoding and encoding. Errors name the field."""

import re
from collections.abc import Callable
from typing import Any, Final, Protocol, TypeVar

import msgspec

from protocol.errors import Code, Error, Failure
from protocol.message import Spec
from protocol.text import check_shown, in_words, shown_fields

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

MAX_DEPTH_MESSAGE: Final = "nested too deeply"
MAX_TEXT: Final = 200
"""Of a field's name and of what is wrong with it: both may be the client's own words, and an
answer as large as the largest message would be more than may wait for a client."""
_AT_PATH: Final = re.compile(r" - at `(\$[^`]*)`\Z")
_NAMED_FIELD: Final = re.compile(
    r"Object (?:missing required|contains unknown) field `(.*)`\Z", re.S
)

UNREADABLE: Final = (msgspec.DecodeError, RecursionError, UnicodeError)
"""The exceptions of decoding."""

_encoder: Final = msgspec.json.Encoder()


class Decoder(Protocol[T_co]):
    """Reads the values of a type."""

    def decode(self, raw: bytes | str | msgspec.Raw, /) -> T_co:
        """A value. What it raises are UNREADABLE."""
        ...


class _ShownDecoder:
    """Reads a type with text that others see, and refuses what can't be shown to them."""

    def __init__(self, cls: type, fields: dict[str, object]) -> None:
        self._decode: Callable[[Any], Any] = msgspec.json.Decoder(cls, strict=True).decode
        self._fields = fields

    def decode(self, raw: bytes | str | msgspec.Raw, /) -> Any:
        """A value whose text can be shown."""
        try:
            value = self._decode(raw)
        except msgspec.ValidationError as e:
            raise in_words(e, self._fields) from None
        check_shown(value, self._fields)
        return value


_decoders: Final[dict[type, Decoder[Any]]] = {}


class NotOk(msgspec.Struct, frozen=True):
    """An error reply."""

    error: Error
    ok: bool = False


class Meta(msgspec.Struct, frozen=True, omit_defaults=True):
    """The metadata of an event. Only kept events have `seq`, `epoch` and `actor`.

    `actor` caused the event: `user:<id>`, `service:<id>` or `server:<part>`. Events that are older
    than the recording of actors have none.
    `dropped` is the number of lossy events of the same name and room that were dropped before.
    """

    room: str
    at: str
    seq: int | None = None
    epoch: str | None = None
    actor: str | None = None
    dropped: int = 0


def decoder(cls: type[T]) -> Decoder[T]:
    """The decoder of a type. A type without text that others see has msgspec's own."""
    made = _decoders.get(cls)
    if made is None:
        shown = _shown_fields(cls)
        made = _ShownDecoder(cls, shown) if shown else msgspec.json.Decoder(cls, strict=True)
        _decoders[cls] = made
    return made


def convert(value: object, cls: type[T]) -> T:
    """A value of the type from JSON's own types, as strictly as `decoder` reads it.

    What it raises are UNREADABLE.
    """
    shown = _shown_fields(cls)
    try:
        made = msgspec.convert(value, cls)
    except msgspec.ValidationError as e:
        raise in_words(e, shown) from None
    check_shown(made, shown)
    return made


def _shown_fields(cls: type) -> dict[str, object]:
    is_struct = isinstance(cls, type) and issubclass(cls, msgspec.Struct)
    return shown_fields(cls) if is_struct else {}


encode: Final = _encoder.encode
"""JSON of a message, as bytes. Raises TypeError for what is no message type."""


def decode(cls: type[T], raw: bytes | str | msgspec.Raw) -> T:
    """A value of the type. Raises Failure `invalid` with the field that is wrong."""
    try:
        return decoder(cls).decode(raw)
    except UNREADABLE as e:
        raise unreadable(e) from None


def unreadable(fault: Exception) -> Failure:
    """What is wrong with a text, by what decoding it has raised."""
    if isinstance(fault, msgspec.DecodeError):
        return Failure(_invalid(fault))
    too_deep = isinstance(fault, RecursionError)
    return Failure(
        Error(Code.INVALID, MAX_DEPTH_MESSAGE if too_deep else "the message is not UTF-8")
    )


def decode_call(spec: Spec, raw: bytes | str | msgspec.Raw) -> msgspec.Struct:
    """A command or query of the registry. Raises Failure `invalid`."""
    return decode(spec.type, raw)


def _invalid(e: msgspec.DecodeError) -> Error:
    """msgspec's words, with the path turned into a field: `$.a[0]` is `a[0]`."""
    text = str(e)
    field = None
    if found := _AT_PATH.search(text):
        field = found[1].removeprefix("$").removeprefix(".") or None
        text = text[: found.start()]
    if named := _NAMED_FIELD.match(text):
        field = f"{field}.{named[1]}" if field else named[1]
    if field is None:
        return Error(Code.INVALID, _short(text))
    field = _short(field)
    return Error(Code.INVALID, f"{field}: {_short(text)}", field=field)


def _short(text: str) -> str:
    return text if len(text) <= MAX_TEXT else f"{text[:MAX_TEXT]}…"


OK: Final = b'{"ok":true,"data":', b"}"
"""The JSON before and after the data of a reply."""


def reply_data(data: bytes) -> bytes:
    """The JSON of a reply that carries data, which is JSON already."""
    before, after = OK
    return before + data + after


def reply_ok(data: object) -> bytes:
    """The JSON of a reply that carries data."""
    return reply_data(_encoder.encode(data))


def reply_error(error: Error) -> bytes:
    """The JSON of an error reply."""
    return _encoder.encode(NotOk(error))
