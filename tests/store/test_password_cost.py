"""Passwords that were hashed at another cost than is asked for now."""

from collections.abc import AsyncIterator
from pathlib import Path

import bcrypt
import pytest

from protocol.auth import Login
from protocol.errors import Failure
from protocol.permissions import Role
from server.app import App, opened
from server.auth import Accounts, Auth, Passwords
from server.config import Settings
from tests.support.engines import rows
from tests.support.people import PASSWORD

OLD, NEW = 4, 6


@pytest.fixture(params=[(OLD, NEW), (NEW, OLD)], ids=["raised", "lowered"])
async def app(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[App]:
    """A server whose passwords cost something else than when alice and bob came."""
    before, now = request.param
    async with opened(Settings(data_dir=tmp_path, password_hash_cost=before)) as first:
        for name in ("alice", "bob", "disabled"):
            await first.service(Accounts).add(name, PASSWORD, Role.PLAYER)
        await first.service(Accounts).disable("disabled")
    async with opened(Settings(data_dir=tmp_path, password_hash_cost=now)) as second:
        yield second


async def costs(app: App) -> dict[str, int]:
    """The cost of everybody's hash."""
    found = await rows(app.settings.database, "select username, password_hash from users")
    return {name: int(known.split("$")[2]) for name, known in found}


async def log_in(app: App, name: str, password: str) -> bool:
    """Whether somebody is let in."""
    try:
        await app.service(Auth).log_in(Login(name, password), "203.0.113.7")
    except Failure:
        return False
    return True


async def test_a_right_log_in_hashes_anew_and_no_other_does(app: App) -> None:
    before = await costs(app)
    assert not await log_in(app, "alice", "another horse")
    assert not await log_in(app, "disabled", PASSWORD)
    assert await costs(app) == before
    for _ in range(2):
        assert await log_in(app, "alice", PASSWORD)
        assert await costs(app) == {**before, "alice": app.settings.password_hash_cost}
    assert not await log_in(app, "alice", "another horse")


async def test_a_password_that_changes_at_that_moment_stays_changed(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    hash_password = app.service(Auth)._passwords.hash

    async def meanwhile(*given: str) -> str:
        monkeypatch.undo()
        await app.service(Accounts).set_password("alice", "another horse")
        return await hash_password(*given)

    monkeypatch.setattr(app.service(Auth)._passwords, "hash", meanwhile)
    assert await log_in(app, "alice", PASSWORD)
    assert not await log_in(app, "alice", PASSWORD)
    assert await log_in(app, "alice", "another horse")


def test_checking_costs_the_same_whatever_the_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted in rounds of the cipher, of which a cost of n has 2^n."""
    spent: list[int] = []
    check, hash_ = bcrypt.checkpw, bcrypt.hashpw

    def checkpw(raw: bytes, known: bytes) -> bool:
        spent.append(2 ** int(known.split(b"$")[2]))
        return check(raw, known)

    def hashpw(raw: bytes, salt: bytes) -> bytes:
        spent.append(2 ** int(salt.split(b"$")[2]))
        return hash_(raw, salt)

    passwords = Passwords(8)
    monkeypatch.setattr(bcrypt, "checkpw", checkpw)
    monkeypatch.setattr(bcrypt, "hashpw", hashpw)
    for cost in (4, 5, 7, 8):
        known = hash_(PASSWORD.encode(), bcrypt.gensalt(cost))
        for word in (PASSWORD, "another horse"):
            spent.clear()
            assert passwords._check(word.encode(), known) is (word == PASSWORD)
            assert sum(spent) == 2**8
    passwords.close()
