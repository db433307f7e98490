"""The servers that the other tests stand on."""

import pytest

from tests.engines.postgres import Database, Postgres

pytestmark = pytest.mark.postgres


async def test_a_fresh_database_is_empty_and_takes_a_script(any_database: Database):
    await any_database.execute("CREATE TABLE a (x int); INSERT INTO a VALUES (1), (2)")

    rows = await any_database.fetch("SELECT count(*) FROM a")

    assert rows[0][0] == 2


async def test_a_restarted_server_keeps_its_port_and_its_data(postgres: Postgres):
    server = Postgres(postgres.engine)
    server.start()
    port = server.port
    made = await server.create_database('Odd "name"')
    await made.execute("CREATE TABLE a (x int)")

    server.restart("immediate")

    rows = await made.fetch("SELECT count(*) FROM a")
    assert rows[0][0] == 0
    assert server.port == port
    server.remove()
