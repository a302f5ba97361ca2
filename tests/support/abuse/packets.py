"""Packets that no client library sends, and as many of them as somebody likes."""

import asyncio
import base64
import json
from typing import Any, Final

import aiohttp

from protocol.endings import RefusalReason
from server.transport.rfc6455 import CloseCode
from tests.support.abuse.attack import SOCKET_IO, Attacks, Target
from tests.support.abuse.frames import closed_with
from tests.support.polling import Polling
from tests.support.websocket import frame
from tests.support.wire import Wire

PACKETS: Final = Attacks()
attack = PACKETS.attack

LEAVE: Final = '["rooms.leave",{"room":"nothing"}]'
FLOOD: Final = 1000
CODES: Final = {"ok", "rate_limited", "busy"}


async def still_there(wire: Wire) -> None:
    """It is answered, and closed."""
    await answered(wire)
    await wire.close()


async def answered(wire: Wire) -> None:
    """It is answered: whatever it sends from now on is not held until it is in."""
    answer = await wire.patiently("rooms.leave", {"room": "nothing"})
    assert answer["ok"], answer


async def flood(target: Target, wire: Wire, *packets: str | bytes) -> None:
    """Send very many at once, and be closed: they are no messages, and too many."""
    if target.way == "polling":
        packets = tuple(
            packet if isinstance(packet, str) else f"b{base64.b64encode(packet).decode()}"
            for packet in packets
        )
    wire.send(*packets)
    closed = await wire.until_closed()
    assert target.way == "polling" or closed == (CloseCode.POLICY, "flooding"), closed


def code_of(answer: dict[str, Any]) -> str:
    """The code of a reply, `ok` where it is that."""
    return "ok" if answer["ok"] else str(answer["error"]["code"])


@attack("announced attachments, up to 999,999,999", ways=SOCKET_IO)
async def announced(target: Target) -> None:
    """None of them comes; each announcement is refused, and nothing is kept for it."""
    wire = await target.logged_in()
    for ack, number in enumerate((1, 10, 11, 150, 999_999_999), 100):
        wire.send(f'45{number}-{ack}["battles.get",{{"_placeholder":true,"num":0}}]')
        assert code_of(await wire.answer(str(ack))) == "invalid"
    await still_there(wire)


@attack("unfinished and impossible binary packets", ways=SOCKET_IO)
async def unfinished(target: Target) -> None:
    """`450-[…]`, another packet where bytes are due, and a number that is none."""
    wire = await target.logged_in()
    wire.send('450-100["battles.get"]')
    assert code_of(await wire.answer("100")) == "invalid"
    wire.send('452-101["battles.get"]', f"42102{LEAVE}")
    assert code_of(await wire.answer("101")) == "invalid"
    assert code_of(await wire.answer("102")) == "ok"
    wire.send("45-[]")
    await wire.until_closed()


@attack("answers to what was never asked", RefusalReason.FLOODING, ways=SOCKET_IO)
async def unasked(target: Target) -> None:
    """Acks of any number."""
    wire = await target.logged_in()
    wire.send(*(f"43{number}[1]" for number in (0, 1, 99_999_999, "9" * 100)))
    wire.send("461-7[{}]")
    await still_there(wire)
    wire = await target.logged_in()
    await flood(target, wire, *(f"43{number}[1]" for number in range(FLOOD)))


@attack("150 MB of attachments", RefusalReason.TOO_LARGE, ways=SOCKET_IO)
async def attachments(target: Target) -> None:
    """Announced and sent: in messages of which each is small enough, they are too much."""
    piece, number = 1_000_000, 150 if target.full else 5
    if target.way == "polling":
        packets = [f"b{base64.b64encode(bytes(piece // 4)).decode()}"] * 3
        async with aiohttp.ClientSession() as http:
            polling = await Polling(http, target.url).log_in(token=target.token)
            assert await polling.post(f'45{number}-["battles.get"]') == 200
            statuses = [await polling.post(*packets) for _ in range(3)]
            assert statuses[-1] == 400, statuses
        return
    wire = await target.logged_in()
    await answered(wire)
    wire.send(f'45{number}-["battles.get",{{"_placeholder":true,"num":0}}]')
    raw = frame(bytes(piece))
    for _ in range(number):
        if wire.closed is not None:
            break
        wire.write(raw)
        await asyncio.sleep(0)
    await closed_with(wire, CloseCode.TOO_LARGE, "attachments")


@attack("bytes that belong to nothing", RefusalReason.FLOODING, ways=SOCKET_IO)
async def stray_bytes(target: Target) -> None:
    """One is passed over. A flood of them is one of messages."""
    wire = await target.logged_in()
    wire.send("bAAAA" if target.way == "polling" else b"\0")
    await still_there(wire)
    wire = await target.logged_in()
    await flood(target, wire, *[b"\0"] * FLOOD)


@attack("2,000 CONNECTs", RefusalReason.FLOODING, ways=SOCKET_IO)
async def connects(target: Target) -> None:
    """By somebody who is in: each is refused, and then it is too much."""
    wire = await target.logged_in()
    await flood(target, wire, *[f'40{{"token":"{target.token}"}}'] * 2000)


@attack("unknown namespaces", RefusalReason.FLOODING, ways=SOCKET_IO)
async def namespaces(target: Target) -> None:
    """Each is refused, until it is too much; and their names are not said back in full."""
    wire = await target.logged_in()
    wire.send(f"40/{'x' * 700_000},")
    await wire.until(lambda: wire.frames[-1].startswith("44/x"))
    assert len(wire.frames[-1]) < 200
    await flood(target, wire, *(f"40/{number}," for number in range(FLOOD)))


@attack("100 emits in one flush")
async def flush(target: Target) -> None:
    """Each is answered once: carried out, or refused in so many words."""
    wire = await target.logged_in()
    if target.way == "polling":
        await wire.close()
        async with aiohttp.ClientSession() as http:
            polling = await Polling(http, target.url).log_in(token=target.token)
            assert await polling.post(*(f"42{ack}{LEAVE}" for ack in range(100, 200))) == 200
            said: list[str] = []
            while len(said) < 100:
                said += [text for text in (await polling.poll()).packets if text.startswith("43")]
        answers = {text[2:5]: json.loads(text[5:])[0] for text in said}
        assert len(said) == len(answers) == 100
    else:
        asked = [wire.ask("rooms.leave", room="nothing") for _ in range(100)]
        answers = dict(enumerate(await asyncio.gather(*asked)))
        await wire.close()
    assert {code_of(answer) for answer in answers.values()} <= CODES
    assert code_of(next(iter(answers.values()))) == "ok"


@attack("names of JavaScript and of Socket.IO")
async def reserved_names(target: Target) -> None:
    """They are names like others, and there is no such command."""
    wire = await target.logged_in()
    for name in ("connect", "disconnect", "connect_error", "__proto__", "constructor", "error"):
        assert code_of(await wire.patiently(name, {"__proto__": {"role": "admin"}})) == "not_found"
    await still_there(wire)


@attack("JSON nested 900 deep")
async def deep(target: Target) -> None:
    """As data, as a field, and as what comes beside a name."""
    wire = await target.logged_in()
    nested = "[" * 900 + "]" * 900
    for data in (nested, '{"room":' + nested + "}", '{"a":' * 900 + "1" + "}" * 900):
        assert code_of(await wire.call_text('"rooms.leave"', data)) == "invalid"
    await still_there(wire)
