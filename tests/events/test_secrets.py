"""No password, token or key is anywhere but with whom it belongs to, whatever was done with it."""

import asyncio
import hashlib
import json
import secrets
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest
import pytest_asyncio

from protocol.ids import uuid7
from tests.support.people import service_key
from tests.support.server import Server
from tests.support.tables import columns, contents
from tests.support.websocket import Refused
from tests.support.wire import Transport, Wire

pytestmark = pytest.mark.asyncio(loop_scope="module")

TRANSPORTS: tuple[Transport, ...] = ("websocket", "plain")

LOGGING: dict[str, dict[str, str]] = {
    "everything": {
        "LOG_LEVEL": "DEBUG",
        "SECRET_KEY": secrets.token_hex(32),
        "METRICS_TOKEN": secrets.token_urlsafe(32),
    },
    "as by default": {},
}


def writings(secret: str) -> Iterator[bytes]:
    """A secret in all ways in which it may be written."""
    yield secret.encode()
    yield json.dumps(secret)[1:-1].encode()
    yield quote(secret, safe="").encode()
    yield repr(secret)[1:-1].encode()


def leaks(known: dict[str, str], *places: str | bytes) -> list[str]:
    """The names of the secrets that are found in any of the places."""
    raw = [place.encode() if isinstance(place, str) else place for place in places]
    return [
        name
        for name, secret in known.items()
        if any(writing in place for writing in writings(secret) for place in raw)
    ]


