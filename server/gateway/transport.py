"""What all connections of a listening socket inherit: how much may be held, and for how long."""

import socket
from typing import Final

UNSENT_BYTES: Final = 128 * 1024
UNREAD_BYTES: Final = 64 * 1024
"""What the kernel holds of a client that is not read; Linux doubles it, and one read brings as much
at most. Else the kernel holds several megabytes, and one read brings 256 kB."""
LEAST_SILENCE_S: Final = 10.0
"""Less would end connections of peers that are only busy: this is for those that are gone."""


def bound(listener: socket.socket, silence_s: float) -> None:
    """Set what all connections of a listening socket inherit, where the system knows it.

    `silence_s`: how long a peer may acknowledge nothing of what was sent to it; LEAST_SILENCE_S at
    least.
    """
    silence_s = max(silence_s, LEAST_SILENCE_S)
    for level, name, value in (
        # What can't be sent yet waits in the outbox, where it is counted, and not in the kernel,
        # which would take 4 MB for a client.
        (socket.IPPROTO_TCP, "TCP_NOTSENT_LOWAT", UNSENT_BYTES),
        (socket.SOL_SOCKET, "SO_RCVBUF", UNREAD_BYTES),
        # Ends what nothing else ends: an answer that is not read, a peer that has vanished.
        (socket.IPPROTO_TCP, "TCP_USER_TIMEOUT", round(silence_s * 1000)),
        (socket.IPPROTO_TCP, "TCP_KEEPIDLE", round(silence_s)),
        (socket.SOL_SOCKET, "SO_KEEPALIVE", 1),
    ):
        if (option := getattr(socket, name, None)) is not None:
            listener.setsockopt(level, option, value)
