"""What is said on the wire, by hand: in packets of Socket.IO, and in the objects of `/ws`."""

import json
from collections.abc import Callable
from typing import Any, ClassVar, Final, NamedTuple, Protocol

from tests.support.folds import Told

PING: Final = "2"
"""Of Engine.IO."""
UNREADABLE: Final = "null"
"""What is answered where it could not be read who asked, on `/ws`."""
PLAIN_SILENCE_S: Final = 45.0
"""How long a server may be silent that does not say it: the settings' ping interval and timeout."""


class Reply(NamedTuple):
    """An answer to the message with this ack."""

    ack: str
    reply: dict[str, Any]


class LoggedIn(NamedTuple):
    """What came of logging in: a reply, as to any message."""

    reply: dict[str, Any]


class Greeting(NamedTuple):
    """The first thing said: the session's id, and how long the server may be silent, seconds."""

    sid: str
    silence_s: float


class Say(NamedTuple):
    """Something that is to be answered at once, whoever it is, with this."""

    text: str


Heard = Told | Reply | LoggedIn | Greeting | Say | None
"""What a text is; None where it says nothing to us."""


class Dialect(Protocol):
    """How messages are written and read. Names and data are given as JSON."""

    def message(self, ack: str, name: str, data: str) -> str:
        """A message; "" asks for no answer."""
        ...

    def event(self, text: str) -> str | None:
        """The part of a text that is an event; None where it is none."""
        ...

    def read(self, text: str) -> Heard:
        """What a text says. Raises AssertionError where it says what no server may."""
        ...


class SocketIO:
    """Packets of Engine.IO, and those of Socket.IO in them."""

    def message(self, ack: str, name: str, data: str) -> str:
        """`42<ack>["name",{…}]`"""
        return f"42{ack}[{name},{data}]"

    def event(self, text: str) -> str | None:
        """`["name",{data},{meta}]`"""
        return text[2:] if text.startswith("42") else None

    def read(self, text: str) -> Heard:
        """A packet."""
        if (answer := self._ANSWERS.get(text)) is not None:
            return Say(answer)
        for start, read in self._READERS.items():
            if text.startswith(start):
                return read(text)
        assert text in ("1", "6"), text
        return None

    @staticmethod
    def _told(text: str) -> Told:
        return Told(*json.loads(text[2:]))

    @staticmethod
    def _reply(text: str) -> Reply:
        ack, bracket, rest = text[2:].partition("[")
        assert bracket, text
        (reply,) = json.loads(f"[{rest}")
        return Reply(ack, reply)

    @staticmethod
    def _let_in(text: str) -> LoggedIn:
        return LoggedIn({"ok": True, "data": json.loads(text[2:])})

    @staticmethod
    def _kept_out(text: str) -> LoggedIn:
        _, brace, rest = text.partition("{")  # before it stands a namespace, where it is another
        refusal = json.loads(brace + rest)
        error = refusal.get("data", refusal)
        assert refusal["message"] == error["message"]
        return LoggedIn({"ok": False, "error": error})

    @staticmethod
    def _greeting(text: str) -> Greeting:
        hello = json.loads(text[1:])
        return Greeting(hello["sid"], (hello["pingInterval"] + hello["pingTimeout"]) / 1000)

    _READERS: ClassVar[dict[str, Callable[[str], Heard]]] = {
        "42": _told,
        "43": _reply,
        "40": _let_in,
        "44": _kept_out,
        "0": _greeting,
    }
    _ANSWERS: ClassVar[dict[str, str]] = {PING: "3", "3probe": "5"}


class Plain:
    """One JSON object a text, as `/ws` has it."""

    def message(self, ack: str, name: str, data: str) -> str:
        """`{"id": 7, "type": "name", "data": {…}}`"""
        ident = f'"id":{ack},' if ack else ""
        return f'{{{ident}"type":{name},"data":{data}}}'

    def event(self, text: str) -> str | None:
        """All of it."""
        return text if text.startswith('{"type":') else None

    def read(self, text: str) -> Heard:
        """An object: an event has a `type`, an answer the `id` of what it answers."""
        said = json.loads(text)
        if "type" in said:
            return Told(said.pop("type"), said.pop("data"), said)
        return Reply(json.dumps(said.pop("id")), said)
