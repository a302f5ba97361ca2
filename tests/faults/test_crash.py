"""Parts that crash: started again, and when that is no use, the process ends and says why."""

import asyncio
from pathlib import Path

from tests.support.outside import until
from tests.support.people import registered
from tests.support.server import Server
from tests.support.wire import Wire

ENDS_WITHIN_S = 10
PAUSES_S = 0.5 + 1 + 2 + 4
MODULE = "tests.support.crashing_server"


async def a_person(server: Server) -> Wire:
    token = (await registered(server.url)).tokens.access_token
    return await Wire.connect(server.url, token=token)


async def ended_by_itself(server: Server, within_s: float) -> str:
    """Wait until the server has ended with 1. Returns what it logged."""
    process, server.process = server.process, None
    assert process is not None
    async with asyncio.timeout(within_s):
        await process.communicate()
    assert process.returncode == 1
    return server.log.read_text()


async def test_a_service_that_crashes_twice_goes_on(tmp_path: Path) -> None:
    server = Server(tmp_path / "data", MODULE, CRASHES="2")
    async with server:
        person = await a_person(server)

        async def goes_on() -> bool:
            return "no_crash" in server.log.read_text()

        await until(goes_on, PAUSES_S + ENDS_WITHIN_S)
        await person.ok("players.get")
        assert not person.named("server.closing")
        await person.drop()
        assert await server.stop() == 0
    assert server.log.read_text().count("service_crashed") == 2


async def test_a_service_that_keeps_crashing_ends_the_process(tmp_path: Path) -> None:
    server = await Server(tmp_path / "data", MODULE, CRASHES="1000").start()
    person = await a_person(server)
    log = await ended_by_itself(server, PAUSES_S + ENDS_WITHIN_S)
    await person.until_closed()
    assert person.named("server.closing")
    assert log.count("service_crashed") == 5
    assert log.endswith("warroom: the service 'crashing' can't go on: Crash: here\n")


async def test_a_writer_that_crashes_ends_the_process(tmp_path: Path) -> None:
    server = await Server(tmp_path / "data", MODULE).start()
    person, breaker = await a_person(server), await a_person(server)
    answer = await breaker.call("tests.break_writer")
    assert answer["error"]["code"] == "unavailable"
    log = await ended_by_itself(server, ENDS_WITHIN_S)
    for connection in (person, breaker):
        await connection.until_closed()
        assert connection.named("server.closing")
    assert log.endswith("warroom: the service 'writer' can't go on: Crash: in the writer\n")
    # What was committed before is there, and a new process goes on.
    await server.start()
    assert await server.stop() == 0
