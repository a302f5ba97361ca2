"""Refresh tokens: how they are made, how one leads to the next, and how long a used one is retried.

A log-in's first refresh token is random. Each successor is derived from its predecessor under the
server's secret, so that a retry gets the token of the first reply although only hashes are stored.
"""

import hashlib
import hmac
import secrets
from base64 import urlsafe_b64encode
from typing import Final

from protocol.secret import REFRESH_PREFIX
from server.runtime.clock import MAX_LEAP_S

REUSE_GRACE_MS: Final = 10_000
"""So long after its first use a refresh token is accepted again: the reply may have been lost."""
CLOCKS_APART_MS: Final = round(MAX_LEAP_S * 1000)
"""So far the clock of the process that saw the first use may be ahead of this one. It is what
access tokens are allowed: see `tokens.LEEWAY_S`."""

_BYTES: Final = 32
_PURPOSE: Final = b"warroom: successors of refresh tokens, 1"


def within_grace(used_at: int, now: int) -> bool:
    """Whether a token that was first used at `used_at` may be retried. Milliseconds since 1970."""
    return -CLOCKS_APART_MS <= now - used_at <= REUSE_GRACE_MS


class RefreshTokens:
    """Makes refresh tokens."""

    def __init__(self, secret: bytes) -> None:
        # A key of its own: what is signed with the secret elsewhere is never a successor.
        # Source: RFC 5869, 2.3 (HKDF-Expand, one block).
        self._key = hmac.digest(secret, _PURPOSE + b"\x01", hashlib.sha256)

    @staticmethod
    def first() -> str:
        """A random token, with which a log-in begins."""
        return f"{REFRESH_PREFIX}{secrets.token_urlsafe(_BYTES)}"

    def successor(self, token: str) -> str:
        """The token that another is traded for: always the same, and known to no one else.

        Source: RFC 2104 (HMAC).
        """
        derived = hmac.digest(self._key, token.encode(), hashlib.sha256)
        return f"{REFRESH_PREFIX}{urlsafe_b64encode(derived).rstrip(b'=').decode()}"
