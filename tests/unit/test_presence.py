"""Who is here: told of the first and the last connection, at the same cost for each."""

from protocol.permissions import Permission, Role, granted
from server.gateway import Identity
from server.gateway.presence import Presence
from tests.support.lines import Line

NUMBER = 500


class Asked(Identity, frozen=True, kw_only=True):
    """Somebody who counts how often it is asked what they may do."""

    asked: list[Permission]

    def may(self, permission: Permission) -> bool:
        """As it is."""
        self.asked.append(permission)
        return super().may(permission)


async def test_another_connection_of_a_person_costs_the_same_however_many_there_are() -> None:
    presence, heard = Presence(), list[str]()

    async def here(_: str) -> None:
        heard.append("here")

    async def gone(_: str) -> None:
        heard.append("gone")

    presence.on_change(here, gone, Permission.PLAY)
    asked: list[Permission] = []
    somebody = Asked("s", "s", granted(Role.PLAYER), Role.PLAYER, asked=asked)
    lines = [Line(somebody) for _ in range(NUMBER)]
    for line in lines:
        await presence.opened(line)
    assert heard == ["here"]
    for line in lines:
        await presence.closed(line)
    assert heard == ["here", "gone"]
    assert len(asked) <= 4 * NUMBER
