"""Players: level, gold, stamina; who is here."""

from protocol.players import player_room
from server.domain import Built, Core, Domain
from server.players import handlers
from server.players.invariants import INVARIANTS
from server.players.online_index import OnlineIndex
from server.players.player_count import PlayerCount
from server.players.profiles import Profiles
from server.players.rooms import providers
from server.players.rules import (
    CLOCKS_DIFFER_MS,
    Record,
    Regen,
    fighting_attack,
    fighting_defense,
    gain,
    spend_gems,
    spend_stamina,
    with_regen,
)
from server.players.service import StaminaPush
from server.players.settings import PlayerSettings
from server.players.store import Players
from server.players.tables import ALL
from server.users import Users

__all__ = [
    "CLOCKS_DIFFER_MS",
    "DOMAIN",
    "PlayerCount",
    "Players",
    "Profiles",
    "Record",
    "Regen",
    "fighting_attack",
    "fighting_defense",
    "gain",
    "spend_gems",
    "spend_stamina",
    "with_regen",
]


async def _build(core: Core) -> Built:
    settings, reader = core.settings.of(PlayerSettings), core.database.reader
    regen = Regen(round(settings.stamina_regen_interval * 1000), settings.stamina_regen_percent)
    players = Players(reader, regen)
    online = OnlineIndex()
    count = PlayerCount(players, online, core.gateway, core.clock)
    profiles = Profiles(players, online, count, core.gateway, core.clock)
    users = core.service(Users)
    users.at_registration(players.start)
    users.at_registration(profiles.register)
    users.at_deletion(players.end)
    users.at_deletion(profiles.end)
    users.forgets(player_room)
    return Built(
        services=[players, profiles, count],
        rooms=providers(reader, players, profiles, count, core.clock),
        background={
            "profiles": profiles.rows.run,
            "arrivals": profiles.keep_arrivals,
            "player count": count.keep_published,
            "player recount": count.keep_right,
            "stamina": StaminaPush(players, core.gateway, core.clock).run,
        },
        start=count.recount,
    )


DOMAIN = Domain(
    name="players",
    build=_build,
    uses=("users",),
    tables=ALL,
    settings=PlayerSettings,
    handlers=(handlers,),
    invariants=INVARIANTS,
)
