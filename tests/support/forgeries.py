"""Access tokens that nobody was given: each is a right one with one thing wrong.

Where it says nothing else, they are signed with the right key: then the signature is not what
saves the server.
"""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from protocol.auth import LoggedIn

SECRET = "the secret of a server whose tests forge tokens"
HEADER = {"alg": "HS256", "typ": "JWT"}
PUBLIC_KEY = (
    "-----BEGIN PUBLIC KEY-----\n"
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEEVs/o5+uQbTjL3chynL4wXgUg2R9\n"
    "q9UU8I5mEovUf86QZ7kOBIjJwqnzD1omageEHWwHdBO6B+dFabmdT9POxg==\n"
    "-----END PUBLIC KEY-----\n"
)
"""As it may stand in a key set: what an RS256 server would verify with."""
HASHES = {"HS256": hashlib.sha256, "HS384": hashlib.sha384, "HS512": hashlib.sha512}
DEEP = "[" * 1200


class Victim(NamedTuple):
    """Somebody whose token is imitated. `claims`: what it says.

    The others are tokens that were good once, or are somebody else's.
    """

    token: str
    claims: dict[str, Any]
    refresh_token: str
    revoked: str
    disabled: str
    stranger: dict[str, Any]
    service_key: str


Forge = Callable[[Victim], Any]


def base64url(raw: bytes) -> str:
    """As JWT writes it: without padding."""
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def text(value: object) -> bytes:
    """JSON as the server writes it; text is taken as it is."""
    return (
        value.encode()
        if isinstance(value, str)
        else json.dumps(value, separators=(",", ":")).encode()
    )


def sealed(header: object, payload: object, key: str | bytes = SECRET, alg: str = "HS256") -> str:
    """A token with any header and payload, and a signature that is right for the key."""
    content = f"{base64url(text(header))}.{base64url(text(payload))}"
    raw = key.encode() if isinstance(key, str) else key
    return f"{content}.{base64url(hmac.new(raw, content.encode(), HASHES[alg]).digest())}"


def claims_of(logged_in: LoggedIn) -> dict[str, Any]:
    """What the access token of somebody says."""
    part = logged_in.tokens.access_token.split(".")[1]
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return found


def resealed(logged_in: LoggedIn, **changes: Any) -> str:
    """The access token of somebody with some claims changed, rightly signed."""
    return sealed(HEADER, {**claims_of(logged_in), **changes})


def genuine(victim: Victim, **changes: Any) -> str:
    """A token as the server makes them, with some claims changed."""
    return sealed(HEADER, {**victim.claims, **changes})


# ---- ways to forge


def claims(**changes: Any) -> Forge:
    """Claims changed, rightly signed."""
    return lambda victim: genuine(victim, **changes)


def at(**offsets: int) -> Forge:
    """Moments some seconds from now, rightly signed."""
    return lambda victim: genuine(
        victim, **{claim: int(time.time()) + offset for claim, offset in offsets.items()}
    )


def without(claim: str) -> Forge:
    """A claim taken away, rightly signed."""
    return lambda v: sealed(HEADER, {k: value for k, value in v.claims.items() if k != claim})


def header(**changes: Any) -> Forge:
    """A header changed, rightly signed."""
    return lambda victim: sealed({**HEADER, **changes}, victim.claims)


def raw_header(written: str) -> Forge:
    """A header in other words, rightly signed."""
    return lambda victim: sealed(written, victim.claims)


def payload(write: Callable[[str], object]) -> Forge:
    """The claims written otherwise, rightly signed."""
    return lambda victim: sealed(HEADER, write(text(victim.claims).decode()))


def key(wrong: str | bytes) -> Forge:
    """Signed with a key that is not the server's."""
    return lambda victim: sealed(HEADER, victim.claims, wrong)


def unsigned(alg: str) -> Forge:
    """Says that it needs no signature."""
    return lambda v: sealed({"alg": alg, "typ": "JWT"}, v.claims).rpartition(".")[0] + "."


def random_signature(alg: str, size: int) -> Forge:
    """Another algorithm, with something of the size of its signature."""
    return lambda v: (
        sealed({"alg": alg, "typ": "JWT"}, v.claims).rpartition(".")[0]
        + "."
        + base64url(hashlib.shake_256(v.token.encode()).digest(size))
    )


