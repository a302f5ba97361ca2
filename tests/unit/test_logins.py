"""Tokens, passwords, and the secret that signs."""

import asyncio
import base64
import json
import stat
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import bcrypt
import jwt
import pytest

from protocol.errors import Code, Failure
from protocol.permissions import Role, granted
from server.auth import AccessTokens, Passwords, load_secret
from server.auth.passwords import THREADS, password_bytes
from server.auth.turns import MAX_OF_NETWORK, HashKind

SECRET = b"the secret of these tests, long enough"
OTHER = b"another secret, as long as the first one"
NOW_MS = time.time_ns() // 1_000_000
NOW = NOW_MS // 1000
CLAIMS: dict[str, Any] = {
    "iss": "warroom",
    "aud": "warroom",
    "typ": "access",
    "sub": "u1",
    "name": "alice",
    "role": "player",
    "sid": "s1",
    "iat": NOW,
    "exp": NOW + 900,
}


def signed(secret: bytes = SECRET, algorithm: str = "HS256", **changes: object) -> str:
    """A token with some claims changed; None takes one away."""
    claims = {k: v for k, v in {**CLAIMS, **changes}.items() if v is not None}
    return jwt.encode(claims, secret, algorithm)


def part(value: object) -> str:
    """One part of a token."""
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def unsigned(algorithm: str) -> str:
    """A token that says it needs no signature."""
    return f"{part({'alg': algorithm, 'typ': 'JWT'})}.{part(CLAIMS)}."


def tampered() -> str:
    """A good signature under other claims."""
    head, _, signature = signed().split(".")
    return f"{head}.{part({**CLAIMS, 'role': 'admin'})}.{signature}"


FORGED = {
    "nothing": "",
    "no token": "hello",
    "two dots": "..",
    "not text of a token": "é.é.é",
    "a lone surrogate": "\ud800",
    "alg none": unsigned("none"),
    "alg None": unsigned("None"),
    "no alg": f"{part({'typ': 'JWT'})}.{part(CLAIMS)}.{part('x')}",
    "another key": signed(OTHER),
    "another algorithm": signed(SECRET * 2, "HS512"),
    "claims changed": tampered(),
    "no signature": signed().rpartition(".")[0] + ".",
    "expired": signed(exp=NOW - 1),
    "not yet": signed(iat=NOW + 3600),
    "another audience": signed(aud="elsewhere"),
    "another issuer": signed(iss="elsewhere"),
    "a refresh token": signed(typ="refresh"),
    "an unknown role": signed(role="owner"),
    "a list of roles": signed(role=["admin"]),
    "an empty role": signed(role={}),
    "an exp that is no number": signed(exp="tomorrow"),
    **{f"without {claim}": signed(**{claim: None}) for claim in CLAIMS},
}


@pytest.fixture
def tokens() -> AccessTokens:
    """Tokens that live for fifteen minutes."""
    return AccessTokens(SECRET, 900)


def test_a_token_speaks_for_whom_it_was_made(tokens: AccessTokens) -> None:
    identity = tokens.read(tokens.make("u1", "alice", Role.PLAYER, "s1", NOW_MS), NOW_MS)
    assert (identity.id, identity.name, identity.role, identity.session) == (
        "u1",
        "alice",
        Role.PLAYER,
        "s1",
    )
    assert identity.permissions == granted(Role.PLAYER)
    assert identity.expires_at_ms == (NOW + 900) * 1000


def test_a_token_made_elsewhere_with_the_secret_is_read(tokens: AccessTokens) -> None:
    assert tokens.read(signed(), NOW_MS).id == "u1"


@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
@pytest.mark.parametrize("forged", FORGED.values(), ids=FORGED)
def test_a_forged_token_is_refused_in_the_same_words(tokens: AccessTokens, forged: str) -> None:
    with pytest.raises(Failure) as caught:
        tokens.read(forged, NOW_MS)
    error = caught.value.error
    assert (error.code, error.message) == (
        Code.UNAUTHENTICATED,
        "the access token is not accepted",
    )
    assert caught.value.__suppress_context__


# ---- passwords


@pytest.fixture
def passwords() -> Iterator[Passwords]:
    """Cheap ones."""
    made = Passwords(4)
    yield made
    made.close()


