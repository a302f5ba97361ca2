"""Pages of other origins are kept out of every request of every transport: 403, and counted."""

from collections.abc import AsyncIterator

import aiohttp
import pytest
import pytest_asyncio

from tests.support.outside import metric
from tests.support.people import registered
from tests.support.polling import Polling
from tests.support.server import Server
from tests.support.websocket import Refused
from tests.support.wire import Transport, Wire

LISTED = "https://game.example"
COUNTED = 'warroom_transport_refused_total{reason="origin"}'
FOREIGN = {
    "another": "https://elsewhere.example",
    "none": "null",
    "of another port": "http://127.0.0.1:1",
    "of another scheme": "https://{host}",
    "one that begins like ours": "http://{host}.elsewhere.example",
    "one that ends like one that is listed": "https://evil-game.example",
    "one that is listed, of another port": f"{LISTED}:8443",
    "one that is listed, and more": f"{LISTED} https://elsewhere.example",
    "words": "x",
    "nothing": "",
}
SPOOFED = {
    "x-forwarded-host": "elsewhere.example",
    "x-forwarded-proto": "https",
    "forwarded": "host=elsewhere.example;proto=https",
}
"""What nobody believes who has not named a proxy."""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def choosy(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    """A server with one origin more than its own, behind no proxy."""
    async with Server(tmp_path_factory.mktemp("choosy"), CORS_ORIGINS=LISTED) as started:
        yield started


def given(server: Server, name: str) -> dict[str, str]:
    """The headers of a foreign page's request."""
    host = server.url.removeprefix("http://")
    return {"origin": FOREIGN[name].format(host=host), **SPOOFED}


@pytest.mark.parametrize("name", FOREIGN)
async def test_no_request_of_a_session_is_answered(choosy: Server, name: str) -> None:
    """Neither a new one's, nor one's of somebody whose id is known. That one goes on."""
    headers = given(choosy, name)
    token = (await registered(choosy.url)).tokens.access_token
    async with aiohttp.ClientSession() as http:
        session = await Polling(http, choosy.url).log_in(token=token)
        before = await metric(choosy.url, COUNTED)
        new = f"{choosy.url}/socket.io/?EIO=4&transport=polling"
        asked = [
            http.get(new, headers=headers),
            http.options(new, headers=headers),
            http.get(session.url, headers=headers),
            http.post(session.url, data='421["players.get"]', headers=headers),
            http.options(session.url, headers=headers),
        ]
        for request in asked:
            async with request as answer:
                assert answer.status == 403
                assert "access-control-allow-origin" not in answer.headers
        with pytest.raises(Refused) as refused:
            await Wire.open(choosy.url, query=f"&sid={session.sid}", headers=headers)
        assert refused.value.status == 403
        assert await metric(choosy.url, COUNTED) == before + len(asked) + 1
        assert await session.post('427["players.get"]') == 200
        _, packets = await session.poll()
        assert packets[0].startswith('437[{"ok":true'), packets


@pytest.mark.parametrize("way", ["websocket", "plain"])
@pytest.mark.parametrize("name", FOREIGN)
async def test_no_websocket_is_opened(choosy: Server, name: str, way: Transport) -> None:
    token = (await registered(choosy.url)).tokens.access_token
    before = await metric(choosy.url, COUNTED)
    paths = ["", "/ws/battle/x"] if way == "plain" else [""]
    for path in paths:
        headers = {"authorization": f"Bearer {token}", **given(choosy, name)}
        with pytest.raises(Refused) as refused:
            await Wire.open(choosy.url, way, path=path, headers=headers)
        assert refused.value.status == 403
    assert await metric(choosy.url, COUNTED) == before + len(paths)


@pytest.mark.parametrize("way", ["websocket", "polling", "plain"])
async def test_its_own_page_and_one_that_is_listed_are_let_in(
    choosy: Server, way: Transport
) -> None:
    token = (await registered(choosy.url)).tokens.access_token
    for origin in (choosy.url, LISTED):
        wire = await Wire.connect(choosy.url, way, token=token, headers={"origin": origin})
        assert (await wire.call("players.get"))["ok"]
        await wire.close()
