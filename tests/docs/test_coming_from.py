"""Whoever comes from one of these APIs finds each of its paths and events in PROTOCOL.md."""

import re
from typing import Final

import aiohttp
import pytest

from protocol.domains import load
from protocol.message import find, specs
from protocol.rooms import KINDS
from tests.support.markdown import PROTOCOL, anchors, chapter, links, rows, spans
from tests.support.server import Server

CHAPTER: Final = "Coming from other APIs"

THERE: Final = {
    "ROC Cluster Management API": (
        "POST /api/v1/accounts/",
        "POST /api/v1/actions/attack",
        "POST /api/v1/jobs/",
        "GET /api/v1/jobs/",
        "GET /api/v1/jobs/{job_id}/status",
        "POST /api/v1/jobs/{job_id}/cancel",
        "GET /api/v1/jobs/valid-action-types",
        "GET /docs",
        "GET /redoc",
        "action attack",
        "action sabotage",
        "action spy",
        "action become_officer",
        "action send_credits",
        "action recruit",
        "action purchase_armory",
        "action purchase_training",
        "action set_credit_saving",
        "action buy_upgrade",
        "action get_metadata",
        "action get_solved_captchas",
    ),
    "api-world": (
        "POST /baza/add",
        "POST /baza/stop",
        "POST /baza/admin/cleanup_inactive",
    ),
    "Web Game Backend API": (
        "POST /api/auth/register",
        "POST /api/auth/login",
        "POST /api/auth/logout",
        "GET /api/player/me",
        "POST /api/player/allocate-stats",
        "POST /api/player/regenerate-stamina",
        "GET /api/inventory/",
        "POST /api/inventory/equip/{item_id}",
        "POST /api/inventory/unequip/{slot}",
        "GET /api/pets/",
        "POST /api/pets/hatch/{egg_id}",
        "POST /api/pets/feed/{pet_id}",
        "POST /api/pets/equip/{pet_id}",
        "GET /api/shop/items",
        "POST /api/shop/purchase",
        "GET /api/battles/available",
        "POST /api/battles/join/{battle_id}",
        "POST /api/battles/attack/{battle_id}",
        "POST /api/battles/claim-loot/{battle_id}",
        "GET /api/battles/history",
        "WS /ws/battle/{battle_id}?token={jwt_token}",
        "receive connected",
        "receive player_joined",
        "receive player_left",
        "receive attack",
        "receive enemy_defeated",
        "receive chat",
        "send attack",
        "send chat",
        "GET /docs",
        "GET /redoc",
    ),
    "MS11 Server API": (
        "POST /api/auth/login",
        "POST /api/auth/refresh",
        "GET /api/auth/verify",
        "GET /api/health",
        "GET /api/metrics?limit=50&type=cpu_usage",
        "GET /api/metrics/prometheus",
        "GET /api/sessions",
        "POST /api/sessions",
        "PUT /api/sessions/{session_id}",
        "POST /api/commands",
        "GET /api/commands/history",
        "WS /socket.io/?transport=websocket",
        "send connect",
        "send ms11_command",
        "send subscribe_room",
        "room session_updates",
        "receive connection_established",
        "receive session_update",
        "receive performance_metric",
        "receive command_result",
        "receive system_alert",
    ),
    "Botfarm Microservice": (
        "POST /api/v1/users/",
        "GET /api/v1/users/",
        "POST /api/v1/users/{user_id}/acquire",
        "POST /api/v1/users/{user_id}/release",
        "GET /health",
        "GET /docs",
    ),
}
"""What each of them offers, under the name that it has for itself.

Source: the five documents, where `/api/v1/jobs/1/status` is of job 1.
"""

PLANNED: Final = {
    *("inventory", "pets", "shop", "duels", "fleet", "jobs", "sessions"),
    *("containers", "bots", "metrics", "alerts"),
}
ROUTE: Final = re.compile(r"(GET|POST|PUT) (/\S*)")
MESSAGE: Final = re.compile(r"[a-z]+\.[a-z_]+")
ROOM: Final = re.compile(r"([a-z]+):<id>")

TEXT: Final = PROTOCOL.read_text()
HERE: Final = {api: dict(rows(chapter(TEXT, api))) for api in THERE}
ROWS: Final = [(api, there, here) for api, table in HERE.items() for there, here in table.items()]


def offers(cell: str) -> list[str]:
    """What the first cell of a row is about: "receive chat" of receive `chat`."""
    kind = cell.partition("`")[0].strip()
    return [f"{kind} {name}".strip() for name in spans(cell)]


@pytest.mark.parametrize("api", THERE)
def test_each_path_and_event_stands_there_once(api: str) -> None:
    found = [one for there, _ in rows(chapter(TEXT, api)) for one in offers(there)]
    assert sorted(found) == sorted(THERE[api])


def test_there_are_no_others() -> None:
    assert [api for api in THERE if f"\n### {api}\n" in chapter(TEXT, CHAPTER)] == list(THERE)
    assert chapter(TEXT, CHAPTER).count("\n### ") == len(THERE)


@pytest.mark.parametrize(("api", "there", "here"), ROWS)
def test_what_is_said_of_it_is_true(api: str, there: str, here: str) -> None:
    load()
    domains = {spec.domain for spec in specs()}
    if match := re.match(r"coming, with `(\w+)`", here):
        assert match[1] in PLANNED
        assert match[1] not in domains, f"{match[1]} has come: name what does it"
        return
    if re.match(r"dropped: \w+", here):
        return
    named = [name for name in spans(here) if MESSAGE.fullmatch(name)]
    known = [name for name in spans(here) if ROUTE.fullmatch(name)]
    pointed = [link for link in links(here) if link.startswith("#")]
    assert named or known or pointed, f"{api}, {there}: nothing is named that does it"


@pytest.mark.parametrize(("api", "there", "here"), ROWS)
def test_every_message_and_room_that_is_named_exists(api: str, there: str, here: str) -> None:
    load()
    for name in spans(here):
        if MESSAGE.fullmatch(name):
            assert find(name) is not None, name
        if match := ROOM.fullmatch(name):
            assert KINDS[match[1]].keyed
    assert {link[1:] for link in links(here)} <= anchors(TEXT)


async def test_every_route_that_is_named_answers(server: Server) -> None:
    named = {name for _, _, here in ROWS for name in spans(here) if ROUTE.fullmatch(name)}
    assert named
    async with aiohttp.ClientSession() as http:
        for route in named:
            method, path = route.split()
            async with http.request(method, server.url + path) as answer:
                assert answer.status not in (404, 405), route
