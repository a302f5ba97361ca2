"""`/metrics` is open to whoever has the token, where there is one."""

import base64
from collections.abc import AsyncIterator

import aiohttp
import pytest
import pytest_asyncio

from tests.support.people import registered, service_key
from tests.support.server import Server

pytestmark = pytest.mark.asyncio(loop_scope="module")

TOKEN = "the-token-of-prometheus-0123456789"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def guarded(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    """A server whose METRICS_TOKEN is set."""
    async with Server(tmp_path_factory.mktemp("guarded"), METRICS_TOKEN=TOKEN) as started:
        yield started


async def scrape(server: Server, path: str = "/metrics", **headers: str) -> tuple[int, str]:
    """The status and the body."""
    async with aiohttp.ClientSession() as http, http.get(server.url + path, headers=headers) as got:
        return got.status, await got.text()


async def test_the_token_opens(guarded: Server) -> None:
    status, body = await scrape(guarded, authorization=f"Bearer {TOKEN}")
    assert status == 200
    assert "warroom_connections" in body


WRONG = {
    "none": {},
    "empty": {"authorization": ""},
    "another": {"authorization": "Bearer another-token-of-prometheus-01234"},
    "its beginning": {"authorization": f"Bearer {TOKEN[:-1]}"},
    "more than it": {"authorization": f"Bearer {TOKEN}x"},
    "it in capitals": {"authorization": f"Bearer {TOKEN.upper()}"},
    "it twice": {"authorization": f"Bearer {TOKEN} {TOKEN}"},
    "nothing after Bearer": {"authorization": "Bearer "},
    "Bearer alone": {"authorization": "Bearer"},
    "None": {"authorization": "Bearer None"},
    "no Bearer": {"authorization": TOKEN},
    "another scheme": {
        "authorization": "Basic " + base64.b64encode(f"prometheus:{TOKEN}".encode()).decode()
    },
    "another header": {"x-metrics-token": TOKEN},
    "a cookie": {"cookie": f"token={TOKEN}"},
    "no ASCII": {"authorization": "Bearer \u00e4\u00f6\u00fc"},
}


@pytest.mark.parametrize("headers", WRONG.values(), ids=WRONG)
async def test_nothing_else_does(guarded: Server, headers: dict[str, str]) -> None:
    status, body = await scrape(guarded, **headers)
    assert status == 401
    assert "warroom_" not in body
    assert "unauthenticated" in body


async def test_it_is_not_taken_from_the_address(guarded: Server) -> None:
    for name in ("token", "access_token", "authorization"):
        status, _ = await scrape(guarded, f"/metrics?{name}={TOKEN}")
        assert status == 401


async def test_nobody_elses_token_does(guarded: Server) -> None:
    tokens = (await registered(guarded.url)).tokens
    key = await service_key(guarded, "read")
    for secret in (tokens.access_token, tokens.refresh_token, key):
        status, _ = await scrape(guarded, authorization=f"Bearer {secret}")
        assert status == 401


async def test_where_there_is_none_it_is_open(tmp_path_factory: pytest.TempPathFactory) -> None:
    async with Server(tmp_path_factory.mktemp("open")) as server:
        for headers in ({}, {"authorization": "Bearer whatever"}):
            assert (await scrape(server, **headers))[0] == 200
