"""Packets that no client library sends, and as many of them as somebody likes."""

from typing import Any, Final

from tests.support.abuse.attack import SOCKET_IO, Attacks, Target
from tests.support.wire import Wire

PACKETS: Final = Attacks()
attack = PACKETS.attack

LEAVE: Final = '["rooms.leave",{"room":"nothing"}]'
CODES: Final = {"ok", "rate_limited", "busy"}


async def still_there(wire: Wire) -> None:
    """It is answered, and closed."""
    answer = await wire.patiently("rooms.leave", {"room": "nothing"})
    assert answer["ok"], answer
    await wire.close()


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


@attack("answers to what was never asked", ways=SOCKET_IO)
async def unasked(target: Target) -> None:
    """Acks of any number."""
    wire = await target.logged_in()
    wire.send(*(f"43{number}[1]" for number in (0, 1, 99_999_999, "9" * 100)))
    wire.send("461-7[{}]")
    await still_there(wire)


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
