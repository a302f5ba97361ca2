"""The clients that have connected and are not authenticated, so that they take a bounded room.

Each holds a few kilobytes at most, for a few seconds. Where there are too many, the network that
has most of them gives one up: a client that floods the server with connections loses its own. Those
whose log-in is being checked go last: they wait for the server, as all do after its restart.
"""

from typing import Protocol

from server.transport.address import network


class Guest(Protocol):
    """A connection whose client is not authenticated."""

    def give_way(self) -> None:
        """Close it: there are too many. It is discarded already."""
        ...


class Unauthenticated:
    """All of them, by network, the oldest first. `most`: how many there may be at once."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._networks: dict[str, dict[Guest, None]] = {}
        self._network_of: dict[Guest, str] = {}
        self._checked: dict[Guest, None] = {}  # those whose log-in is being checked

    def __len__(self) -> int:
        return len(self._network_of)

    def add(self, guest: Guest, address: str) -> None:
        """Count one, once. Beyond the most, the oldest of the fullest network is closed."""
        if guest in self._network_of:
            return
        origin = network(address)
        self._networks.setdefault(origin, {})[guest] = None
        self._network_of[guest] = origin
        if len(self._network_of) > self._most:
            # Looked for only where there are too many: it costs a look at each network.
            fullest = max(self._networks.values(), key=len)
            oldest = next(iter(fullest))
            if oldest is guest and self._checked:
                oldest = next(iter(self._checked))
            self.discard(oldest)
            oldest.give_way()

    def checking(self, guest: Guest) -> None:
        """Its log-in is being checked."""
        origin = self._network_of.get(guest)
        if origin is not None and guest not in self._checked:
            self._leave(origin, guest)
            self._checked[guest] = None

    def not_accepted(self, guest: Guest) -> None:
        """Its log-in was checked, and not accepted."""
        if guest in self._checked:
            del self._checked[guest]
            self._networks.setdefault(self._network_of[guest], {})[guest] = None

    def discard(self, guest: Guest) -> None:
        """It is authenticated, or gone. Does nothing for one that is not counted."""
        origin = self._network_of.pop(guest, None)
        if origin is None:
            return
        if guest in self._checked:
            del self._checked[guest]
        else:
            self._leave(origin, guest)

    def _leave(self, origin: str, guest: Guest) -> None:
        guests = self._networks[origin]
        del guests[guest]
        if not guests:
            del self._networks[origin]