class Walk:
    """Does all that can be done with secrets, right and wrong, and remembers each of them."""

    def __init__(self, server: Server, settings: dict[str, str]) -> None:
        self.server = server
        self.settings = settings
        self.known: dict[str, str] = {}
        self.http = aiohttp.ClientSession()
        self.username = f"w{uuid7().replace('-', '')[-18:]}"

    def password(self, name: str) -> str:
        """A new password, with letters that are written in more than one way."""
        # At its start is nothing that a frame might start with.
        self.known[name] = f'pw{secrets.token_urlsafe(18)} "ä\\'
        return self.known[name]

    def remember(self, name: str, envelope: dict[str, Any]) -> dict[str, str]:
        """Remember the tokens of a log-in."""
        tokens: dict[str, str] = envelope["data"]["tokens"]
        self.known[f"the access token of {name}"] = tokens["access_token"]
        self.known[f"the signature of {name}"] = tokens["access_token"].split(".")[2]
        self.known[f"the refresh token of {name}"] = tokens["refresh_token"]
        return tokens

    async def post(self, action: str, **body: Any) -> tuple[int, dict[str, Any]]:
        """Send a REST body."""
        url = f"{self.server.url}/api/auth/{action}"
        async with self.http.post(url, json=body) as answer:
            return answer.status, await answer.json()

    async def get(self, path: str, **headers: str) -> int:
        """Ask for something. Returns the status."""
        async with self.http.get(self.server.url + path, headers=headers) as answer:
            await answer.read()
            return answer.status

    async def by_rest(self) -> dict[str, str]:
        """Register, log in, refresh, use again, log out; and each of them wrongly."""
        right = self.password("the password")
        person = {"username": self.username, "password": right}
        status, envelope = await self.post("register", **person)
        assert status == 201
        first = self.remember("the registration", envelope)
        assert (await self.post("register", **person))[0] == 409
        wrong = self.password("a wrong password")
        for body in (
            {"username": self.username, "password": wrong},
            {"username": wrong, "password": right},
            {"username": first["access_token"][:254], "password": wrong},
            {"username": first["refresh_token"], "password": first["access_token"]},
            {"username": "nobody at all", "password": wrong},
        ):
            assert (await self.post("login", **body))[0] == 401
        for action in ("register", "login", "refresh", "logout"):
            for body in (
                {**person, wrong: 1},
                {**person, "username": [right]},
                {"username": self.username, "password": {"is": wrong}},
                {"refresh_token": [first["refresh_token"]], "password": right},
            ):
                assert (await self.post(action, **body))[0] == 400
        for raw in (f'{{"username":"{self.username}","password":"{wrong}', f'"{right}"'):
            async with self.http.post(f"{self.server.url}/api/auth/login", data=raw) as answer:
                assert answer.status == 400
        status, envelope = await self.post("login", **person)
        second = self.remember("the log-in", envelope)
        status, envelope = await self.post("refresh", refresh_token=second["refresh_token"])
        third = self.remember("the refreshed log-in", envelope)
        assert (await self.post("refresh", refresh_token=wrong))[0] == 401
        assert (await self.post("refresh", refresh_token=third["access_token"]))[0] == 401
        guarded = "METRICS_TOKEN" in self.settings
        for token, known in (
            (third["access_token"], True),
            (third["refresh_token"], False),
            (wrong[:20], False),
        ):
            bearer = {"authorization": f"Bearer {token}"}
            assert await self.get("/api/auth/me", **bearer) == (200 if known else 401)
            assert await self.get("/metrics", **bearer) == (401 if guarded else 200)
            for path in ("/api/auth/me?token=", "/api/auth/verify?access_token=", "/health?key="):
                await self.get(path + token)
            for path in ("/", "/api/auth/", "/api/", "/socket.io/"):
                await self.get(path + token)
                async with self.http.post(self.server.url + path + token, data=token) as answer:
                    await answer.read()
        status, envelope = await self.post("refresh", refresh_token=third["refresh_token"])
        fourth = self.remember("the log-in that is ended", envelope)
        status, envelope = await self.post("refresh", refresh_token=second["refresh_token"])
        self.remember("the retry", envelope)
        assert (await self.post("logout", refresh_token=fourth["refresh_token"]))[0] == 200
        assert (await self.post("refresh", refresh_token=second["refresh_token"]))[0] == 401
        assert (await self.post("refresh", refresh_token=fourth["refresh_token"]))[0] == 401
        status, envelope = await self.post("login", **person)
        return self.remember("the last log-in", envelope)

    async def by_socket(self, tokens: dict[str, str], key: str) -> None:
        """Log in with each kind of secret, rightly and wrongly, and put them in wrong places."""
        access, refresh = tokens["access_token"], tokens["refresh_token"]
        wrong = self.password("a password in the wrong place")
        await self._knock(access, refresh, key, wrong)
        await self._misplace_without_a_right(access, refresh, key, wrong)
        person, service = TRANSPORTS
        for transport, all_of_them, auth in (
            (person, (access, refresh, key, wrong), {"token": access}),
            (service, (wrong, access, refresh, key), {"service_key": key}),
        ):
            caller = await Wire.connect(self.server.url, transport, **auth)
            await self._misplace(caller, all_of_them)
            await caller.close()

    async def _knock(self, access: str, refresh: str, key: str, wrong: str) -> None:
        """Be refused with each of them, in the first message, in headers and in the address."""
        for auth in (
            {"token": refresh},
            {"token": wrong},
            {"token": key},
            {"token": access[:-2]},
            {"service_key": access},
            {"service_key": wrong},
            {"service_key": key[:-1]},
            {"username": self.username, "password": self.known["the password"]},
            {access: 1, "token": [access]},
        ):
            query = f"key={quote(key)}"
            for nobody in (
                await Wire.open(self.server.url, query=f"&token={quote(access)}&{query}"),
                await Wire.open(self.server.url, "plain", query=f"?{query}"),
            ):
                assert not (await nobody.log_in(auth))["ok"]
                await nobody.close()
        for secret in (access, refresh, key, wrong):
            for query, scheme in ((f"?token={quote(secret)}", "Bearer"), ("", "Service"), ("", "")):
                headers = {"authorization": f"{scheme} {quote(secret)}".strip()}
                with pytest.raises(Refused):
                    await Wire.open(self.server.url, "plain", query=query, headers=headers)
        for scheme, secret in (("Bearer", key), ("Service-Key", access), ("Bearer", refresh)):
            with pytest.raises(Refused):
                headers = {"authorization": f"{scheme} {secret}"}
                await Wire.open(self.server.url, "plain", headers=headers)

    async def _misplace_without_a_right(self, *all_of_them: str) -> None:
        nobody = await Wire.open(self.server.url)
        plain = await Wire.open(self.server.url, "plain")
        for secret in all_of_them:
            plain.send(secret, json.dumps({"id": secret, "type": secret, secret: secret}))
            await plain.call(secret, {"token": secret})
            for no_packet in (secret, f"4{secret}", f"5{secret}"):
                ended = await Wire.open(self.server.url)
                ended.send(no_packet)
                await ended.until_closed()
            nobody.send(f"40{secret}", f"41/{secret}", f"42{secret}")
            await nobody.call("players.get", {"token": secret})
            for query in ("sid", "transport", "EIO", "j", "t"):
                given = {"EIO": "4", "transport": "polling", query: secret}
                words = "&".join(f"{name}={quote(value)}" for name, value in given.items())
                await self.get(f"/socket.io/?{words}")
                async with self.http.post(
                    f"{self.server.url}/socket.io/?{words}", data=secret
                ) as answer:
                    await answer.read()
            await self.get("/socket.io/?EIO=4&transport=polling", origin=f"http://{quote(secret)}")
            await self._raw_http(f"{quote(secret)} / HTTP/1.1\r\nHost: x\r\n\r\n")
            await self._raw_http(f"GET /{quote(secret)} HTTP/9.9\r\n{quote(secret)}\r\n\r\n")
        for connection in (nobody, plain):
            await connection.close()

    async def _misplace(self, caller: Wire, all_of_them: tuple[str, ...]) -> None:
        for number, secret in enumerate(all_of_them):
            await caller.patiently("auth.renew", {"token": secret})
            await caller.patiently("auth.renew", {secret: secret})
            await caller.patiently("rooms.join", {"room": secret})
            await caller.patiently("rooms.join", {"room": f"battle:{secret}"[:100]})
            await caller.patiently("rooms.join", {"room": "battles", "since": secret})
            since = {"epoch": secret[:64], "seq": 1}
            await caller.patiently("rooms.join", {"room": "battles", "since": since})
            await caller.patiently("rooms.leave", {"room": secret})
            await caller.patiently("battles.list", {"cursor": secret[:100], "status": secret})
            await caller.patiently("battles.list", {"cursor": secret[:100]})
            await caller.patiently("battles.get", {"battle_id": secret})
            await caller.patiently(secret, {"battle_id": secret})
            await caller.patiently("players.allocate", {"attack": 1, "request_id": secret})
            await caller.patiently("tests.broken", {"request_id": secret})
            await caller.patiently("tests.broken", {secret: secret})
            sent = {"password": secret, "request_id": f"r{number}"}
            assert (await caller.patiently("tests.secretive", sent))["ok"]
            sent = {"password": secret, "request_id": secret[:64]}
            await caller.patiently("tests.secretive", sent)
            sent = {"password": secret, "fails": True, "request_id": f"f{number}"}
            answer = await caller.patiently("tests.secretive", sent)
            assert answer["error"]["code"] == "internal"
            await caller.call_text('"players.get"', f'{{"{secret[:20]}":')
            caller.send(f"42{secret}")
        assert (await caller.patiently("tests.broken"))["error"]["code"] == "internal"

    async def _raw_http(self, request: str) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.server.port)
        writer.write(request.encode())
        await reader.read()
        writer.close()
        await writer.wait_closed()

    async def what_anybody_may_read(self) -> list[bytes]:
        """All that is told to whoever asks."""
        token = self.settings.get("METRICS_TOKEN")
        found = []
        for path in (
            *("/metrics", "/health", "/health/live", "/health/ready", "/health/startup"),
            *("/api/health", "/", "/main.js", "/asyncapi.json", "/protocol"),
        ):
            bearer = {"authorization": f"Bearer {token}"} if token else {}
            async with self.http.get(self.server.url + path, headers=bearer) as answer:
                assert answer.status == 200, path
                found.append(await answer.read() + str(answer.headers).encode())
        return found


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=LOGGING.values(), ids=LOGGING)
async def walked(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[tuple[Walk, dict[str, Any]]]:
    """A server on which all of it has happened, and what is there of it then and afterwards."""
    data_dir = tmp_path_factory.mktemp("secrets")
    file = data_dir / "file.log"
    settings = {**request.param, "LOG_FILE": str(file)}
    server = await Server(data_dir, "tests.support.broken_server", **settings).start()
    walk = Walk(server, request.param)
    walk.known |= {name: value for name, value in request.param.items() if name != "LOG_LEVEL"}
    walk.known["the admin's password"] = (data_dir / "admin_password").read_text().strip()
    if (data_dir / "secret_key").exists():
        walk.known["the secret that was made"] = (data_dir / "secret_key").read_text()
    key = walk.known["the service key"] = await service_key(server, "read")
    _, envelope = await walk.post(
        "register", username=f"o{walk.username[1:]}", password=walk.password("another's")
    )
    other = walk.remember("another", envelope)["access_token"]
    listeners = [await Wire.connect(server.url, by, token=other) for by in TRANSPORTS]
    for listener in listeners:
        await listener.call("rooms.join", {"room": "battles"})
    admin = {"username": "admin", "password": walk.known["the admin's password"]}
    walk.remember("the admin", (await walk.post("login", **admin))[1])
    await walk.by_socket(await walk.by_rest(), key)
    left: dict[str, Any] = {
        "frames": [frame for listener in listeners for frame in listener.frames],
        "read": await walk.what_anybody_may_read(),
        "tables": contents(data_dir),
        "files": {path.name: path.read_bytes() for path in data_dir.glob("warroom.db*")},
    }
    for listener in listeners:
        await listener.close()
    await walk.http.close()
    assert await server.stop() == 0
    left["log"] = server.log.read_bytes()
    left["log file"] = file.read_bytes()
    left["printed"] = server.printed
    left["files after"] = {path.name: path.read_bytes() for path in data_dir.glob("warroom.db*")}
    yield walk, left


Walked = tuple[Walk, dict[str, Any]]


async def test_what_is_looked_for_would_be_found(walked: Walked, tmp_path: Path) -> None:
    walk, left = walked
    assert len(walk.known) >= 20
    for name, secret in walk.known.items():
        for planted in (secret, json.dumps({"event": secret}), repr([secret]), quote(secret)):
            place = tmp_path / "place"
            place.write_bytes(left["log"] + planted.encode() + b"\n")
            assert name in leaks(walk.known, place.read_bytes()), planted
    assert leaks({"a user": walk.username}, repr(left["tables"])) == ["a user"]


async def test_it_all_was_in_the_log_but_for_the_secrets(walked: Walked) -> None:
    walk, left = walked
    events = [json.loads(line)["event"] for line in left["log"].splitlines()]
    assert events.count("handler_failed") > 8, "handlers were made to fail"
    assert {"connected", "disconnected"} <= set(events)
    assert "ValueError: (Secretive(password=***, fails=True" in left["log"].decode()
    assert leaks(walk.known, left["log"], left["log file"], left["printed"]) == []
    logged = left["log"].splitlines()
    # Other commands of the server log to the file as well.
    in_file = [line for line in left["log file"].splitlines() if line in set(logged)]
    assert in_file[-100:] == logged[-100:]
    if walk.settings.get("LOG_LEVEL") == "DEBUG":
        assert {"answered", "requested", "committed", "unreadable"} <= set(events)


async def test_nobody_else_is_told(walked: Walked) -> None:
    walk, left = walked
    assert len(left["frames"]) > 2
    assert leaks(walk.known, *left["frames"], *left["read"]) == []


async def test_no_table_holds_any_and_one_column_the_hashes_of_passwords(walked: Walked) -> None:
    walk, left = walked
    place = columns(walk.server.data_dir, "users").index("password_hash")
    hashes = {row[place] for row in left["tables"]["users"]}
    assert len(hashes) == 3
    assert all(text.startswith("$2b$") for text in hashes)
    assert left["tables"]["kept_replies"], "replies were kept"
    for table, rows in left["tables"].items():
        for row in rows:
            assert leaks(walk.known, *map(repr, row), *map(str, row)) == [], table
            for number, value in enumerate(row):
                hashed = "$2b$" in str(value)
                assert hashed is ((table, number) == ("users", place)), (table, number)
    everything = (left["log"], left["log file"], left["printed"], *left["frames"], *left["read"])
    assert leaks({text: text for text in hashes}, *everything) == []


async def test_no_digest_of_what_can_be_guessed_is_kept(walked: Walked) -> None:
    walk, left = walked
    digests: dict[str, list[str]] = {}
    for _, request_id, digest, *_ in left["tables"]["kept_replies"]:
        digests.setdefault(request_id, []).append(digest)
    for one, other in (digests[f"r{number}"] for number in range(4)):
        assert one == other, "these are of two callers, and differ in the secret alone"
    hashers = (hashlib.md5, hashlib.sha1, hashlib.sha256, hashlib.sha512)
    texts = {
        hasher(secret.encode()).hexdigest()
        for name, secret in walk.known.items()
        if "password" in name
        for hasher in hashers
    }
    assert leaks({text: text for text in texts}, repr(left["tables"])) == []


async def test_no_byte_of_the_database_is_of_a_secret(walked: Walked) -> None:
    walk, left = walked
    assert left["files"]["warroom.db-wal"], "the log that is written ahead is looked into as well"
    assert walk.username.encode() in b"".join(left["files"].values())
    assert leaks(walk.known, *left["files"].values(), *left["files after"].values()) == []
