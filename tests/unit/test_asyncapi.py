"""The AsyncAPI document is one by AsyncAPI's own rules, and everything of the registry is in it."""

import copy
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator

from protocol import asyncapi, codec, rooms
from protocol.battles import BattleReason, SeatedElsewhere
from protocol.domains import load
from protocol.endings import Ending
from protocol.errors import Code, Error, Failure, RequestReason, refused
from protocol.facts import reasons
from protocol.gateway import Since
from protocol.ids import uuid7
from protocol.message import RATES, Kind, Spec, find, specs
from tests.contracts import MESSAGES
from tests.support.asyncapi import Described
from tests.support.programs import missing, need

ROOT = Path(__file__).parents[2]
RULES = ROOT / "scripts/page/node_modules/@asyncapi/specs/schemas/3.0.0.json"

DOCUMENT: dict[str, Any] = json.loads(asyncapi.encoded())
OPERATIONS = DOCUMENT["operations"]
CHANNELS = DOCUMENT["channels"]


def registered(*kinds: Kind) -> list[Spec]:
    """The messages of the server; none that a test has registered."""
    return [spec for spec in specs(*kinds) if spec.domain != "tests"]


@pytest.fixture(scope="module")
def rules() -> Draft7Validator:
    """AsyncAPI's own JSON Schema of a document."""
    if not RULES.is_file():
        missing("@asyncapi/specs is not installed: scripts/setup dev")
    return Draft7Validator(json.loads(RULES.read_text()))


def test_it_is_a_document_by_the_official_schema(rules: Draft7Validator) -> None:
    assert [e.message for e in rules.iter_errors(DOCUMENT)] == []


BROKEN: dict[str, Callable[[dict[str, Any]], object]] = {
    "no title": lambda d: d["info"].pop("title"),
    "no version of AsyncAPI": lambda d: d.pop("asyncapi"),
    "an action that there is not": lambda d: d["operations"]["players.get"].update(action="ask"),
    "an operation without a channel": lambda d: d["operations"]["players.get"].pop("channel"),
    "a server without a host": lambda d: d["servers"]["warroom"].pop("host"),
    "a field that there is not": lambda d: d["channels"]["battle"].update(permission="play"),
    "a schema of a type that there is not": lambda d: d["components"]["schemas"]["Seat"].update(
        type="seat"
    ),
    "a way to log in that there is not": lambda d: d["components"]["securitySchemes"][
        "token"
    ].update(type="asked"),
}


@pytest.mark.parametrize("how", BROKEN)
def test_a_broken_document_is_none(rules: Draft7Validator, how: str) -> None:
    document = copy.deepcopy(DOCUMENT)
    BROKEN[how](document)
    assert not rules.is_valid(document)


