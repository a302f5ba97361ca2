"""What a client sends that is no message: pings, answers that nobody asked for, bytes that belong
to nothing, log-ins that fail, words of strangers. It counts in no class of rates, and there is no
end of it."""

import asyncio
from typing import Final

from server.gateway.limits import Bucket

EXCUSED: Final = (20.0, 100)
"""So many a second, and at once: clients that ping each second, and some in every frame they send,
are far below."""


class Overhead:
    """That of one client, made when there is some: most have none."""

    __slots__ = ("_bucket",)

    def __init__(self) -> None:
        self._bucket = Bucket(*EXCUSED, asyncio.get_running_loop().time())

    def exceeds(self) -> bool:
        """Count one more. Returns whether that is too much."""
        return self._bucket.take(asyncio.get_running_loop().time()) > 0
