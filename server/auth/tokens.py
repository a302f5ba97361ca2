"""Access tokens: JWT, HS256 and nothing else, every claim checked."""

from typing import Final

import jwt

from protocol.errors import unauthenticated
from protocol.permissions import Role, granted
from server.gateway import Identity

ALGORITHM: Final = "HS256"
ISSUER: Final = "warroom"
AUDIENCE: Final = "warroom"
TYPE: Final = "access"
REQUIRED: Final = ["iss", "aud", "exp", "iat", "sub", "typ", "sid", "role", "name"]


class Tokens:
    """Makes and reads access tokens."""

    def __init__(self, secret: bytes, life_s: int) -> None:
        self._secret = secret
        self.life_s = life_s

    def make(self, user_id: str, username: str, role: Role, session: str, now_ms: int) -> str:
        """A token for a person's log-in."""
        issued = now_ms // 1000
        claims = {
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
        return jwt.encode(claims, self._secret, ALGORITHM)

    def read(self, token: str) -> Identity:
        """Who a token speaks for. Raises Failure `unauthenticated`, in the same words always."""
        try:
            claims = jwt.decode(
                token,
                self._secret,
                algorithms=[ALGORITHM],
                audience=AUDIENCE,
                issuer=ISSUER,
                options={"require": REQUIRED},
            )
            role = Role(claims["role"])
            if claims["typ"] != TYPE:
                raise ValueError("not an access token")
        except (jwt.PyJWTError, ValueError, TypeError):
            raise unauthenticated("the access token is not accepted") from None
        return Identity(
            id=str(claims["sub"]),
            name=str(claims["name"]),
            permissions=granted(role),
            role=role,
            session=str(claims["sid"]),
            expires_at_ms=int(claims["exp"]) * 1000,
        )
