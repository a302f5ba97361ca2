"""The digest by which a retry is known, and what becomes of it across versions."""

import typing
from collections.abc import Iterator
from unittest import mock

import msgspec
import pytest

from protocol import message
from protocol.errors import Failure
from protocol.message import Command, Done, Limit, command, spec_of, specs
from protocol.permissions import Permission
from server import app  # registers everything
from server.database import Request
from server.gateway.requests import DIGEST_VERSION, Requests

assert app.DOMAINS


@pytest.fixture(autouse=True)
def _forget_what_a_test_registers(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(message.REGISTRY, "_calls", dict(message.REGISTRY._calls))
    with mock.patch.dict(message._by_type):
        yield


class Send(Command[Done], frozen=True):
    """As one version has it."""

    to: str
    amount: int = 1


class SendWithNote(Command[Done], frozen=True, kw_only=True):
    """As a later version has it: with one more field, in another place."""

    note: str = ""
    to: str
    amount: int = 1


def request(sent: Command[Done]) -> Request:
    """What a command is known by."""
    message.REGISTRY._calls.pop("tests.send", None)
    if type(sent) not in message._by_type:
        command("tests.send", permission=Permission.CONNECT, limit=Limit.RARE)(type(sent))
    found = Requests.of("ada", spec_of(type(sent)), sent)
    assert found is not None
    return found


def test_a_field_that_a_later_version_adds_changes_no_digest() -> None:
    before = request(Send(to="bob", request_id="r"))
    assert request(SendWithNote(to="bob", request_id="r")) == before
    assert request(SendWithNote(to="bob", note="hi", request_id="r")) != before


def test_what_is_given_and_is_the_default_is_the_same_as_left_out() -> None:
    assert request(Send(to="bob", amount=1, request_id="r")) == request(
        Send(to="bob", request_id="r")
    )


def nested(of: object) -> typing.Iterator[type[msgspec.Struct]]:
    """The structs within a type."""
    if isinstance(of, type) and issubclass(of, msgspec.Struct):
        yield of
        for field in msgspec.structs.fields(of):
            yield from nested(field.type)
    for part in typing.get_args(of):
        yield from nested(part)


def test_every_value_within_a_command_leaves_out_what_has_its_default() -> None:
    commands = [spec.type for spec in specs() if issubclass(spec.type, Command)]
    assert commands
    for cls in commands:
        for struct in nested(cls):
            assert struct.__struct_config__.omit_defaults, f"{cls.__name__}: {struct.__name__}"


def test_a_kept_reply_is_given_to_the_same_request_alone() -> None:
    requests, asked = Requests(), request(Send(to="bob", request_id="r"))
    requests.remember(asked, b"{}")
    assert requests.recent(asked) == b"{}"
    with pytest.raises(Failure) as refused:
        requests.recent(request(Send(to="carol", request_id="r")))
    assert refused.value.error.reason == "request_id_reused"


@pytest.mark.parametrize("kept", ["0" * 32, "1:" + "0" * 32])
def test_a_reply_of_another_version_is_given_by_its_id(kept: str) -> None:
    assert not kept.startswith(DIGEST_VERSION)
    requests, asked = Requests(), request(Send(to="bob", request_id="r"))
    requests.remember(Request(asked.key, kept), b"{}")
    assert requests.recent(asked) == b"{}"
