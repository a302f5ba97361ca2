"""What an operator looks at: `/metrics` as Prometheus scrapes it."""

import aiohttp
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from protocol.endings import RefusalReason
from tests.support.people import Person
from tests.support.server import Server

GAUGES = {
    "process_open_fds",
    "process_max_fds",
    "process_resident_memory_bytes",
    "process_start_time_seconds",
    "warroom_connections",
    "warroom_rooms",
    "warroom_outbox_messages",
    "warroom_outbox_bytes",
    "warroom_writer_queue_units",
    "warroom_writer_queue_age_seconds",
    "warroom_database_readers",
    "warroom_database_readers_in_use",
    "warroom_database_readers_waited_for",
    "warroom_database_writer_connected",
}
COUNTERS = {
    "process_cpu_seconds",
    "warroom_replies",
    "warroom_events",
    "warroom_evicted",
    "warroom_dropped_events",
    "warroom_transport_refused",
}
HISTOGRAMS = {"warroom_reply_seconds", "warroom_commit_seconds", "warroom_batch_units"}


async def scrape(server: Server) -> dict[str, tuple[str, dict[str, float]]]:
    """The kind of each family of metrics, and its samples by name and labels."""
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{server.url}/metrics") as answer,
    ):
        assert answer.status == 200
        text = await answer.text()
    found: dict[str, tuple[str, dict[str, float]]] = {}
    for family in text_string_to_metric_families(text):
        samples = {
            " ".join([sample.name, *dict(sorted(sample.labels.items())).values()]): sample.value
            for sample in family.samples
        }
        found[family.name] = (family.type, samples)
    return found


async def test_all_that_an_operator_looks_at_is_there(server: Server, alice: Person) -> None:
    found = await scrape(server)
    kinds = {name: kind for name, (kind, _) in found.items()}
    expected = {
        **dict.fromkeys(GAUGES, "gauge"),
        **dict.fromkeys(COUNTERS, "counter"),
        **dict.fromkeys(HISTOGRAMS, "histogram"),
    }
    assert {name: kinds.get(name) for name in expected} == expected
    values = {name: value for _, samples in found.values() for name, value in samples.items()}
    assert 0 < values["process_open_fds"] < values["process_max_fds"]
    assert values["process_resident_memory_bytes"] > 10_000_000
    assert values["warroom_connections"] >= 1
    assert values["warroom_database_readers"] >= 1
    assert values["warroom_database_readers_in_use"] <= values["warroom_database_readers"]
    assert values["warroom_database_readers_waited_for"] == 0
    assert values["warroom_database_writer_connected"] == 1
    assert 0 <= values["warroom_writer_queue_age_seconds"] < 10
    assert values["warroom_commit_seconds_count"] == values["warroom_batch_units_count"] > 0


async def test_answers_are_counted_by_name_and_code(server: Server, alice: Person) -> None:
    before = (await scrape(server))["warroom_replies"][1]
    await alice.ok("players.get")
    await alice.refused("users.list")
    after = (await scrape(server))["warroom_replies"][1]
    for labels in ("ok players.get", "forbidden users.list"):
        name = f"warroom_replies_total {labels}"
        assert after[name] == before.get(name, 0) + 1


async def test_what_can_not_be_read_is_counted_as_well(server: Server, alice: Person) -> None:
    name = "warroom_replies_total invalid unknown"
    before = (await scrape(server))["warroom_replies"][1].get(name, 0)
    for _ in range(3):
        await alice.mumble("words")
    await alice.ok("players.get")
    assert (await scrape(server))["warroom_replies"][1][name] == before + 3


async def test_every_reason_to_refuse_is_there_from_the_start(server: Server) -> None:
    refused = (await scrape(server))["warroom_transport_refused"][1]
    names = {f"warroom_transport_refused_total {reason}" for reason in RefusalReason}
    assert {name for name in refused if "_total " in name} == names


async def test_nobody_is_in_the_labels(server: Server, alice: Person) -> None:
    assert alice.logged_in is not None
    text = str(await scrape(server))
    assert alice.id not in text
    assert alice.logged_in.user.username not in text
