"""A network that breaks every connection again and again, at random points."""

import asyncio
import random

from tests.support.relay import Relay

EVERY_S = 0.2


async def cut_up(relay: Relay, moments: random.Random, for_s: float) -> None:
    """Break all connections every 200 ms, or before that in the middle of what goes down or up."""
    loop = asyncio.get_running_loop()
    end = loop.time() + for_s
    while loop.time() < end:
        await asyncio.sleep(EVERY_S)
        relay.sever(reset=moments.random() < 0.5)
        match moments.randrange(4):
            case 0:
                relay.sever_after()
            case 1:
                relay.sever_after(up=moments.randint(1, 1_500))
            case _:
                relay.sever_after(down=moments.randint(1, 5_000))
    relay.sever()
    relay.sever_after()
