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
from protocol.permissions import Permission
from protocol.text import shown_fields
from tests.support.abuse.attack import Attacks, Target
from tests.support.callers import Callers
from tests.support.dialects import UNREADABLE
from tests.support.messages import calls, needs
from tests.support.people import registered
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
DECEIVING: Final = tuple(
    json.dumps(text)
    for text in (
        *(f"a{chr(code)}b" for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A))),
        *(
            "gold\u200f 50",
            "\u200e",
            "\u061ca",
            "\u200b",
            "\ufeff\u2060",
            "\u3164",
            "\u2800",
            "\xa0",
        ),
        *("\u0301", "\ufe0f", "\U000e0041\U000e007f", "\u200d", " \u3000 ", "\U000e0100", "\uffff"),
    )
)
"""Text that turns the line it stands in, or of which nothing is seen: others would be shown it."""
ATTACHMENTS: Final = (1, 10, 11, 999_999_999)
NO_UTF8: Final = b'"\xed\xa0\x80"'
FIRST_ACK: Final = 1_000_000
SOME: Final = 12
"""So many attachments are sent, at most, where there would be no end of them."""
SHORTER: Final = 20
"""One of so many is given where the attack is to be short."""
_HERE: Final = "the poison goes here"


class Dose(NamedTuple):
    """One poisoned message: where it is and what, in data that looks right otherwise."""

    spec: Spec
    path: tuple[str, ...]
    value: str

    @property
    def data(self) -> str:
        """The data as it is sent."""
        return json.dumps(put(dict(needs(self.spec).data), self.path, _HERE)).replace(
            json.dumps(_HERE), self.value
        )

    def __str__(self) -> str:
        return f"{self.spec.name} {'.'.join(self.path)}={self.value[:40]}"


def doses() -> Iterator[Dose]:
    """Every poison in every field of every command and query."""
    for spec in calls():
        for path in places(spec.type):
            values = VALUES if path[0] in spec.secrets else VALUES + CONTROLS
            if path[0] in shown_fields(spec.type):
                values += DECEIVING
            yield from (Dose(spec, path, value) for value in values)


async def give(wire: Wire, dose: Dose) -> str | None:
    """Send one. Returns what is wrong with the answer: nothing where it was refused."""
    answer = await wire.call_text(json.dumps(dose.spec.name), dose.data)
    return _judged(str(dose), answer)


async def attach(wire: Wire, way: Transport, spec: Spec, attachments: int) -> str | None:
    """Send a message whose every field is an attachment, and some of those that it announces.

    Over `/ws` there are none: all of it is sent as bytes. Returns what is wrong with the answer.
    """
    holders = {
        path[0]: {"_placeholder": True, "num": number % attachments}
        for number, path in enumerate(places(spec.type))
    }
    sent = json.dumps([spec.name, holders])
    if way == "plain":
        before = len(wire.replies.get(UNREADABLE, []))
        wire.send(sent.encode())
        await wire.until(lambda: len(wire.replies.get(UNREADABLE, [])) == before + 1)
        answer = wire.replies[UNREADABLE][-1]
    else:
        ack = str(FIRST_ACK + len(wire.replies))
        part: str | bytes = b"\x00\xff" if way == "websocket" else "bAP8="
        wire.send(f"45{attachments}-{ack}{sent}", *[part] * min(attachments, SOME))
        answer = await wire.answer(ack)
    return _judged(f"{spec.name} with {attachments} attachments", answer)


def _judged(what: str, answer: dict[str, Any]) -> str | None:
    refused = not answer["ok"] and answer["error"]["code"] == "invalid"
    return None if refused else f"{what}: {answer}"


POISON: Final = Attacks()


def given_in_whole(_: Target) -> float:
    """As long as it takes to send so much, of what is answered at once."""
    return 60.0


@POISON.attack("poison in every field", within_s=given_in_whole)
async def poison(target: Target) -> None:
    """All that a player may send, by as many as may send it without being told to wait."""

    async def another() -> Wire:
        token = (await registered(target.url)).tokens.access_token
        return await Wire.connect(target.url, target.way, token=token)

    callers = Callers(another)
    given = [d for d in doses() if d.spec.permission in (Permission.CONNECT, Permission.PLAY)]
    for dose in given[:: 1 if target.full else SHORTER]:
        assert dose.spec.limit is not None
        assert not await give(await callers.next(dose.spec.limit), dose)
    await callers.close()
