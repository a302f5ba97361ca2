"""Health, metrics, and the headers of every route."""

from pathlib import Path

import aiohttp
import pytest

from tests.support.people import Person
from tests.support.server import Server


@pytest.mark.parametrize("path", ["/health", "/health/live", "/health/ready", "/health/startup"])
async def test_a_healthy_server_says_so(server: Server, path: str) -> None:
    async with aiohttp.ClientSession() as session, session.get(server.url + path) as response:
        assert response.status == 200
        assert (await response.json())["status"] == "healthy"


async def test_the_report_names_its_parts(server: Server, alice: Person) -> None:
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{server.url}/api/health") as response,
    ):
        report = (await response.json())["data"]
    assert report["components"]["database"]["latency_ms"] >= 0
    assert report["components"]["websocket"]["connected_clients"] >= 1


async def test_metrics_count_what_was_answered(server: Server, alice: Person) -> None:
    await alice.ok("players.get")
    async with aiohttp.ClientSession() as session, session.get(f"{server.url}/metrics") as response:
        text = await response.text()
        assert response.content_type == "application/openmetrics-text"
    assert 'warroom_replies_total{code="ok",name="players.get"}' in text
    assert alice.id not in text
    assert text.endswith("# EOF\n")


@pytest.mark.parametrize("path", ["/", "/health/live", "/api/auth/me", "/nothing"])
async def test_security_headers_are_on_every_route(server: Server, path: str) -> None:
    async with aiohttp.ClientSession() as session, session.get(server.url + path) as response:
        policy = response.headers["content-security-policy"]
        assert "script-src 'self'" in policy
        assert "unsafe" not in policy
        assert response.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("path", ["/../config.py", "/%2e%2e/config.py", "/package.json"])
async def test_only_the_page_is_served(server: Server, path: str) -> None:
    async with aiohttp.ClientSession() as session, session.get(server.url + path) as response:
        assert response.status == 404


async def test_a_page_of_another_origin_is_let_in_where_settings_say_so(tmp_path: Path) -> None:
    origin = "https://game.example"
    preflight = {"origin": origin, "access-control-request-method": "POST"}
    async with (
        Server(tmp_path / "data", CORS_ORIGINS=origin) as server,
        aiohttp.ClientSession() as session,
        session.options(f"{server.url}/api/auth/login", headers=preflight) as rest,
        session.get(
            f"{server.url}/socket.io/?EIO=4&transport=polling", headers={"origin": origin}
        ) as polling,
    ):
        assert rest.headers["access-control-allow-origin"] == origin
        assert (polling.status, polling.headers["access-control-allow-origin"]) == (200, origin)
        assert polling.headers["x-content-type-options"] == "nosniff"
