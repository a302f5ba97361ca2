"""Access tokens: JWT, HS256 and nothing else, every claim checked, byte for byte as we write them.

What a library tolerates out of kindness (padding, spaces, a claim twice or one too many, another
header that means the same) is refused: none of it is ours.
"""

from typing import Any, Final

import jwt

from protocol.errors import unauthenticated
from protocol.permissions import Role, granted
from server.gateway import Identity
from server.runtime.clock import MAX_LEAP_S

ALGORITHM: Final = "HS256"
ISSUER: Final = "warroom"
AUDIENCE: Final = "warroom"
TYPE: Final = "access"
MAX_CHARACTERS: Final = 4096
MAX_LIFE_S: Final = 86_400
LEEWAY_S: Final = MAX_LEAP_S
"""How far ahead the clock may be of the process that made a token: one that was started before the
machine's clock was set back."""

_TEXTS: Final = ("iss", "aud", "typ", "sub", "name", "role", "sid")
_MOMENTS: Final = ("iat", "exp")


class AccessTokens:
    """Makes and reads access tokens."""

    def __init__(self, secret: bytes, life_s: int) -> None:
        self._secret = secret
        self.life_s = life_s
        self._header = self._encode({}).partition(".")[0] + "."

    def make(self, user_id: str, username: str, role: Role, session: str, now_ms: int) -> str:
        """A token for a person's log-in."""
        issued = now_ms // 1000
        return self._encode(
            {
                "iss": ISSUER,
                "aud": AUDIENCE,
                "typ": TYPE,
                "sub": user_id,
                "name": username,
                "role": role,
                "sid": session,
                "iat": issued,
                "exp": issued + self.life_s,
            }
        )

    def read(self, token: object, now_ms: int) -> Identity:
        """Who a token speaks for. Raises Failure `unauthenticated`, in the same words always."""
        try:
            claims = self._claims(token, now_ms / 1000)
            role = Role(claims["role"])
        except (jwt.PyJWTError, ValueError):
            raise unauthenticated("the access token is not accepted") from None
        return Identity(
            id=claims["sub"],
            name=claims["name"],
            permissions=granted(role),
            role=role,
            session=claims["sid"],
            expires_at_ms=claims["exp"] * 1000,
        )

    def _claims(self, token: object, now_s: float) -> dict[str, Any]:
        """The claims of a token that is ours and good now. Raises ValueError, PyJWTError."""
        if not isinstance(token, str) or len(token) > MAX_CHARACTERS:
            raise ValueError("a token is a short text")
        if not token.startswith(self._header):
            raise ValueError("another header")  # none of another is ever looked into
        claims = jwt.decode(
            token,
            self._secret,
            algorithms=[ALGORITHM],
            # All of these are checked below, more strictly, and time by our own clock.
            options={"verify_aud": False, "verify_exp": False, "verify_iat": False},
        )
        if set(claims) != {*_TEXTS, *_MOMENTS}:
            raise ValueError("other claims")
        if not all(isinstance(claims[name], str) and claims[name] for name in _TEXTS):
            raise ValueError("a claim is no text")
        if not all(type(claims[name]) is int for name in _MOMENTS):
            raise ValueError("a moment is no integer")
        if (claims["iss"], claims["aud"], claims["typ"]) != (ISSUER, AUDIENCE, TYPE):
            raise ValueError("not an access token of ours")
        issued, expires = claims["iat"], claims["exp"]
        if not issued - LEEWAY_S <= now_s < expires <= issued + MAX_LIFE_S:
            raise ValueError("not good now")
        if self._encode(claims) != token:
            raise ValueError("the same, written otherwise")
        return claims

    def _encode(self, claims: dict[str, Any]) -> str:
        return jwt.encode(claims, self._secret, ALGORITHM)
