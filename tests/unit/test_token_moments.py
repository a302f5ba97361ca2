"""An access token is good from its first moment to its last, and not a millisecond longer."""

import jwt
import pytest

from protocol.errors import Code, Failure
from server.auth import AccessTokens
from server.auth.tokens import LEEWAY_S, MAX_LIFE_S

SECRET = b"the secret of these tests, long enough"
ISSUED = 1_800_000_000
EXPIRES = ISSUED + 900


def token(expires: int = EXPIRES) -> str:
    """One as another process makes it."""
    claims = {
        "iss": "warroom",
        "aud": "warroom",
        "typ": "access",
        "sub": "u1",
        "name": "alice",
        "role": "player",
        "sid": "s1",
        "iat": ISSUED,
        "exp": expires,
    }
    return jwt.encode(claims, SECRET, "HS256")


def good(text: str, now_ms: int) -> bool:
    """Whether a token is accepted at a moment."""
    try:
        return AccessTokens(SECRET, 900).read(text, now_ms).id == "u1"
    except Failure as e:
        assert e.error.code is Code.UNAUTHENTICATED
        return False


@pytest.mark.parametrize(
    ("now_ms", "accepted"),
    [
        (round((ISSUED - LEEWAY_S) * 1000) - 1, False),
        (round((ISSUED - LEEWAY_S) * 1000), True),
        (ISSUED * 1000, True),
        (EXPIRES * 1000 - 1, True),
        (EXPIRES * 1000, False),  # RFC 7519, exp: "on or after which" it is not accepted
        (EXPIRES * 1000 + 1, False),
    ],
)
def test_a_token_ends_at_its_exp(now_ms: int, *, accepted: bool) -> None:
    assert good(token(), now_ms) is accepted


@pytest.mark.parametrize(("life_s", "accepted"), [(MAX_LIFE_S, True), (MAX_LIFE_S + 1, False)])
def test_no_token_lives_longer_than_a_day(life_s: int, *, accepted: bool) -> None:
    assert good(token(ISSUED + life_s), ISSUED * 1000) is accepted
