"""The history of kept events, and the replies that are kept."""

import pytest

from server.database import Request, Stale, Statement, Work
from server.database.history import SeqRange, after, bounds, find_reply
from tests.store.bench import AT, LISTING, Bench, claimed, listed, outcome, put
from tests.support.engines import on_both_engines

pytestmark = on_both_engines


ASKED = Request(("alice", "r1"), "digest")
KEPT = Statement("test.kept", "select who, request_id from kept_replies")
ROWS = Statement(
    "test.rows",
    "select room, name from room_events union all select who, request_id from kept_replies"
    " union all select name, value from facts where name not like 'warroom writer %'"
    " order by 1, 2",
)


def log(battle: str, *seqs: int, gold: int = 1) -> Work:
    """A unit that appends to the log of a battle."""
    work = Work(AT)
    for seq in seqs:
        work.publish(claimed(battle, gold), seq=seq)
    return work


async def test_a_log_is_appended_to_without_a_gap(bench: Bench) -> None:
    ends = [await outcome(bench.submit(log("b", *seqs))) for seqs in ((1,), (2, 3), (5,), (4,))]
    assert ends == [None, None, Stale, None]
    assert await bench.seqs("battle:b") == [1, 2, 3, 4]


async def test_a_log_does_not_begin_in_its_middle(bench: Bench) -> None:
    assert await outcome(bench.submit(log("b", 2))) is Stale


async def test_a_number_is_given_once(bench: Bench) -> None:
    await bench.submit(log("b", 1, 2, gold=1))
    ends = [await outcome(bench.submit(log("b", seq, gold=2))) for seq in (1, 2)]
    assert ends == [Stale, Stale]
    async with bench.db.reader.read_transaction() as reading:
        assert all('"gold":1' in kept.data for kept in await after(reading, "battle:b", 0))


async def test_logs_do_not_see_each_other(bench: Bench) -> None:
    await bench.submit(log("b", 1, 2))
    assert await outcome(bench.submit(log("c", 3))) is Stale
    await bench.submit(log("c", 1))


async def test_the_writer_numbers_where_the_decision_does_not(bench: Bench) -> None:
    for _ in range(3):
        work = Work(AT)
        work.publish(listed())
        await bench.submit(work)
    assert await bench.seqs(LISTING) == [1, 2, 3]


async def test_numbers_go_on_after_a_restart(bench: Bench) -> None:
    for _ in range(2):
        work = Work(AT)
        work.publish(listed())
        await bench.submit(work)
        await bench.db.close()
        await bench.open()
    assert await bench.seqs(LISTING) == [1, 2]


async def test_what_was_missed_is_read_in_order_with_all_it_said(bench: Bench) -> None:
    await bench.submit(log("b", 1, 2, 3))
    async with bench.db.reader.read_transaction() as reading:
        missed = await after(reading, "battle:b", 1)
        assert [(k.seq, k.at, k.name) for k in missed] == [
            (2, AT, "battles.reward_claimed"),
            (3, AT, "battles.reward_claimed"),
        ]
        assert missed[0].data == '{"battle_id":"b","player_id":"p","gold":1,"exp":1}'
        assert await after(reading, "battle:b", 3) == []
        assert await bounds(reading, "battle:b") == SeqRange(1, 3)
        assert await bounds(reading, "battle:other") == SeqRange(1, 0)


async def test_a_reply_is_kept_with_the_event_that_it_answers(bench: Bench) -> None:
    await bench.submit(log("b", 1))
    await bench.submit(log("b", 2, 3), ASKED, b'{"damage":7}')
    assert await find_reply(bench.db.reader, "alice", "r1") == ("digest", b'{"damage":7}')
    assert await bench.db.reader.all(KEPT) == []


async def test_a_reply_without_such_an_event_is_kept_apart(bench: Bench) -> None:
    work = put("a")
    work.publish(listed())
    await bench.submit(work, ASKED, b"{}")
    assert await find_reply(bench.db.reader, "alice", "r1") == ("digest", b"{}")
    assert await bench.db.reader.all(KEPT) == [("alice", "r1")]


async def test_a_reply_is_its_askers_own(bench: Bench) -> None:
    await bench.submit(put("a"), ASKED)
    assert await find_reply(bench.db.reader, "bob", "r1") is None
    assert await find_reply(bench.db.reader, "alice", "r2") is None
    await bench.submit(put("b"), Request(("bob", "r1"), "digest"))


async def test_a_unit_that_fell_keeps_no_reply(bench: Bench) -> None:
    assert await outcome(bench.submit(log("b", 7), ASKED)) is Stale
    assert await find_reply(bench.db.reader, "alice", "r1") is None
    await bench.submit(log("b", 1), ASKED)


async def ask_in(bench: Bench, place: str) -> type[BaseException] | None:
    """Submit a unit with the same request whose reply is kept in one place or the other."""
    works = {"opening a log": log("new", 1), "in a log": log("b", 2), "apart": put("a")}
    return await outcome(bench.submit(works[place], ASKED))


PLACES = ("opening a log", "in a log", "apart")


@pytest.mark.parametrize("first", PLACES)
@pytest.mark.parametrize("second", PLACES)
async def test_a_request_is_carried_out_once_wherever_its_reply_is_kept(
    bench: Bench, first: str, second: str
) -> None:
    await bench.submit(log("b", 1))
    assert await ask_in(bench, first) is None
    before = await bench.db.reader.all(ROWS)
    assert await ask_in(bench, second) is Stale
    assert await bench.db.reader.all(ROWS) == before


async def test_a_request_is_carried_out_once_within_a_batch(bench: Bench) -> None:
    units = [bench.submit(put(f"n{n}"), ASKED) for n in range(3)]
    assert [await outcome(unit) for unit in units] == [None, Stale, Stale]
    assert await bench.facts() == {"n0": "1"}
