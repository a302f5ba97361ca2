"""Decoding says which field is wrong; encoding never surprises."""

from typing import Annotated, Literal

import msgspec
import pytest

from protocol import codec
from protocol.battles import Attack
from protocol.errors import Code, Error, Failure
from protocol.message import Kind, specs


class Inner(msgspec.Struct, forbid_unknown_fields=True):
    """Something nested."""

    n: int


class Sample(msgspec.Struct, forbid_unknown_fields=True):
    """A shape with a bit of everything."""

    name: str
    amount: Annotated[int, msgspec.Meta(ge=1)] = 1
    ratio: float = 0.0
    inner: Inner | None = None
    many: list[Inner] = []
    numbers: list[int] = []
    kind: Literal["a", "b"] = "a"


def error_of(raw: bytes | str) -> Error:
    """The error that decoding gives."""
    with pytest.raises(Failure) as caught:
        codec.decode(Sample, raw)
    return caught.value.error


@pytest.mark.parametrize(
    ("raw", "field"),
    [
        (b'{"name": 7}', "name"),
        (b"{}", "name"),
        (b'{"name": "x", "colour": "red"}', "colour"),
        (b'{"name": "x", "amount": 0}', "amount"),
        (b'{"name": "x", "amount": "1"}', "amount"),
        (b'{"name": "x", "amount": 1.5}', "amount"),
        (b'{"name": "x", "inner": {}}', "inner.n"),
        (b'{"name": "x", "inner": {"n": "y"}}', "inner.n"),
        (b'{"name": "x", "inner": {"n": 1, "m": 2}}', "inner.m"),
        (b'{"name": "x", "numbers": [1, 2, "three"]}', "numbers[2]"),
        (b'{"name": "x", "many": [{"n": 1}, {"n": null}]}', "many[1].n"),
        (b'{"name": "x", "many": [{"n": 1}, {}]}', "many[1].n"),
        (b'{"name": "x", "ratio": 1e999}', "ratio"),
        (b'{"name": "x", "a`b": 1}', "a`b"),
        (b'{"name": "x", "inner": {"a`b": 1}}', "inner.a`b"),
        (b'{"name": "x", "field `name`": 1}', "field `name`"),
        (b'{"name": "x", "a\\nb": 1}', "a\nb"),
        (b'{"name": "x", "": 1}', ""),
        (b'{"name": "x", "__proto__": 1}', "__proto__"),
    ],
)
def test_the_field_that_is_wrong_is_named(raw: bytes, field: str) -> None:
    error = error_of(raw)
    assert (error.code, error.field) == (Code.INVALID, field)
    assert error.message.startswith(f"{field}: ")
    assert "$" not in error.message


@pytest.mark.parametrize(
    "raw",
    [
        b'{"name": "x", "' + b"y" * 500_000 + b'": 1}',
        b'{"name": "x", "ratio": "' + b"y" * 500_000 + b'"}',
        b'{"name": "x", "kind": "' + b"y" * 500_000 + b'"}',
    ],
    ids=["a name", "a value", "a choice"],
)
def test_an_error_is_short_however_long_what_is_wrong(raw: bytes) -> None:
    error = error_of(raw)
    assert error.field is not None
    assert len(error.field) <= 201
    assert len(error.message) <= 410


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"name": "x"} and more',
        b'{"name": "x", "ratio": NaN}',
        b'{"name": "x", "ratio": Infinity}',
        b'{"name": "x", "ratio": 1e999}',
        b"{'name': 'x'}",
        b'{"name": "\xff"}',
        b'{"name": "\\ud800"}',
        b"\xff\xfe",
        '{"name": "\ud800"}',
        b"[" * 200_000,
        b'{"name":' * 200_000,
    ],
    ids=lambda raw: repr(raw[:24]),
)
def test_what_is_no_such_message_is_invalid_and_never_a_fault(raw: bytes | str) -> None:
    assert error_of(raw).code is Code.INVALID


def test_nesting_that_is_too_deep_is_invalid() -> None:
    with pytest.raises(Failure) as caught:
        codec.decode(object, b"[" * 100_000 + b"]" * 100_000)
    assert caught.value.error == Error(Code.INVALID, codec.MAX_DEPTH_MESSAGE)


def test_bytes_text_and_raw_are_decoded_alike() -> None:
    text = '{"name": "Zoë", "many": [{"n": 1}]}'
    expected = Sample("Zoë", many=[Inner(1)])
    for raw in (text, text.encode(), msgspec.Raw(text.encode())):
        assert codec.decode(Sample, raw) == expected


def test_commands_are_decoded_by_their_registration() -> None:
    spec = next(s for s in specs(Kind.COMMAND) if s.type is Attack)
    ident = "0192f0c1-2345-7abc-8def-0123456789ab"
    call = codec.decode_call(
        spec, f'{{"battle_id":"{ident}","enemy_id":1,"request_id":"r"}}'.encode()
    )
    assert isinstance(call, Attack)
    with pytest.raises(Failure) as caught:
        codec.decode_call(spec, b'{"battle_id":"x"}')
    assert caught.value.error.field == "battle_id"


def test_replies_have_their_envelope() -> None:
    assert msgspec.json.decode(codec.reply_ok(Inner(1))) == {"ok": True, "data": {"n": 1}}
    error = Error(Code.BUSY, "later", retry_after_ms=5)
    assert msgspec.json.decode(codec.reply_error(error)) == {
        "ok": False,
        "error": {"code": "busy", "message": "later", "retry_after_ms": 5},
    }


def test_metadata_without_a_number_says_nothing_of_one() -> None:
    assert codec.encode(codec.Meta(room="r", at="t")) == b'{"room":"r","at":"t"}'
    assert b'"seq":0' in codec.encode(codec.Meta(room="r", at="t", seq=0, epoch="e"))
