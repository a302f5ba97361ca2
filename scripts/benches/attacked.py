"""Attacks of one kind, over all transports at once and repeatedly, beside honest clients.

Processes of their own make each attack while honest clients send queries at a fixed rate; before
the attack the clients send for as long without it. The server must end the attack in time, count it
and free all that it took.
"""

import asyncio
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from scripts.benches.attacker import Made
from scripts.benches.load import people, server_core
from scripts.benches.result import Asked, Broken, Figure, Of, Result, at_most, percentile
from tests.support.abuse.attack import WAYS, Attack, Target
from tests.support.abuse.kinds import KINDS
from tests.support.outside import metric, peak_memory, sockets, until
from tests.support.people import registered
from tests.support.server import ROOT, Server
from tests.support.wire import Wire

P99_MS: Final = 50.0
GROWTH_MB: Final = 64.0
RATE: Final = 15.0
"""Messages a second of each honest client: less than one person may send."""
HONEST_OF_EACH_WAY: Final = 2
GIVEN_BACK_WITHIN_S: Final = 10.0
PING_MS: Final = 5000
SETTINGS: Final = {
    "CONNECT_TIMEOUT_MS": "10000",
    "PING_INTERVAL_MS": str(PING_MS),
    "PING_TIMEOUT_MS": str(PING_MS),
}
"""As by default, but for the heartbeat: its time-out is to be seen in each round."""


class Round(NamedTuple):
    """What honest clients saw, in milliseconds; megabytes that the server took at most; and of the
    attack how long it took, in seconds, and how often it was made and counted."""

    p99_ms: float
    peak_mb: float
    over_s: float = 0.0
    made: int = 0
    counted: float = 0.0


class Honest:
    """Those who play by the rules, over every transport."""

    def __init__(self, clients: list[Wire]) -> None:
        self._clients = clients

    @classmethod
    async def of(cls, server: Server) -> "Honest":
        """So many who have just registered."""
        clients = await people(server, HONEST_OF_EACH_WAY)
        for way in WAYS[1:]:
            for _ in range(HONEST_OF_EACH_WAY):
                token = (await registered(server.url)).tokens.access_token
                clients.append(await Wire.connect(server.url, way, token=token))
        return cls(clients)

    async def ask(self, seconds: float, is_over: Callable[[], bool]) -> float:
        """Ask at a fixed rate, for so long and until it is over. Returns the p99 in milliseconds,
        counted from when each message was to be sent. Raises Broken."""
        late_ms: list[float] = []
        begun = time.monotonic()

        async def one(client: Wire, offset_s: float) -> None:
            number = 0
            while (due := begun + offset_s + number / RATE) < begun + seconds or not is_over():
                if (wait := due - time.monotonic()) > 0:
                    await asyncio.sleep(wait)
                answer = await client.call("players.get")
                late_ms.append((time.monotonic() - due) * 1000)
                if not answer["ok"]:
                    raise Broken(f"an honest client got the error {answer['error']}")
                number += 1

        every = 1 / RATE / len(self._clients)
        try:
            await asyncio.gather(*(one(c, n * every) for n, c in enumerate(self._clients)))
        except (ConnectionError, TimeoutError) as e:
            raise Broken(f"an honest client lost its connection: {e!r}") from e
        return percentile(sorted(late_ms), 0.99)

    async def leave(self) -> None:
        """Be gone."""
        for client in self._clients:
            await client.drop()


