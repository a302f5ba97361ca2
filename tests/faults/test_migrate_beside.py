"""Tables never change under a running server."""

import pytest

from tests.support.engines import execute, on_both_engines
from tests.support.server import Server

pytestmark = on_both_engines


async def test_tables_do_not_change_under_a_server(own_server: Server) -> None:
    before = await own_server.rows("select version_num from alembic_version")
    code, _, errors = await own_server.run("migrate", "--to", "0001")
    assert code == 1
    assert "a server runs on" in errors
    assert errors.count("\n") == 1
    assert await own_server.rows("select version_num from alembic_version") == before
    # Where there is nothing to do, nothing is refused.
    assert "0001" in await own_server.command("migrate")
    await own_server.stop()
    assert "* 0001" in await own_server.command("migrate", "--to", "0001")
    await own_server.start()


@pytest.mark.parametrize("command", [("user", "list"), ("verify",)])
async def test_a_newer_program_does_not_change_them_either(
    own_server: Server, command: tuple[str, ...]
) -> None:
    """A command of the next version beside the server of this one: its tables are older."""
    await execute(
        own_server.database,
        "create table kept as select version_num from alembic_version",
        "update alembic_version set version_num = '0008'",
    )
    code, _, errors = await own_server.run(*command)
    assert code != 0
    assert errors.count("\n") == 1
    await execute(
        own_server.database,
        "update alembic_version set version_num = (select version_num from kept)",
        "drop table kept",
    )