@pytest.mark.parametrize("password", ["x" * 8, "x" * 72, "é" * 36, "😀" * 18, "  spaces  "])
async def test_a_password_matches_its_hash_and_no_other(
    passwords: Passwords, password: str
) -> None:
    password_hash = await passwords.hash(password)
    assert password not in password_hash
    assert await passwords.matches(password, password_hash)
    assert not await passwords.matches(password[:-1], password_hash)
    assert not await passwords.matches(password + "x", password_hash)
    assert not await passwords.matches("", password_hash)


@pytest.mark.parametrize("password", ["", "x" * 7, "x" * 73, "é" * 37, "😀", "x" * 4096])
async def test_a_password_has_8_to_72_bytes(passwords: Passwords, password: str) -> None:
    with pytest.raises(Failure) as caught:
        await passwords.hash(password)
    assert (caught.value.error.code, caught.value.error.field) == (Code.INVALID, "password")
    assert not password or password not in caught.value.error.message


def test_bytes_are_counted_and_not_letters() -> None:
    assert len(password_bytes("😀😀")) == 8


async def test_what_only_begins_alike_does_not_match(passwords: Passwords) -> None:
    """bcrypt would read the first 72 bytes of either."""
    password_hash = await passwords.hash("x" * 72)
    assert not await passwords.matches("x" * 73, password_hash)
    assert not await passwords.matches("x" * 4096, password_hash)


async def test_nobody_has_a_password(passwords: Passwords) -> None:
    assert not await passwords.matches("nobody has this password", None)


async def test_one_password_has_many_hashes(passwords: Passwords) -> None:
    assert await passwords.hash("password") != await passwords.hash("password")


@pytest.mark.parametrize("password", ["password\0", "\0password", "pass\0word", "\0" * 8])
async def test_a_password_with_nul_is_refused_and_never_matches(
    passwords: Passwords, password: str
) -> None:
    with pytest.raises(Failure) as caught:
        await passwords.hash(password)
    assert (caught.value.error.code, caught.value.error.field) == (Code.INVALID, "password")
    assert not await passwords.matches(password, await passwords.hash("password"))


async def test_a_password_said_twice_around_nul_is_another(passwords: Passwords) -> None:
    """bcrypt would take it for the same."""
    assert bcrypt.checkpw(b"password\0password", bcrypt.hashpw(b"password", bcrypt.gensalt(4)))
    assert not await passwords.matches("password\0password", await passwords.hash("password"))


async def test_too_many_at_once_are_told_to_wait(passwords: Passwords) -> None:
    many = THREADS + MAX_OF_NETWORK[HashKind.LOG_IN]
    waiting = [asyncio.create_task(passwords.hash("password")) for _ in range(many)]
    await asyncio.sleep(0)
    with pytest.raises(Failure) as caught:
        await passwords.matches("password", None)
    assert caught.value.error.code is Code.BUSY
    assert caught.value.error.retry_after_ms
    await asyncio.gather(*waiting)
    assert not await passwords.matches("password", None)


class Bcrypt:
    """The passwords that bcrypt computes, in the order in which it begins. Each waits for `go`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.begun: list[str] = []
        self.busy = threading.Semaphore(0)
        self.go = threading.Event()
        self._hash = bcrypt.hashpw
        monkeypatch.setattr(bcrypt, "hashpw", self._hold)

    def _hold(self, raw: bytes, salt: bytes) -> bytes:
        self.begun.append(raw.decode())
        self.busy.release()
        assert self.go.wait(10)
        return self._hash(raw, salt)

    async def fill(self) -> None:
        """Wait until all threads compute."""
        for _ in range(THREADS):
            assert await asyncio.to_thread(self.busy.acquire, timeout=10)


async def test_a_log_in_waits_for_no_registration_that_has_not_begun(
    passwords: Passwords, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As issue 13 has it: 72 from one network, and a log-in from another."""
    computed = Bcrypt(monkeypatch)

    async def registration(number: int) -> str:
        return await passwords.hash(f"register {number}", "flood", HashKind.REGISTRATION)

    flood = [asyncio.create_task(registration(number)) for number in range(72)]
    await computed.fill()
    log_in = asyncio.create_task(passwords.hash("log in to it", "elsewhere"))
    await asyncio.sleep(0)
    computed.go.set()
    await log_in
    assert computed.begun.index("log in to it") == THREADS
    ends = await asyncio.gather(*flood, return_exceptions=True)
    refused = [end for end in ends if isinstance(end, Failure)]
    assert len(refused) == 72 - THREADS - MAX_OF_NETWORK[HashKind.REGISTRATION]
    assert {failure.error.code for failure in refused} == {Code.BUSY}


