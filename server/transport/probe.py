"""From polling to a WebSocket: the socket that asks to carry a session of Engine.IO on."""

import asyncio
from typing import Final

from server.transport import rfc6455
from server.transport.engineio import Session
from server.transport.polling import NOOP
from server.transport.websocket import WebSocket

PROBE_S: Final = 10.0
"""How long a WebSocket may take to show that it carries what a poll carries."""
_PROBE: Final = "2probe"
_PROBED: Final = rfc6455.encode(b"3probe")
_UPGRADE: Final = "5"


class Probe:
    """A WebSocket that asks to carry a session that polls."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._probed = False
        self._timer = asyncio.get_running_loop().call_later(PROBE_S, self.give_up)
        self.socket: WebSocket | None = None
        session.probe = self

    def text(self, text: str) -> None:
        """`2probe` is answered, and lets the poll go that waits; then `5` is the moment."""
        session, polling = self._session, self._session.polling
        assert self.socket is not None
        if text == _PROBE and not self._probed and polling is not None:
            self._probed = True
            self.socket.outbox.push(_PROBED)
            polling.end(NOOP)
        elif text == _UPGRADE and self._probed and not session.closed:
            self._timer.cancel()
            session.probe = None
            self.socket.flush()
            session.carried_by(self.socket)
        else:
            self.give_up()

    def binary(self, data: bytes) -> None:
        """Nothing that belongs here."""
        self.give_up()

    def pinged(self) -> None:
        """Nothing that belongs here."""
        self.give_up()

    def pong(self) -> None:
        """Nothing that anybody asked for."""
        self.give_up()

    def arriving(self, size: int) -> None:
        """Nothing as long as that belongs here."""
        self.give_up()

    def lost(self) -> None:
        """The session goes on as it was."""
        self._timer.cancel()
        if self._session.probe is self:
            self._session.probe = None
            if self._session.polling is not None and not self._session.closed:
                self._session.polling.ending = None

    def give_up(self) -> None:
        """Close it."""
        if self.socket is not None:
            self.socket.close()
