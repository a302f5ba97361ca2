"""The whole of it: a server, people to log in as, players, and an orderly end."""

import argparse
import asyncio
import secrets
import signal
import sys
import tempfile
from pathlib import Path
from typing import Final

from scripts.demo_players.account import Account
from scripts.demo_players.life import live
from scripts.demo_players.news import News
from scripts.demo_players.player import Player
from scripts.demo_players.server import DemoServer, ServerFailed
from scripts.demo_players.words import names

GUEST: Final = "guest"
MOST_PLAYERS: Final = 200
ARRIVE_WITHIN_S: Final = 3.0


def main() -> None:
    """Run the demo. Exit code 1 where the server does not start or ends by itself."""
    parser = argparse.ArgumentParser(
        prog="scripts/demo",
        description="A server with players who battle, chat, level up, drop out and come back. "
        "Everything is thrown away at the end.",
    )
    parser.add_argument("--players", type=int, default=12, help="how many play (%(default)s)")
    parser.add_argument("--seconds", type=float, help="end by itself after so long")
    parser.add_argument("--port", type=int, help="port to listen on (8000, or else a free one)")
    given = parser.parse_args()
    if not 0 <= given.players <= MOST_PLAYERS:
        parser.error(f"--players takes 0 to {MOST_PLAYERS}")
    try:
        asyncio.run(_run(given.players, given.seconds, given.port))
    except ServerFailed as e:
        sys.exit(f"scripts/demo: {e}")


async def _run(players: int, seconds: float | None, port: int | None) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    with tempfile.TemporaryDirectory(prefix="warroom-demo-") as folder:
        server = DemoServer(Path(folder))
        try:
            starting = asyncio.create_task(server.start(port))
            if not await _done_before(starting, stop):
                return
            news = News()
            await _welcome(server, players)
            await _play(server, players, news, seconds, stop)
            print(f"\n  {news.summary()}", flush=True)
        finally:
            await server.stop()


async def _done_before(task: "asyncio.Task[None]", stop: asyncio.Event) -> bool:
    """Whether a task came to its end before the demo was to end. Raises what it raises."""
    stopped = asyncio.create_task(stop.wait())
    await asyncio.wait({task, stopped}, return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    if task.done():
        task.result()
        return True
    task.cancel()
    await asyncio.wait({task})
    return False


async def _welcome(server: DemoServer, players: int) -> None:
    """Make somebody to log in as, and say how."""
    password = secrets.token_urlsafe(9)
    await Account.register(server.url, GUEST, password)
    print(
        f"\n  Warroom is at {server.url}, and {players} players are on their way.\n\n"
        f"  Play as   {GUEST:6} with the password   {password}\n"
        f"  Run it as {'admin':6} with the password   {server.admin_password()}\n\n"
        "  Ctrl-C ends it; nothing is kept.\n",
        flush=True,
    )


async def _play(
    server: DemoServer, players: int, news: News, seconds: float | None, stop: asyncio.Event
) -> None:
    """Let them live until it is time, the server ends, or a fault comes up."""
    living = [
        asyncio.create_task(_live(server.url, name, news, number / max(1, players)))
        for number, name in enumerate(names(players))
    ]
    ends = [
        asyncio.create_task(stop.wait()),
        asyncio.create_task(server.ended()),
    ]
    try:
        done, _ = await asyncio.wait(
            {*living, *ends}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED
        )
        if not stop.is_set():
            for task in done:
                task.result()  # players go on for ever, so this is a fault
    finally:
        ending: set[asyncio.Task[None]] = {*living, *ends}
        while ending:
            # Python 3.11 loses a cancel that meets the end of a `wait_for`.
            for task in ending:
                task.cancel()
            _, ending = await asyncio.wait(ending, timeout=1)


async def _live(url: str, name: str, news: News, share: float) -> None:
    """One comes, and lives."""
    await asyncio.sleep(share * ARRIVE_WITHIN_S)
    account = await Account.register(url, name, secrets.token_urlsafe(9))
    await live(Player(url, account, news))
