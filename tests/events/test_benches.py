"""`scripts/bench` in short: that its figures are there, and that nothing was lost. Not how fast."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from scripts.benches.compiled import programs
from scripts.benches.gateway import LOADS
from scripts.benches.result import Broken
from scripts.benches.sides import LIMIT, STOCK, Side, lasting, loaded, running
from tests.support.programs import need
from tests.support.server import ROOT

ENDS_WITHIN_S = 120

SHORT = {
    "gateway": (10, "0.1", "--pair"),
    "memory": (1, "0.5", "--clients", "100"),
    "durable": (5, "0.5", "--pair"),
    "slow-reader": (8, "4"),  # what it tells is as much in a short round
    "pool": (4, "0.5"),
    "soak": (6, "1", "--clients", "8"),
    "packets": (4, "0.5", "--only", "emits"),
}
"""How many figures each has, how long a round is, in seconds, and what it is asked besides."""


def bench(*arguments: str) -> tuple[int, str, str]:
    """Run it. Returns its exit code, what it prints, and its errors."""
    process = subprocess.Popen(
        [sys.executable, "-m", "scripts.benches", *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,  # so that its servers can be ended with it
    )
    try:
        output, errors = process.communicate(timeout=ENDS_WITHIN_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        raise
    return process.returncode, output, errors


@pytest.mark.slow
@pytest.mark.parametrize("name", SHORT)
def test_a_short_run_measures(name: str) -> None:
    for program in ("cc", "node"):
        need(program)
    figures, seconds, *more = SHORT[name]
    code, output, errors = bench(
        name, "--rounds", "1", "--seconds", str(seconds), "--no-bars", *map(str, more)
    )
    assert code == 0, errors
    assert "Nothing was lost, refused or out of order." in output
    lines = [line for line in output.splitlines() if line.startswith("|")][2:]
    assert lines[0].startswith(f"| **{name}: ")
    assert len(lines) == 1 + figures
    for line in lines[1:]:
        _, about, base, other, change, *_ = line.split("|")
        assert re.fullmatch(r"-?[\d,]+(\.\d\d)?", base.strip()), about
        assert re.fullmatch(r"-?[\d,]+(\.\d\d)?", other.strip()), about
        assert re.fullmatch(r"[x+-][\d,.]+", change.strip()), about


@pytest.fixture
def on_any_core() -> Iterator[None]:
    """Gives this process its cores back: the load keeps to some of them."""
    cores = os.sched_getaffinity(0)
    yield
    os.sched_setaffinity(0, cores)


@pytest.mark.usefixtures("on_any_core")
@pytest.mark.parametrize("side", [STOCK, LIMIT], ids=lambda side: side.name)
async def test_what_stands_beside_answers_every_load(side: Side) -> None:
    need("cc")
    with programs() as compiled:
        for load in LOADS:
            async with running(side, compiled) as server:
                options = (*load.options, *lasting(0.1), "--clients", "8")
                sample = await loaded(compiled, server, *options)
            assert sample.told_in_all + sample.answered_in_all > 0


@pytest.mark.usefixtures("on_any_core")
async def test_a_server_that_does_not_start_is_told_of() -> None:
    need("cc")
    broken = Side("nobody", lambda _: [sys.executable, "-c", "raise SystemExit('no port for me')"])
    with programs() as compiled, pytest.raises(Broken, match="no port for me"):
        async with running(broken, compiled):
            pass


def test_a_bench_that_is_not_there() -> None:
    code, _, errors = bench("no-such-bench")
    assert code == 2
    assert "no-such-bench" in errors
