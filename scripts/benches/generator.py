"""The load of strikes: Socket.IO over raw WebSockets, by hand, in one loop that never sleeps.

A generator that sleeps wakes up late and finds more at once, and so lets a server work in larger
portions than clients would. So this one asks the kernel again and again, and has a core of its
own; `working` says which part of the time it had something to do. Near 1, it would be the limit.
"""

import base64
import secrets
import select
import socket
import time
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from protocol.ids import uuid7

ANSWERS_WITHIN_S: Final = 20.0
AT_ONCE: Final = 1024
"""Sockets looked at in one go."""
STRUCK: Final = b'42["battles.struck",'
CHUNK: Final = 1 << 18


class Broken(Exception):
    """Something was lost, refused or out of order: figures would mean nothing."""


class Wire:
    """One connection. In a room, `seq` numbers the last event that came."""

    __slots__ = ("attack", "number", "rest", "room_size", "sent", "seq", "sock")

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.rest = b""
        self.number = 0
        self.sent: dict[int, float] = {}
        """When each message was due that has no answer yet, by its number."""
        self.seq = 0
        self.room_size = 0
        self.attack = b""

    def write(self, text: bytes) -> None:
        """Send a frame. Its mask is all zeros, so that there is nothing to compute."""
        size = len(text)
        head = bytes((0x81, 0x80 | size)) if size < 126 else b"\x81\xfe" + size.to_bytes(2)
        frame = head + bytes(4) + text
        if self.sock.send(frame) != len(frame):
            raise Broken("the server does not read")

    def strike(self, due: float) -> None:
        """Strike once."""
        self.number += 1
        self.sent[self.number] = due
        self.write(b'42%d%b"%b"}]' % (self.number, self.attack, uuid7().encode()))


class Tally:
    """What came of a phase. `strikes` were answered, `told` is how many events of them came.

    `strikes_s` and `told_s` are those of a second while it lasted, `working` the part of that
    time in which the generator had something to do.
    """

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds
        self.strikes = 0
        self.told = 0
        self.strikes_s = 0.0
        self.told_s = 0.0
        self.working = 0.0
        self.late_ms: list[float] = []
        """Sorted: of each strike, how long its answer took; where it was told to all who watch,
        how long the last of them waited."""

    def end(self, idle_s: float) -> None:
        """The time is over: what comes now comes late."""
        self.strikes_s = self.strikes / self.seconds
        self.told_s = self.told / self.seconds
        self.working = 1 - idle_s / self.seconds