def signature(change: Callable[[bytes], bytes]) -> Forge:
    """The right token with another signature."""

    def forge(victim: Victim) -> str:
        content, _, given = victim.token.rpartition(".")
        raw = base64.urlsafe_b64decode(given + "=" * (-len(given) % 4))
        return f"{content}.{base64url(change(raw))}"

    return forge


def spelled(change: Callable[[str], Any]) -> Forge:
    """The right token, spelled otherwise."""
    return lambda victim: change(victim.token)


def flipped(bit: int) -> Callable[[bytes], bytes]:
    """One bit of it turned over."""

    def flip(raw: bytes) -> bytes:
        turned = bytearray(raw)
        turned[bit // 8] ^= 1 << bit % 8
        return bytes(turned)

    return flip


def _last_bits(token: str) -> str:
    """The same bytes for a decoder that ignores the bits that are left over."""
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return token[:-1] + letters[letters.index(token[-1]) ^ 1]


def _other_alphabet(victim: Victim) -> str:
    """In plain base64, where that makes a difference."""
    made = (genuine(victim, exp=victim.claims["exp"] - n) for n in range(60))
    token = next(token for token in made if set("-_") & set(token))
    return token.translate(str.maketrans("-_", "+/"))


def _own_key(victim: Victim) -> str:
    own = base64url(b"a key that came along with the token itself")
    head = {**HEADER, "jwk": {"kty": "oct", "k": own}}
    return sealed(head, victim.claims, b"a key that came along with the token itself")


def _raised(victim: Victim) -> str:
    return sealed(HEADER, {**victim.claims, "role": "admin"}, "not the secret of the server at all")


def _claims_swapped(victim: Victim) -> str:
    head, _, seal = victim.token.split(".")
    return f"{head}.{base64url(text({**victim.claims, 'role': 'admin'}))}.{seal}"


def _json_serialised(token: str) -> str:
    head, body, seal = token.split(".")
    return json.dumps({"protected": head, "payload": body, "signature": seal})


SIGNATURES: dict[str, Forge] = {
    **{f"alg {alg}": unsigned(alg) for alg in ("none", "None", "NONE", "nOnE")},
    "alg none, signed": lambda v: sealed({"alg": "none", "typ": "JWT"}, v.claims),
    "no signature": spelled(lambda token: token.rpartition(".")[0] + "."),
    "no third part": spelled(lambda token: token.rpartition(".")[0]),
    "signature cut by a byte": signature(lambda raw: raw[:-1]),
    "signature cut in half": signature(lambda raw: raw[:16]),
    "signature and a byte more": signature(lambda raw: raw + b"\0"),
    "signature twice": signature(lambda raw: raw + raw),
    "first bit flipped": signature(flipped(0)),
    "middle bit flipped": signature(flipped(128)),
    "last bit flipped": signature(flipped(255)),
    "signature of zeros": signature(lambda raw: bytes(len(raw))),
    "signature in hexadecimal": signature(lambda raw: raw.hex().encode()),
    "signature of other claims": _claims_swapped,
}
KEYS: dict[str, Forge] = {
    "another key": key("another secret, as long as the first one is"),
    "empty key": key(b""),
    "the issuer as key": key("warroom"),
    "a string of the sources as key": key("nobody has this password"),
    "a name of a setting as key": key("SECRET_KEY"),
    "the example of jwt.io as key": key("your-256-bit-secret"),
    "the secret and a line end as key": key(SECRET + "\n"),
    "the secret but a letter as key": key(SECRET[:-1]),
    "the secret hashed as key": key(hashlib.sha256(SECRET.encode()).digest()),
    "the refresh token as key": lambda v: sealed(HEADER, v.claims, v.refresh_token),
    "a public key as key": key(PUBLIC_KEY),
}
ALGORITHMS: dict[str, Forge] = {
    "HS384": lambda v: sealed({"alg": "HS384", "typ": "JWT"}, v.claims, alg="HS384"),
    "HS512": lambda v: sealed({"alg": "HS512", "typ": "JWT"}, v.claims, alg="HS512"),
    "HS512 called HS256": lambda v: sealed(HEADER, v.claims, alg="HS512"),
    "RS256": random_signature("RS256", 256),
    "PS256": random_signature("PS256", 256),
    "ES256": random_signature("ES256", 64),
    "ES256 of zeros": lambda v: (
        sealed({"alg": "ES256", "typ": "JWT"}, v.claims).rpartition(".")[0]
        + "."
        + base64url(bytes(64))
    ),
    "EdDSA": random_signature("EdDSA", 64),
    "RS256, signed with a public key": lambda v: sealed(
        {"alg": "RS256", "typ": "JWT"}, v.claims, PUBLIC_KEY
    ),
    "RS256, signed with the secret": header(alg="RS256"),
    "alg in small letters": header(alg="hs256"),
    "alg a list": header(alg=["HS256"]),
    "alg null": header(alg=None),
    "no alg": raw_header('{"typ":"JWT"}'),
}
HEADERS: dict[str, Forge] = {
    "jku": header(jku="https://elsewhere.example/keys.json"),
    "x5u": header(x5u="https://elsewhere.example/cert.pem"),
    "x5c": header(x5c=["MIIB"]),
    "jwk": header(jwk={"kty": "oct", "k": base64url(SECRET.encode())}),
    "jwk, signed with it": _own_key,
    "kid a path": lambda v: sealed({**HEADER, "kid": "../../../dev/null"}, v.claims, b""),
    "kid SQL": lambda v: sealed({**HEADER, "kid": "x' union select 'k'--"}, v.claims, "k"),
    "kid": header(kid="1"),
    "crit": header(crit=["exp"]),
    "b64 false": header(b64=False, crit=["b64"]),
    "b64 false, not critical": header(b64=False),
    "typ at+jwt": header(typ="at+jwt"),
    "typ in small letters": header(typ="jwt"),
    "no typ": raw_header('{"alg":"HS256"}'),
    "cty": header(cty="JWT"),
    "zip": header(zip="DEF"),
    "header with a space": raw_header('{"alg": "HS256","typ":"JWT"}'),
    "header in another order": raw_header('{"typ":"JWT","alg":"HS256"}'),
    "alg twice": raw_header('{"alg":"none","alg":"HS256","typ":"JWT"}'),
    "header a list": raw_header('["HS256"]'),
    "header empty": raw_header("{}"),
    "header no JSON": raw_header("HS256"),
    "header of brackets": raw_header(DEEP),
}
MOMENTS: dict[str, Forge] = {
    "expired": at(exp=-1),
    "expires now": at(exp=0),
    "expired long ago": claims(exp=1),
    "nbf in the future": at(nbf=60),
    "nbf in the past": at(nbf=-60),
    "iat in the future": at(iat=360, exp=960),
    "iat negative": claims(iat=-1),
    "iat a text": claims(iat="1"),
    "exp a text": claims(exp="9999999999"),
    "exp huge": claims(exp=10**30),
    "exp after days": at(exp=3 * 86_400),
    "exp negative": claims(exp=-1),
    "exp with a fraction": lambda v: genuine(v, exp=v.claims["exp"] + 0.5),
    "exp a number that is none": claims(exp=float("nan")),
    "exp without end": claims(exp=float("inf")),
    "exp true": claims(exp=True),
    "exp null": claims(exp=None),
    "exp a list": lambda v: genuine(v, exp=[v.claims["exp"]]),
    "without exp": without("exp"),
    "without iat": without("iat"),
}
PARTIES: dict[str, Forge] = {
    "another audience": claims(aud="elsewhere"),
    "a list of audiences": claims(aud=["elsewhere", "warroom"]),
    "a list of our audience": claims(aud=["warroom"]),
    "without aud": without("aud"),
    "another issuer": claims(iss="elsewhere"),
    "a list of issuers": claims(iss=["warroom"]),
    "without iss": without("iss"),
    "a refresh token by its typ": claims(typ="refresh"),
    "typ a list": claims(typ=["access"]),
    "without typ": without("typ"),
    "a refresh token": lambda v: v.refresh_token,
    "a service key": lambda v: v.service_key,
}
PEOPLE: dict[str, Forge] = {
    "of a log-in that was ended": lambda v: v.revoked,
    "of somebody who is disabled": lambda v: v.disabled,
    "of nobody": claims(sub="01a20629-2f24-79f0-9df7-df12e7c4209b"),
    "of somebody else": lambda v: genuine(v, sub=v.stranger["sub"]),
    "sub SQL": claims(sub="' or '1'='1"),
    "sub a number": claims(sub=1),
    "sub a list": lambda v: genuine(v, sub=[v.claims["sub"]]),
    "sub an object": claims(sub={"id": "x"}),
    "sub null": claims(sub=None),
    "sub empty": claims(sub=""),
    "without sub": without("sub"),
    "somebody else's log-in": lambda v: genuine(v, sid=v.stranger["sid"]),
    "a log-in that never was": claims(sid="01a20629-2f24-79f0-9df7-df12e7c4209b"),
    "sid SQL": claims(sid="' or '1'='1"),
    "sid a list": lambda v: genuine(v, sid=[v.claims["sid"]]),
    "sid empty": claims(sid=""),
    "without sid": without("sid"),
    "raised to admin, another key": _raised,
    "raised to admin": claims(role="admin"),
    "lowered to viewer": claims(role="viewer"),
    "a role that is none": claims(role="owner"),
    "a list of roles": claims(role=["player"]),
    "a role in capitals": claims(role="PLAYER"),
    "without role": without("role"),
    "name a number": claims(name=7),
    "without name": without("name"),
    "a claim too many": claims(admin=True),
}
SPELLINGS: dict[str, Forge] = {
    "a claim twice": payload(lambda json: json[:-1] + ',"role":"player"}'),
    "a role twice": payload(lambda json: '{"role":"admin",' + json[1:]),
    "with spaces": payload(lambda json: json.replace(",", ", ")),
    "with a line end": payload(lambda json: json + "\n"),
    "with a letter escaped": payload(lambda json: json.replace("player", "pl\\u0061yer")),
    "a list of claims": payload(lambda json: f"[{json}]"),
    "claims as a text": payload(lambda json: f'"{json.replace(chr(34), chr(39))}"'),
    "claims null": payload(lambda _: "null"),
    "claims a number": payload(lambda _: "7"),
    "no claims": payload(lambda _: "{}"),
    "claims no JSON": payload(lambda json: json[:-1]),
    "claims of brackets": payload(lambda _: DEEP),
    "claims after a mark": payload(lambda json: "\ufeff" + json),
    "padding": spelled(lambda token: token + "="),
    "padding in the middle": spelled(lambda token: token.replace(".", "=.", 1)),
    "padded payload": spelled(lambda token: "==.".join(token.rsplit(".", 1))),
    "the last bits": spelled(_last_bits),
    "the other alphabet": _other_alphabet,
    "a line end within": spelled(lambda token: token.replace(".", ".\n", 1)),
    "a space before": spelled(lambda token: " " + token),
    "a space after": spelled(lambda token: token + " "),
    "a line end after": spelled(lambda token: token + "\n"),
    "a NUL after": spelled(lambda token: token + "\0"),
    "in capitals": spelled(str.upper),
    "in quotes": spelled(lambda token: f'"{token}"'),
    "with its scheme": spelled(lambda token: f"Bearer {token}"),
    "its dots encoded": spelled(lambda token: token.replace(".", "%2E")),
    "two tokens": spelled(lambda token: f"{token},{token}"),
    "two parts": spelled(lambda token: token.partition(".")[2]),
    "four parts": spelled(lambda token: token + "."),
    "five parts": spelled(lambda token: token + ".AAAA.AAAA"),
    "as a JSON object": spelled(_json_serialised),
    "only dots": spelled(lambda _: ".."),
    "no token": spelled(lambda _: "null"),
    "letters beyond ASCII": spelled(lambda token: token + "é"),
    "very long": spelled(lambda token: token + "A" * 4096),
    "very long, rightly signed": claims(name="x" * 5000),
}
FAMILIES: dict[str, dict[str, Forge]] = {
    "signatures": SIGNATURES,
    "keys": KEYS,
    "algorithms": ALGORITHMS,
    "headers": HEADERS,
    "moments": MOMENTS,
    "parties": PARTIES,
    "people": PEOPLE,
    "spellings": SPELLINGS,
}
