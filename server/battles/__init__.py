"""Battles: live and co-operative."""

from functools import partial

from server.battles import handlers
from server.battles.invariants import INVARIANTS
from server.battles.rooms import counter, providers
from server.battles.service import BattleService
from server.battles.store import Battles
from server.battles.tables import ALL
from server.database import Unavailable, WriteConflict
from server.domain import Built, Core, Domain
from server.players import Profiles
from server.runtime.log import logger
from server.users import Users

__all__ = ["DOMAIN", "BattleService", "Battles"]

log = logger("battles")


async def _build(core: Core) -> Built:
    battles = Battles(core.database, core.clock)
    service = BattleService(battles, core.gateway, core.clock)
    count = counter(battles, core.gateway.rooms, core.clock)
    profiles = core.service(Profiles)
    profiles.show_seats(battles.pool.seats)
    battles.pool.on_seat(profiles.touch)
    core.service(Users).at_deletion(battles.vacate_seat)

    async def start() -> None:
        await battles.resume()
        try:
            await service.fill_pool()
        except (Unavailable, WriteConflict) as e:
            # Such as a full disk: what is there can be read, and played on.
            log.warning("pool_not_filled", error=str(e))

    async def prune(now: int) -> None:
        await battles.prune(core.pruning, now)

    return Built(
        services=[battles, service],
        rooms=providers(core.database.reader, battles, count),
        background={
            "battles": service.run,
            "battle pool": service.keep_pool,
            "battle count": partial(count.publish_when, battles.pool.recounted),
            "seats": service.keep_presence,
        },
        start=start,
        prune=prune,
    )


DOMAIN = Domain(
    name="battles",
    build=_build,
    uses=("users", "players"),
    tables=ALL,
    handlers=(handlers,),
    invariants=INVARIANTS,
)