def parsed(document: dict[str, Any]) -> Any:
    """What AsyncAPI's parser makes of a document."""
    node = need("node")
    if not RULES.is_file():
        missing("@asyncapi/parser is not installed: scripts/setup dev")
    program = [node, ROOT / "tests/support/asyncapi.mjs"]
    done = subprocess.run(
        program, input=json.dumps(document), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.node
def test_the_tools_of_asyncapi_read_all_of_it() -> None:
    found = parsed(DOCUMENT)
    assert found["errors"] == []
    assert found["patterns"] > 10, "every pattern is one in JavaScript too"
    assert found["operations"].keys() == {spec.name for spec in registered()}
    attack, struck = found["operations"]["battles.attack"], found["operations"]["battles.struck"]
    assert attack == {
        "action": "receive",
        "channel": "/",
        "messages": ["battles.attack"],
        "reply": ["battles.attack.reply", "error"],
    }
    assert struck["action"] == "send"
    assert struck["channel"] == "battle:{id}"


@pytest.mark.node
def test_the_tools_of_asyncapi_find_what_is_broken() -> None:
    document = copy.deepcopy(DOCUMENT)
    del document["components"]["messages"]["battles.attack.reply"]
    assert any("battles.attack.reply" in error for error in parsed(document)["errors"])


@pytest.mark.parametrize("spec", registered(), ids=lambda spec: str(spec.name))
def test_every_message_is_there_with_all_that_is_asked_of_it(spec: Spec) -> None:
    operation = OPERATIONS[spec.name]
    assert operation["summary"] == re.split(r"\n\s*\n", spec.doc)[0].replace("\n    ", "\n")
    assert operation["x-kind"] == spec.kind
    channel = CHANNELS[operation["channel"]["$ref"].rpartition("/")[2]]
    assert spec.name in channel["messages"]
    message = DOCUMENT["components"]["messages"][spec.name]
    assert message["payload"]["$ref"].endswith(f"/{spec.type.__name__}")
    if spec.kind is Kind.EVENT:
        assert operation["action"] == "send"
        assert operation["x-delivery"] == spec.delivery
        assert "headers" in message
        return
    assert operation["action"] == "receive"
    assert operation["x-permission"] == spec.permission
    assert spec.limit is not None
    rate, at_once = RATES[spec.limit]
    assert operation["x-rate"]["one_person"] == {"per_second": rate, "at_once": at_once}
    assert f"{spec.name}.reply" in channel["messages"]


def test_nothing_else_is_there() -> None:
    assert OPERATIONS.keys() == {spec.name for spec in registered()}
    named = {f"{spec.name}.reply" for spec in registered(Kind.COMMAND, Kind.QUERY)}
    assert DOCUMENT["components"]["messages"].keys() == {*OPERATIONS, *named, "error"}
    assert CHANNELS.keys() == {*rooms.KINDS, "connection"}


@pytest.mark.parametrize("kind", rooms.KINDS.values(), ids=lambda kind: str(kind.word))
def test_every_kind_of_room_is_a_channel(kind: rooms.RoomKind) -> None:
    channel = CHANNELS[kind.word]
    assert channel["x-permission"] == kind.permission
    assert channel["address"].replace("{id}", "<id>") == kind.pattern
    assert ("id" in channel.get("parameters", {})) is kind.keyed
    name = channel["x-snapshot"]["$ref"].rpartition("/")[2]
    assert name in DOCUMENT["components"]["schemas"]


def test_every_reason_stands_with_its_code_its_details_and_who_declares_it() -> None:
    known = {one.value: one for cls in reasons(load()) for one in cls}
    assert len(known) == sum(len(cls) for cls in reasons(load())), "two reasons of one name"
    listed = {spec.name: list(spec.refuses) for spec in registered(Kind.COMMAND, Kind.QUERY)}
    assert listed["battles.attack"] == [
        *("not_seated", "down", "over", "exhausted", "enemy_defeated", "no_player")
    ]
    assert {word for words in listed.values() for word in words} <= known.keys()
    for name, words in listed.items():
        assert OPERATIONS[name]["x-refused"] == words
    told = {w: r for part in DOCUMENT["x-reasons"].values() for w, r in part["reasons"].items()}
    assert told.keys() == known.keys()
    for word, about in told.items():
        assert about["code"] == known[word].code
        declared = {name for name, words in listed.items() if word in words}
        assert declared == {name for name in about["refused_by"] if "/" not in name}
        assert about["refused_by"] or known[word] in RequestReason, f"{word}: nobody declares it"
        assert ("details" in about) is (known[word].details is not None)
    name = told["seated_elsewhere"]["details"]["$ref"].rpartition("/")[2]
    assert DOCUMENT["components"]["schemas"][name]["required"] == ["battle_id"]


def test_details_are_held_against_the_schema_of_an_error() -> None:
    described = Described(DOCUMENT)
    failure = refused(BattleReason.SEATED_ELSEWHERE, "there", SeatedElsewhere(uuid7()))
    reply = json.loads(codec.reply_error(failure.error))
    assert reply["error"]["details"].keys() == {"battle_id"}
    assert described.reply("battles.join", reply) == []
    assert described.reply("battles.join", {**reply, "error": {**reply["error"], "details": 7}})


def test_every_code_and_every_ending_says_whether_to_retry() -> None:
    assert {code: about["retry"] for code, about in DOCUMENT["x-errors"].items()} == {
        code.value: code.retry for code in Code
    }
    known = {cls for cls in Ending.__subclasses__() if cls is not Code}
    told = DOCUMENT["x-endings"]
    assert sorted(sorted(told[name]) for name in told) == sorted(sorted(cls) for cls in known)
    for name, endings in told.items():
        (cls,) = {cls for cls in known if set(cls) == endings.keys()}
        for ending in cls:
            assert endings[ending] == {"meaning": ending.meaning, "retry": ending.retry}, name
            assert ending.meaning, f"{ending}: written without its meaning"
    assert all(code.meaning for code in Code)


@pytest.mark.parametrize("name", MESSAGES)
def test_its_schemas_take_what_looks_right_and_nothing_more(name: str) -> None:
    described = Described(DOCUMENT)
    data = MESSAGES[name].data
    assert described.call(name, data) == []
    assert described.call(name, {**data, "nobody": 1})
    assert described.call(name, [data])


@pytest.mark.parametrize("name", MESSAGES)
def test_what_its_contract_says_is_wrong_is_so_to_schema_and_decoder(name: str) -> None:
    described, needs, spec = Described(DOCUMENT), MESSAGES[name], find(name)
    assert spec is not None
    assert {*needs.wrong, "request_id"} >= {*spec.type.__struct_fields__}
    for field, value in needs.wrong.items():
        data = {**needs.data, field: value}
        assert described.call(name, data), field
        with pytest.raises(Failure) as failure:
            codec.decode_call(spec, codec.encode(data))
        assert failure.value.error.code is Code.INVALID
        assert failure.value.error.field == field


def test_its_schemas_know_what_is_wrong() -> None:
    described = Described(DOCUMENT)
    right = {"battle_id": uuid7(), "enemy_id": 1, "request_id": uuid7()}
    assert described.call("battles.attack", right) == []
    for wrong in (
        {"battle_id": "1"},
        {"enemy_id": 0},
        {"enemy_id": "1"},
        {"kind": "slow"},
        {"request_id": ""},
        {"request_id": "wrr_abc"},
    ):
        assert described.call("battles.attack", {**right, **wrong}), wrong
    no = json.loads(codec.reply_error(Error(Code.BUSY, "later")))
    assert described.reply("battles.attack", no) == []
    assert described.reply("battles.attack", {**no, "error": {"code": "lazy", "message": ""}})
    assert described.reply("battles.attack", {"ok": True, "data": {"damage": 1}})
    meta = {"room": f"battle:{uuid7()}", "at": "2026-11-23T02:09:12.589Z"}
    away = {"battle_id": uuid7(), "player_id": uuid7()}
    numbered = {**meta, "seq": 1, "epoch": uuid7()}
    assert described.event("battles.player_returned", away, numbered) == []
    assert described.event("battles.player_returned", away, meta), "a kept event is numbered"
    assert described.event("battles.player_returned", {}, numbered)
    assert described.event("battles.player_returned", away, {**numbered, "room": "battles"})


def test_a_secret_is_shown_as_one() -> None:
    token = DOCUMENT["components"]["schemas"]["Renew"]["properties"]["token"]
    assert token["format"] == "password"
    assert token["writeOnly"] is True


def test_a_reference_stands_alone() -> None:
    """In draft 7 whatever stands beside a reference counts for nothing."""

    def look(value: Any) -> None:
        if isinstance(value, dict):
            assert "$ref" not in value or len(value) == 1, value
            assert not value.keys() & {"prefixItems", "$defs", "unevaluatedProperties"}
        for one in value.values() if isinstance(value, dict) else value:
            if isinstance(one, dict | list):
                look(one)

    look(DOCUMENT)
    assert Since.__name__ in DOCUMENT["components"]["schemas"]


def test_it_is_printed() -> None:
    program = [sys.executable, "-m", "protocol.asyncapi"]
    done = subprocess.run(program, cwd=ROOT, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == DOCUMENT
