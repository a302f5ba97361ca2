"""`scripts/bench` in short: that its figures are there, and that nothing was lost. Not how fast."""

import re
import subprocess
import sys

import pytest

from tests.support.server import ROOT

SHORT = {
    "strikes": (7, "0.5"),
    "broadcast": (7, "0.5"),
    "slow-reader": (8, "4"),  # what it tells is as much in a short round
}
"""How many figures each has, and how long a round is, in seconds."""


def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run it."""
    return subprocess.run(
        [sys.executable, "-m", "scripts.benches", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", SHORT)
def test_a_short_run_measures(name: str) -> None:
    figures, seconds = SHORT[name]
    done = bench(name, "--rounds", "1", "--seconds", seconds, "--no-bars")
    assert done.returncode == 0, done.stderr
    assert "Nothing was lost, refused or out of order." in done.stdout
    lines = [line for line in done.stdout.splitlines() if line.startswith("|")][2:]
    assert lines[0].startswith(f"| **{name}: ")
    assert len(lines) == 1 + figures
    for line in lines[1:]:
        _, about, base, other, change, _, _ = line.split("|")
        assert re.fullmatch(r"-?[\d,]+(\.\d\d)?", base.strip()), about
        assert re.fullmatch(r"-?[\d,]+(\.\d\d)?", other.strip()), about
        assert re.fullmatch(r"[x+-][\d,.]+", change.strip()), about


def test_a_bench_that_is_not_there() -> None:
    done = bench("no-such-bench")
    assert done.returncode == 2
    assert "no-such-bench" in done.stderr