async def test_what_nobody_waits_for_any_more_is_not_computed(
    passwords: Passwords, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And what is being computed keeps its thread to the end: no third one begins beside it."""
    computed = Bcrypt(monkeypatch)
    held = [asyncio.create_task(passwords.hash(f"computing {n}", f"n{n}")) for n in range(THREADS)]
    await computed.fill()
    left = asyncio.create_task(passwords.hash("somebody left", "n"))
    stays = asyncio.create_task(passwords.hash("somebody stays", "n"))
    await asyncio.sleep(0)
    for task in (left, *held):
        task.cancel()
    await asyncio.gather(left, *held, return_exceptions=True)
    assert len(computed.begun) == THREADS
    computed.go.set()
    await stays
    assert computed.begun[THREADS:] == ["somebody stays"]


async def test_who_waits_when_it_closes_is_told_and_who_comes_later_too() -> None:
    passwords = Passwords(8)
    waiting = [asyncio.create_task(passwords.hash("password")) for _ in range(20)]
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    passwords.close()
    ends = await asyncio.gather(*waiting, return_exceptions=True)
    told = [end.error.code for end in ends if isinstance(end, Failure)]
    assert len(told) >= 20 - 2 * THREADS - 1
    assert set(told) == {Code.UNAVAILABLE}
    assert all(isinstance(end, str | Failure) for end in ends)
    with pytest.raises(Failure) as caught:
        await passwords.matches("password", None)
    assert caught.value.error.code is Code.UNAVAILABLE


async def test_a_wait_that_is_cancelled_is_cancelled(passwords: Passwords) -> None:
    waiting = asyncio.create_task(passwords.hash("password"))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting


# ---- the secret


def test_a_secret_that_is_given_is_taken(tmp_path: Path) -> None:
    assert load_secret("given", tmp_path, is_new=True) == b"given"
    assert list(tmp_path.iterdir()) == []


def test_a_secret_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    made = load_secret(None, tmp_path, is_new=True)
    assert len(made) >= 32
    assert load_secret(None, tmp_path, is_new=False) == made
    (file,) = tmp_path.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_of_several_that_start_at_once_one_makes_the_secret(tmp_path: Path) -> None:
    starts = 8
    together = threading.Barrier(starts)

    def start() -> bytes:
        together.wait()
        return load_secret(None, tmp_path, is_new=True)

    with ThreadPoolExecutor(starts) as threads:
        futures = [threads.submit(start) for _ in range(starts)]
        assert {future.result() for future in futures} == {(tmp_path / "secret_key").read_bytes()}
    assert [file.name for file in tmp_path.iterdir()] == ["secret_key"]


def test_secrets_differ(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in "ab"]
    for folder in folders:
        folder.mkdir()
    one, other = (load_secret(None, folder, is_new=True) for folder in folders)
    assert one != other


DAMAGED = [b"", b"too short", b"\0" * 64, b"short" + b"\0" * 59]


@pytest.mark.parametrize("content", DAMAGED)
def test_a_damaged_file_of_a_new_database_is_made_again(tmp_path: Path, content: bytes) -> None:
    """A power cut before it was on disk: some file systems keep its size, full of zeros."""
    (tmp_path / "secret_key").write_bytes(content)
    made = load_secret(None, tmp_path, is_new=True)
    assert len(made) == 64
    (file,) = tmp_path.iterdir()
    assert file.read_bytes() == made
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.parametrize("content", DAMAGED)
def test_where_there_are_users_a_damaged_file_signs_nothing(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "secret_key").write_bytes(content)
    with pytest.raises(ValueError, match=r"secret_key is damaged: .*delete it"):
        load_secret(None, tmp_path, is_new=False)
    assert (tmp_path / "secret_key").read_bytes() == content
