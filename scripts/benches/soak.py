"""20 minutes of 500 players; each minute a fifth of them leaves and comes back: what remains.

The bench samples the memory every few seconds and, after a warm-up of half of the time, fits a line
to it. It counts what the server holds when all players are connected and when all have left.

Memory grew by 3.5 MB in the last 10 minutes for as long as a closed connection was a reference
cycle: the oldest generation of objects, which is hardly ever collected (GC_THRESHOLDS of
`server/http/serving.py`), held some 2,000 closed ones in the end. Since a closed connection is no
cycle, memory grows by 0.1 MB. The page cache of the writer, of 8 MB, fills in the first minutes.
"""

import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from scripts.benches.load import server_core, tokens
from scripts.benches.people import BATTLES, LONG_BATTLES, SETTINGS
from scripts.benches.result import Asked, Broken, Figure, Of, Result, at_most
from tests.support.churn import WAYS, Churn, Held, Player, settled
from tests.support.many import Many, fill
from tests.support.server import Server

ROUNDS: Final = 1
SECONDS: Final = 1200.0
CLIENTS: Final = 500
SEATS: Final = 4
STAYS_S: Final = 300.0
"""A fifth leaves in a minute."""
PAUSE_S: Final = 1.0
"""So that by half of the time the history of each battle is as long as it gets."""
LOOKS_EVERY_S: Final = 5.0
WARM_UP: Final = 1 / 2
"""Of the time: 10 minutes, for as long as the history keeps all events."""
GROWTH_MB: Final = 1.0
PERIOD_S: Final = 600.0
GIVEN_BACK_WITHIN_S: Final = 60.0


async def run(asked: Asked) -> Result:
    """Measure. A round is `seconds` long, and the server is another for each."""
    clients = asked.clients or CLIENTS
    rounds = [await _round(asked.seconds, clients) for _ in range(asked.rounds)]
    grown = [grown for grown, _, _ in rounds]
    bar = at_most(GROWTH_MB, Of.MEASURED)
    figures = [Figure("memory, MB in 10 minutes", [0.0] * len(grown), grown, bar, growth=True)]
    for number, name in enumerate(Held._fields[:5]):
        base, other = ([float(each[side][number]) for each in rounds] for side in (1, 2))
        figures.append(Figure(f"{name}, all there", base, other, at_most(0), growth=True))
    title = f"soak: {clients} players who strike, leave and come back"
    return Result(title, asked.seconds, ("at first", "in the end"), figures)


async def _round(seconds: float, clients: int) -> tuple[float, Held, Held]:
    with tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder), LONG_BATTLES, **SETTINGS)
        async with server:
            logins = await tokens(server.url, clients)
            await server.stop()
            await fill(server.database, Many(waiting=clients // SEATS), int(time.time() * 1000))
            rows = await server.rows(BATTLES.format(clients // SEATS))
            with server_core():
                await server.start()
            return await _soaked(server, logins, [row[0] for row in rows], seconds)


async def _soaked(
    server: Server, logins: list[str], battles: list[str], seconds: float
) -> tuple[float, Held, Held]:
    nobody = await Held.by(server)
    players = [
        Player(server, token, battles[n // SEATS % len(battles)], WAYS[n % len(WAYS)])
        for n, token in enumerate(logins)
    ]
    churn = Churn(players, STAYS_S, PAUSE_S)
    await churn.begin()
    begun, seen = time.monotonic(), []
    first = await Held.by(server)
    while (passed := time.monotonic() - begun) < seconds:
        held = await Held.by(server)
        if passed >= seconds * WARM_UP:
            seen.append((passed, held.memory / 1e6))
        if len(seen) % 24 == 1:
            print(f"  {passed:.0f} s: {held}", file=sys.stderr, flush=True)
        await churn.go_on(min(LOOKS_EVERY_S, seconds - passed))
    await churn.stay()
    last = await settled(server, first, GIVEN_BACK_WITHIN_S)
    await churn.leave()
    left = await settled(server, nobody, GIVEN_BACK_WITHIN_S)
    print(f"  nobody: {nobody}; then: {left}", file=sys.stderr, flush=True)
    if any(then > before for before, then in zip(nobody[:5], left[:5], strict=True)):
        raise Broken(f"the server has not freed all: {nobody} before, {left} after")
    return slope(seen) * PERIOD_S, first, last


def slope(points: list[tuple[float, float]]) -> float:
    """Of the line through points, by least squares."""
    if len(points) < 2:
        return 0.0
    count = len(points)
    x0, y0 = (sum(p[axis] for p in points) / count for axis in (0, 1))
    across = sum((x - x0) ** 2 for x, _ in points)
    return sum((x - x0) * (y - y0) for x, y in points) / across if across else 0.0