class Attacked:
    """A bench: all attacks of one kind."""

    ROUNDS = 3
    SECONDS = 3.0

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._attacks = KINDS[kind].all
        self.__doc__ = f"Attacks by {kind}: honest clients notice nothing."

    async def run(self, asked: Asked) -> Result:
        """Measure. A round is `seconds` long, or as long as the attack takes."""
        attacks = [attack for attack in self._attacks if asked.only in attack.name]
        if not attacks:
            raise Broken(f"no attack has {asked.only!r} in its name")
        pairs: dict[str, list[tuple[Round, Round]]] = {attack.name: [] for attack in attacks}
        with tempfile.TemporaryDirectory() as folder:
            server = Server(Path(folder), **SETTINGS)
            with server_core():
                await server.start()
            honest = await Honest.of(server)
            try:
                for attack in attacks:
                    for _ in range(asked.rounds):
                        pair = await self._pair(server, honest, attack, asked.seconds)
                        pairs[attack.name].append(pair)
            finally:
                await honest.leave()
                await server.stop()
        return self._result(pairs, asked.seconds)

    async def _pair(
        self, server: Server, honest: Honest, attack: Attack, seconds: float
    ) -> tuple[Round, Round]:
        assert server.process is not None
        pid = server.process.pid
        peak_memory(pid)
        quiet = await honest.ask(seconds, lambda: True)
        base = Round(quiet, peak_memory(pid) / 1e6)
        open_before = sockets(pid)
        counted = await self._counted(server, attack)
        attackers = [await self._ready(server, attack, way, seconds) for way in attack.ways]
        making = asyncio.gather(*(_made(attacker) for attacker in attackers))
        try:
            p99_ms = await honest.ask(seconds, making.done)
            made: list[Made] = await making
        except Broken as e:
            raise Broken(f"{attack.name}: {e}") from e
        finally:
            for attacker in attackers:
                if attacker.returncode is None:
                    attacker.kill()
                    await attacker.wait()
        other = Round(
            p99_ms,
            peak_memory(pid) / 1e6,
            max(each.longest_s for each in made),
            sum(each.times for each in made),
            await self._counted(server, attack) - counted,
        )
        if attack.reasons and not other.counted >= other.made:
            raise Broken(f"{attack.name}: made {other.made} times, counted {other.counted:g}")
        try:
            await until(_is(lambda: sockets(pid) <= open_before), GIVEN_BACK_WITHIN_S)
        except TimeoutError:
            kept = sockets(pid) - open_before
            raise Broken(f"{attack.name}: {kept} sockets are still open") from None
        told = f"{base.p99_ms:.1f} -> {other}"
        print(f"  {attack.name}: {told}", file=sys.stderr, flush=True)
        return base, other

    async def _counted(self, server: Server, attack: Attack) -> float:
        names = [f'warroom_transport_refused_total{{reason="{r}"}}' for r in attack.reasons]
        return sum([await metric(server.url, name) for name in names])

    async def _ready(
        self, server: Server, attack: Attack, way: Any, seconds: float
    ) -> asyncio.subprocess.Process:
        target = await Target.of(
            server.url, way, full=True, connect_s=10.0, receive_s=8.0, ping_s=2 * PING_MS / 1000
        )
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "scripts.benches.attacker", self._kind, attack.name),
            *(str(seconds), msgspec.json.encode(target).decode()),
            cwd=ROOT, stdin=pipe, stdout=pipe, stderr=pipe,
        )  # fmt: skip
        assert process.stdout is not None
        if not await process.stdout.readline():
            _, errors = await process.communicate()
            raise Broken(errors.decode(errors="replace").strip()[-2000:])
        return process

    def _result(self, pairs: dict[str, list[tuple[Round, Round]]], seconds: float) -> Result:
        def side(of: list[tuple[Round, Round]], number: int, about: str) -> list[float]:
            return [float(getattr(pair[number], about)) for pair in of]

        figures = [
            Figure(f"p99, ms: {name}", side(of, 0, "p99_ms"), side(of, 1, "p99_ms"),
                   at_most(P99_MS, Of.MEASURED))
            for name, of in pairs.items()
        ]  # fmt: skip
        worst: dict[str, Any] = {"peak_mb": at_most(GROWTH_MB), "over_s": None, "made": None}
        names = {"peak_mb": "peak memory, MB", "over_s": "over after, s, at most",
                 "made": "times that an attack was made"}  # fmt: skip
        for about, bar in worst.items():
            each = [(side(of, 0, about), side(of, 1, about)) for of in pairs.values()]
            base, other = max(each, key=lambda two: max(b - a for a, b in zip(*two, strict=True)))
            figures.append(Figure(names[about], base, other, bar, growth=True))
        title = f"{self._kind}: beside {HONEST_OF_EACH_WAY * len(WAYS)} honest clients"
        return Result(title, seconds, ("without", "attacked"), figures)


async def _made(attacker: asyncio.subprocess.Process) -> Made:
    """Let it go, and wait for what it did. Raises Broken."""
    output, errors = await attacker.communicate(b"\n")
    if attacker.returncode:
        raise Broken(errors.decode(errors="replace").strip()[-2000:])
    return msgspec.json.decode(output, type=Made)


def _is(look: Callable[[], bool]) -> Callable[[], Any]:
    async def looked() -> bool:
        return look()

    return looked
