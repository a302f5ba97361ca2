"""Exactly once: what requests were answered that came before.

The happy path reads nothing. A request that was committed before is found because its row cannot
be written twice, or, where the rules now refuse it, by looking before the refusal is given.
"""

from collections import OrderedDict
from hashlib import blake2b
from typing import Final

import msgspec
from msgspec.structs import replace

from protocol.errors import Failure, RequestReason, conflict
from protocol.message import Command, Spec
from server.database import Database, Key, Request
from server.database.history import find_reply

MAX_RECENT: Final = 500
"""A retry that comes at once is answered from memory, a later one from the database. Measured: ten
times as many take a tenth of a strike more, as each then writes over memory long out of the cache.
"""

DIGEST_VERSION: Final = "2:"
"""What each digest begins with. It is another as soon as the same command could have another
digest: a retry may come up to 24 h later, and by then a new version may be running. Digests
without any are of the first version."""

_canonical: Final = msgspec.json.Encoder(order="sorted").encode


def reused() -> Failure:
    """The same id was used for something else."""
    return conflict(
        RequestReason.REQUEST_ID_REUSED,
        "this request_id was used for another command",
        field="request_id",
    )


class Requests:
    """The requests of everybody."""

    def __init__(self) -> None:
        self._recent: OrderedDict[Key, tuple[str, bytes]] = OrderedDict()

    @staticmethod
    def of(who: str, spec: Spec, message: object) -> Request | None:
        """The request of a command that has an id.

        Its digest is of the canonical command: in the order of the names, without its id and its
        secrets (see `protocol/secret.py`), and without what has its default, so that a field that
        a later version adds changes nothing.
        """
        if not isinstance(message, Command) or message.request_id is None:
            return None
        plain = replace(message, request_id=None)
        if spec.secrets:
            given = [name for name in spec.secrets if getattr(message, name) is not None]
            plain = replace(plain, **dict.fromkeys(given, ""))
        canonical = b"%b %b" % (spec.name.encode(), _canonical(plain))
        digest = blake2b(canonical, digest_size=16).hexdigest()
        return Request((who, message.request_id), DIGEST_VERSION + digest)

    def remember(self, request: Request, reply: bytes) -> None:
        """Hold the reply of a committed request in memory for a while."""
        self._recent[request.key] = request.digest, reply
        if len(self._recent) > MAX_RECENT:
            self._recent.popitem(last=False)

    def recent(self, request: Request) -> bytes | None:
        """The reply, if it is held. Raises Failure `conflict` where the id was used otherwise."""
        kept = self._recent.get(request.key)
        return None if kept is None else _checked(request, *kept)

    async def find(self, database: Database, request: Request) -> bytes | None:
        """The reply, if it was ever kept. Raises Failure `conflict` likewise."""
        kept = await find_reply(database.reader, *request.key)
        if kept is None:
            return None
        reply = _checked(request, *kept)
        self.remember(request, reply)
        return reply


def _checked(request: Request, digest: str, reply: bytes) -> bytes:
    """The reply, if it was given to the same request.

    What another version kept can't be compared: it is believed that the id names what it named.
    """
    if digest != request.digest and digest.startswith(DIGEST_VERSION):
        raise reused()
    return reply
