"""Secrets in messages: masked, left out of what is kept, and refused where they would be told."""

import secrets
from collections.abc import Iterator
from unittest import mock

import jwt
import msgspec
import pytest

from protocol import codec, message
from protocol.auth import Login, RefreshBody, Register, Tokens
from protocol.errors import Failure
from protocol.gateway import Renew
from protocol.ids import RequestId
from protocol.message import (
    KEPT,
    Command,
    Done,
    Event,
    Limit,
    Query,
    command,
    event,
    query,
    spec_of,
    specs,
)
from protocol.permissions import Permission
from protocol.secret import KEY_PREFIX, REFRESH_PREFIX, TOKEN, Secret, secret_fields
from server import app  # registers everything
from server.database import Request, Statement, Work
from server.gateway.connection import Call
from server.gateway.requests import Requests

assert app.DOMAINS

PASSWORD = "a password of this test"


@pytest.fixture(autouse=True)
def _forget_what_a_test_registers(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(message.REGISTRY, "_calls", dict(message.REGISTRY._calls))
    monkeypatch.setattr(message.REGISTRY, "_events", dict(message.REGISTRY._events))
    with mock.patch.dict(message._by_type):
        yield


class Inner(msgspec.Struct, frozen=True):
    """Something with a secret in it."""

    password: Secret


class SetPassword(Command[Done], frozen=True):
    """Set a password."""

    username: str
    password: Secret
    old: Secret | None = None


def digest(**fields: str | None) -> str:
    """What a request is known by."""
    command("tests.set_password", permission=Permission.CONNECT, limit=Limit.RARE)(SetPassword)
    sent = SetPassword(**{"username": "ada", "request_id": "r", **fields})  # type: ignore[arg-type]
    request = Requests.of("ada", spec_of(SetPassword), sent)
    assert request is not None
    return request.digest


@pytest.mark.parametrize(
    "holding",
    [
        Register("ada", PASSWORD),
        Login("ada", PASSWORD),
        RefreshBody(PASSWORD),
        Tokens(PASSWORD, PASSWORD, 900),
        Renew(token=PASSWORD),
        SetPassword(username="ada", password=PASSWORD, old=PASSWORD),
    ],
    ids=lambda holding: type(holding).__name__,
)
def test_a_secret_is_masked_where_its_message_is_shown(holding: msgspec.Struct) -> None:
    for shown in (repr(holding), str(holding), f"{holding}", repr([holding]), repr({1: holding})):
        assert PASSWORD not in shown
        assert "***" in shown
    assert PASSWORD not in str(ValueError(holding))
    assert PASSWORD.encode() in msgspec.json.encode(holding), "it is there all the same"


def test_what_is_no_secret_is_shown() -> None:
    shown = repr(SetPassword(username="ada", password=PASSWORD))
    assert shown == "SetPassword(username='ada', password=***, old=None, request_id=None)"


def test_every_password_token_and_key_of_the_contract_is_a_secret() -> None:
    words = ("password", "token", "secret", "key")
    bodies: list[type[msgspec.Struct]] = [Register, Login, RefreshBody, Tokens]
    for cls in (*bodies, *(spec.type for spec in specs())):
        named = {n for n in cls.__struct_fields__ if any(word in n for word in words)}
        assert named <= set(secret_fields(cls)), f"{cls.__name__}: these should be Secret"


def test_what_carries_a_message_or_a_unit_shows_nothing_of_it() -> None:
    work = Work("")
    work.change(Statement("tests.hash", "select :hash"), hash=PASSWORD)
    for carrier in (Call("tests.set_password", PASSWORD.encode(), "1", 0.0), work, *work.changes):
        assert PASSWORD not in repr(carrier)
        assert PASSWORD not in repr([carrier])


def test_a_digest_tells_nothing_of_a_secret() -> None:
    first = digest(password="one")
    other = SetPassword(username="ada", password="two", request_id="r")
    assert Requests.of("ada", spec_of(SetPassword), other) == Request(("ada", "r"), first)


@pytest.mark.parametrize("fields", [{"username": "bob"}, {"old": "there is one"}])
def test_whatever_else_differs_makes_another_digest(fields: dict[str, str]) -> None:
    plain = digest(password="one")
    message.REGISTRY._calls.pop("tests.set_password")
    message._by_type.pop(SetPassword)
    assert digest(password="one", **fields) != plain


def test_no_event_holds_a_secret() -> None:
    with pytest.raises(TypeError, match=r"tests\.told: an event is published"):

        @event("tests.told", delivery=KEPT)
        class Told(Event, frozen=True, kw_only=True):
            """Tells."""

            within: list[dict[str, Inner | None]]


def test_no_reply_of_a_command_holds_a_secret() -> None:
    with pytest.raises(TypeError, match=r"tests\.make: replies of commands are stored"):

        @command("tests.make", permission=Permission.CONNECT, limit=Limit.RARE)
        class Make(Command[Inner], frozen=True):
            """Makes."""


def test_a_query_may_answer_with_a_secret_as_nobody_keeps_it() -> None:
    @query("tests.ask", permission=Permission.CONNECT)
    class Ask(Query[Inner], frozen=True):
        """Asks."""

    assert spec_of(Ask).secrets == ()


def test_a_secret_stands_where_it_is_masked() -> None:
    with pytest.raises(TypeError, match=r"tests\.deep: a Secret must be a direct field"):

        @command("tests.deep", permission=Permission.CONNECT, limit=Limit.RARE)
        class Deep(Command[Done], frozen=True):
            """Hides one."""

            within: tuple[Inner, ...]


def test_a_type_that_holds_itself_is_looked_at_once() -> None:
    @command("tests.tree", permission=Permission.CONNECT, limit=Limit.RARE)
    class Planted(Command[Done], frozen=True):
        """Plants."""

        tree: Tree

    assert spec_of(Planted).secrets == ()


class Tree(msgspec.Struct, frozen=True):
    """Branches."""

    branches: "list[Tree]" = []


def test_tokens_of_ours_are_known_by_their_looks() -> None:
    signed = jwt.encode({"sub": "x"}, "s" * 32, "HS256")
    for token in (signed, REFRESH_PREFIX + secrets.token_urlsafe(32), KEY_PREFIX + "x" * 43):
        assert TOKEN.sub("", f"before {token} after") == "before  after"
    assert TOKEN.sub("", "a word, an id 01a20622-9de7-7967-8b71-288684b33bd5") == (
        "a word, an id 01a20622-9de7-7967-8b71-288684b33bd5"
    )


@pytest.mark.parametrize("prefix", [REFRESH_PREFIX, KEY_PREFIX])
def test_a_token_is_no_request_id(prefix: str) -> None:
    decoder = msgspec.json.Decoder(RequestId)
    with pytest.raises(msgspec.ValidationError):
        decoder.decode(msgspec.json.encode(prefix + secrets.token_urlsafe(32)))
    assert decoder.decode(b'"wr_1"') == "wr_1"


def test_what_is_wrong_with_a_secret_is_told_without_it() -> None:
    for raw in (f'{{"token":["{PASSWORD}"]}}', f'{{"token":"{PASSWORD * 500}"}}'):
        with pytest.raises(Failure) as caught:
            codec.decode_call(spec_of(Renew), raw)
        assert caught.value.error.field == "token"
        assert PASSWORD not in str(caught.value.error)
