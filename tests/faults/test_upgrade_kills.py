"""An upgrade, and what an operator does around it, killed at random moments. At full scale:
`scripts/bench upgrade`."""

from pathlib import Path
from random import Random

import pytest

from tests.support.engines import database, on_both_engines
from tests.support.opened_data import VERSIONS, Kept
from tests.support.postgres import Postgres
from tests.support.walk import Walk

STEPS = 3
PAD = 2_000


@on_both_engines
@pytest.mark.parametrize("version", VERSIONS)
async def test_whatever_is_killed_the_next_start_goes_on(
    tmp_path: Path, engine: str, version: str, postgres: Postgres | None
) -> None:
    url = await database(engine, postgres, tmp_path / "data" / "warroom.db")
    kept = Kept(tmp_path, version, engine, url)
    await Walk(kept, tmp_path, Random(f"{version} {engine}"), PAD).go(STEPS)
