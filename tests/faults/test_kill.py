"""kill -9 in the middle of fighting: every promise that was made is kept, and only once."""

import random

import pytest

from tests.support import promises
from tests.support.engines import on_both_engines
from tests.support.fighters import Band
from tests.support.server import Server

KILLS = 5
FIGHTERS = 50


@pytest.mark.slow
@on_both_engines
async def test_what_was_promised_survives_five_kills(own_server: Server) -> None:
    moments = random.Random(20_26)
    band = Band()
    await band.gather(own_server, FIGHTERS)
    for _ in range(KILLS):
        await band.fight_until(moments.randint(100, 700), own_server.kill)
        await own_server.start()
    await band.settle()

    assert await promises.every_acked_command_is_answered_as_before(band) > KILLS * 100
    await band.close()
    assert await own_server.stop() == 0
    await promises.all_kept(own_server, band)
