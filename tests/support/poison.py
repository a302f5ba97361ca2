"""What must never reach others: some clients of theirs would break on it, or show it as what it is
not.

Made for every field of every message, from the registry. Source: JSON (RFC 8259) has no NaN, and
Python's client reads and writes one; numbers beyond 2^53 become others in JavaScript; half a
surrogate can't be written in UTF-8; attachments without end are waited for by both clients.
"""

import json
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from protocol.message import Spec
from tests.support.dialects import UNREADABLE
from tests.support.messages import OWN_TOKEN, calls, needs
from tests.support.strategies import places, put
from tests.support.wire import Transport, Wire

VALUES: Final = (
    *("NaN", "Infinity", "-Infinity", "1e999", "-1e999"),
    *(str(2**53 + 1), str(-(2**53) - 1), str(2**64), "1" + "0" * 400),
    *('"\\ud800"', '"\\udc00"', '"\\udc00\\ud800"', '"a\\ud83d"'),
    '{"_placeholder":true,"num":0}',
)
"""JSON, and what others take for it, that no field takes."""
CONTROLS: Final = tuple(
    json.dumps(f"a{chr(code)}b")
    for code in (0, 7, 8, 0x0A, 0x0D, 0x1B, 0x1E, 0x7F, 0x80, 0x85, 0x9B, 0x9F, 0x2028, 0x2029)
)
"""Text that no field takes but a secret, which is never told."""
ATTACHMENTS: Final = (1, 10, 11, 999_999_999)
NAMES: Final = (
    *("connect", "disconnect", "connect_error", "disconnecting", "newListener", "__proto__"),
    *("constructor", "toString", "message", "*", "", "battles.chat_said", "server.evicted"),
)
"""Names that mean something to clients, or that only the server says."""
NO_UTF8: Final = b'"\xed\xa0\x80"'
_HERE: Final = "the poison goes here"


class Dose(NamedTuple):
    """One poisoned message: where it is and what, in data that looks right otherwise."""

    spec: Spec
    path: tuple[str, ...]
    value: str

    @property
    def data(self) -> str:
        """The data as it is sent."""
        return json.dumps(put(needs(self.spec).data, self.path, _HERE)).replace(
            json.dumps(_HERE), self.value
        )

    def __str__(self) -> str:
        return f"{self.spec.name} {'.'.join(self.path)}={self.value[:40]}"


def doses() -> Iterator[Dose]:
    """Every poison in every field of every command and query."""
    for spec in calls():
        for path in places(spec.type):
            values = VALUES if path[0] in spec.secrets else VALUES + CONTROLS
            yield from (Dose(spec, path, value) for value in values)


class Poisoner:
    """Somebody who may send everything, and sends it poisoned. `survived` names what was taken."""

    def __init__(self, wire: Wire, transport: Transport, token: str) -> None:
        self.survived: list[str] = []
        self._wire = wire
        self._transport = transport
        self._token = token
        self._acks = 1_000_000

    @classmethod
    async def connect(cls, url: str, transport: Transport, token: str) -> "Poisoner":
        """Connect and log in."""
        return cls(await Wire.connect(url, transport, token=token), transport, token)

    async def give(self, dose: Dose) -> None:
        """Send one."""
        data = dose.data.replace(OWN_TOKEN, self._token)
        answer = await self._wire.call_text(json.dumps(dose.spec.name), data)
        self._judge(str(dose), answer)

    async def attach(self, spec: Spec, attachments: int) -> None:
        """Send a message whose every field is an attachment, and some of those that it announces.

        Over `/ws` there are none: all of it is sent as bytes.
        """
        holders = {
            path[0]: {"_placeholder": True, "num": number % attachments}
            for number, path in enumerate(places(spec.type))
        }
        sent = json.dumps([spec.name, holders])
        some = min(attachments, 12)
        if self._transport == "plain":
            before = len(self._wire.replies.get(UNREADABLE, []))
            self._wire.send(sent.encode())
            await self._wire.until(
                lambda: len(self._wire.replies.get(UNREADABLE, [])) == before + 1
            )
            answer = self._wire.replies[UNREADABLE][-1]
        else:
            self._acks += 1
            self._wire.send(f"45{attachments}-{self._acks}{sent}")
            part: Any = b"\x00\xff" if self._transport == "websocket" else "bAP8="
            self._wire.send(*[part] * some)
            answer = await self._wire.answer(str(self._acks))
        self._judge(f"{spec.name} with {attachments} attachments", answer)

    async def call_it(self, name: str) -> None:
        """Send a message with a name that is none of a command's."""
        answer = await self._wire.call_text(json.dumps(name), '{"why":"io server disconnect"}')
        self._judge(f"the name {name!r}", answer, "not_found")

    def _judge(self, what: str, answer: dict[str, Any], code: str = "invalid") -> None:
        if answer["ok"] or answer["error"]["code"] != code:
            self.survived.append(f"{what}: {answer}")

    async def close(self) -> None:
        """Go. Raises ConnectionError where it was let go before."""
        await self._wire.ok("rooms.leave", room="nothing")
        await self._wire.close()