class Generator:
    """All connections of one bench, whichever server they are to."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._wires: dict[int, Wire] = {}
        self._room = memoryview(bytearray(CHUNK))
        self._tally = Tally()
        self._owed = 0  # events that are still to be told
        self._on_ack: Callable[[Wire, int, bytes], None] = self._unexpected
        self._idle_s = 0.0
        self._looked_at = 0.0

    # ---- connecting, and single messages

    def connect(self, url: str, token: str) -> Wire:
        """Connect and log in."""
        address = urlsplit(url)
        sock = socket.create_connection((address.hostname, address.port), ANSWERS_WITHIN_S)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        key = base64.b64encode(secrets.token_bytes(16)).decode()
        sock.sendall(
            f"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: {address.netloc}\r\n"
            "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Key: {key}\r\n\r\n".encode()
        )
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            if not (byte := sock.recv(1)):
                raise Broken(f"no WebSocket: {head!r}")
            head += byte
        wire = Wire(sock)
        self._first(wire, b"0")
        wire.write(b"40" + msgspec.json.encode({"token": token}))
        self._first(wire, b"40")
        sock.setblocking(False)
        self._wires[sock.fileno()] = wire
        self._epoll.register(sock, select.EPOLLIN)
        return wire

    @staticmethod
    def _first(wire: Wire, beginning: bytes) -> None:
        """Wait for one packet of the handshake."""
        size = wire.sock.recv(2)[1]
        if size == 126:
            size = int.from_bytes(wire.sock.recv(2))
        packet = wire.sock.recv(size, socket.MSG_WAITALL)
        if not packet.startswith(beginning):
            raise Broken(f"the server says {packet!r}")

    def ok(self, wire: Wire, name: str, **fields: Any) -> Any:
        """Send a message and wait for its answer. Returns the data."""
        found: list[Any] = []
        self._on_ack = lambda _, __, answer: found.append(msgspec.json.decode(answer)[0])
        wire.number += 1
        wire.sent[wire.number] = time.monotonic()
        text = msgspec.json.encode([name, fields]).decode()
        wire.write(f"42{wire.number}{text}".encode())
        self._until(lambda: bool(found), f"no answer to {name}")
        return found[0]["data"]

    def watch(self, wire: Wire, battle_id: str, size: int) -> None:
        """Be one of so many in the room of a battle."""
        wire.seq = self.ok(wire, "rooms.join", room=f"battle:{battle_id}")["seq"]
        wire.room_size = size

    def take_seat(self, wire: Wire, battle_id: str) -> None:
        """Join a battle, to strike its first enemy."""
        self.ok(wire, "battles.join", battle_id=battle_id, request_id=uuid7())
        wire.attack = (
            f'["battles.attack",{{"battle_id":"{battle_id}","enemy_id":1,"kind":"quick",'
            '"request_id":'
        ).encode()

    def close(self) -> None:
        """Hang up."""
        for wire in self._wires.values():
            wire.sock.close()
        self._epoll.close()

    # ---- phases

    def flat_out(self, strikers: list[Wire], seconds: float) -> Tally:
        """Everybody strikes, again as soon as the answer is there."""

        def answered(wire: Wire, _: int, __: bytes) -> None:
            if time.monotonic() < end:
                self._strike(wire)

        end = self._begin(seconds, answered)
        for wire in strikers:
            self._strike(wire)
        while time.monotonic() < end:
            self._look()
        return self._settle(strikers)

    def at_a_rate(self, strikers: list[Wire], rate: float, seconds: float) -> Tally:
        """Strike in turn, so many times a second. How late an answer is counts from when its
        strike was due, so that waiting for a slow server is not left out."""
        end = self._begin(seconds, lambda *_: None)
        due, number = time.monotonic(), 0
        while due < end:
            if time.monotonic() >= due:
                self._strike(strikers[number % len(strikers)], due)
                number += 1
                due += 1 / rate
            else:
                self._look()
        return self._settle(strikers)

    def broadcast(self, striker: Wire, seconds: float, in_flight: int) -> Tally:
        """Strike as soon as all who watch were told, with so many strikes under way."""
        end = self._begin(seconds, lambda *_: None)
        tally, size = self._tally, striker.room_size
        late_ms: list[float] = []
        under_way: list[float] = []
        while (now := time.monotonic()) < end:
            while len(under_way) < in_flight:
                under_way.append(now)
                self._strike(striker)
            self._look()
            while tally.told >= (len(late_ms) + 1) * size:
                late_ms.append((time.monotonic() - under_way.pop(0)) * 1000)
        self._settle([striker])
        tally.late_ms = sorted(late_ms)
        return tally

    def _begin(self, seconds: float, on_ack: Callable[[Wire, int, bytes], None]) -> float:
        self._tally = Tally(seconds)
        self._owed = 0
        self._idle_s = 0.0
        self._on_ack = on_ack
        self._looked_at = time.monotonic()
        return self._looked_at + seconds

    def _strike(self, wire: Wire, due: float | None = None) -> None:
        self._owed += wire.room_size
        wire.strike(time.monotonic() if due is None else due)

    def _settle(self, strikers: list[Wire]) -> Tally:
        """Wait for all that is still to come."""
        tally = self._tally
        tally.end(self._idle_s)
        self._until(
            lambda: not self._owed and not any(wire.sent for wire in strikers),
            "answers or events did not come",
        )
        tally.late_ms.sort()
        return tally

    def _until(self, there: Callable[[], bool], else_: str) -> None:
        end = time.monotonic() + ANSWERS_WITHIN_S
        while not there():
            self._look()
            if time.monotonic() > end:
                raise Broken(else_)

    # ---- what comes

    def _look(self) -> None:
        """Take what is there, and never wait for more."""
        ready = self._epoll.poll(0, AT_ONCE)
        if not ready:
            now = time.monotonic()
            self._idle_s += now - self._looked_at
            self._looked_at = now
            return
        for descriptor, _ in ready:
            self._read(self._wires[descriptor])
        self._looked_at = time.monotonic()

    def _read(self, wire: Wire) -> None:
        # Into room that is there: for each `recv` Python makes some, and gives back most of it.
        size = wire.sock.recv_into(self._room)
        if not size:
            raise Broken("the server has hung up")
        came = bytes(self._room[:size])
        buffer = wire.rest + came if wire.rest else came
        at, there = 0, len(buffer)
        while there - at >= 2:
            size, start = buffer[at + 1], at + 2
            if size >= 126:
                start += 2 if size == 126 else 8
                if there < start:
                    break
                size = int.from_bytes(buffer[at + 2 : start])
            if there < start + size:
                break
            at = start + size
            self._packet(wire, buffer[start:at])
        wire.rest = buffer[at:]

    def _packet(self, wire: Wire, packet: bytes) -> None:
        if packet.startswith(b"42"):
            self._event(wire, packet)
        elif packet.startswith(b"43"):
            number, _, answer = packet[2:].partition(b"[")
            due = wire.sent.pop(int(number))
            if b'"ok":true' not in answer:
                raise Broken(f"refused: {answer.decode()}")
            self._tally.strikes += 1
            self._tally.late_ms.append((time.monotonic() - due) * 1000)
            self._on_ack(wire, int(number), b"[" + answer)
        elif packet == b"2":
            wire.write(b"3")
        else:
            raise Broken(f"the server says {packet!r}")

    def _event(self, wire: Wire, packet: bytes) -> None:
        """Every event of a room that keeps them has the next number."""
        start = packet.rfind(b'"seq":') + 6
        if start < 6:
            return
        seq = int(packet[start : packet.index(b",", start)])
        if seq != wire.seq + 1:
            raise Broken(f"event {seq} came after {wire.seq}")
        wire.seq = seq
        if packet.startswith(STRUCK):
            self._tally.told += 1
            self._owed -= 1

    @staticmethod
    def _unexpected(_: Wire, number: int, answer: bytes) -> None:
        raise Broken(f"an answer to {number} that nobody waits for: {answer!r}")
