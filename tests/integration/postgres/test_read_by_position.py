"""Reading tables without a key by position, and noticing that positions changed."""

import pytest

from streamer.model import Consistency, PageSize, StepKind
from streamer.postgres import Position
from streamer.postgres.window import WindowLimits
from tests.engines.postgres import Database
from tests.integration.postgres.reading import opened, plan_for, read_all

pytestmark = pytest.mark.postgres

KEYLESS = {
    "a heap with duplicates": """
        CREATE TABLE a (x int, v text);
        INSERT INTO a SELECT g % 3, 'same' FROM generate_series(1, 500) AS g;
        DELETE FROM a WHERE ctid IN (SELECT ctid FROM a WHERE x = 1 LIMIT 100)""",
    "partitions": """
        CREATE TABLE a (x int, v text) PARTITION BY LIST (x);
        CREATE TABLE a0 PARTITION OF a FOR VALUES IN (0);
        CREATE TABLE a1 (v text, x int); ALTER TABLE a ATTACH PARTITION a1 FOR VALUES IN (1);
        CREATE TABLE a2 PARTITION OF a DEFAULT;
        INSERT INTO a SELECT g % 4, repeat('x', 300) FROM generate_series(1, 200) AS g""",
    "a parent by inheritance": """
        CREATE TABLE a (x int, v text); CREATE TABLE child () INHERITS (a);
        INSERT INTO a SELECT g, 'mine' FROM generate_series(1, 50) AS g;
        INSERT INTO child VALUES (99, 'not mine')""",
}


@pytest.mark.parametrize("consistency", Consistency)
@pytest.mark.parametrize("story", KEYLESS)
async def test_a_table_without_a_key_is_read_by_position(
    any_database: Database, story: str, consistency: Consistency
):
    await any_database.execute(KEYLESS[story])
    expected = await any_database.fetch(
        "SELECT x::text, v FROM ONLY a ORDER BY 1, 2"
        if "inheritance" in story
        else "SELECT x::text, v FROM a ORDER BY 1, 2"
    )

    async with opened(any_database, consistency) as source:
        plan = await plan_for(source, "a")
        whole = await read_all(source, plan, rows=17)
        rests = {
            at: await read_all(source, plan, after=whole[at].key, rows=50)
            for at in range(0, len(whole), 41)
        }

    assert sorted(row.cells[1:] for row in whole) == [tuple(row) for row in expected]
    positions = [int(row.key[0]) for row in whole]
    assert positions == sorted(set(positions))
    assert min(positions) > 0
    assert all(row.cells[0] == row.key[0] for row in whole)
    assert all(rest == whole[at + 1 :] for at, rest in rests.items())


async def test_positions_survive_closed_windows_in_rolling_mode_in_one_snapshot(
    any_database: Database,
):
    await any_database.execute(KEYLESS["a heap with duplicates"])

    async with opened(any_database, Consistency.ROLLING) as source:
        source.limits = WindowLimits(age_s=0.0, pause_s=0.0)
        numbers: set[int] = set()
        rows = 0
        plan = await plan_for(source, "a")
        async for page in source.read(plan, StepKind.ROWS, None, PageSize(50)):
            numbers.add(page.snapshot)
            rows += len(page.records)
            await any_database.execute("UPDATE a SET v = 'moved'")

    assert rows == 400
    assert numbers == {0}


@pytest.mark.parametrize(
    ("change", "unchanged"),
    [
        ("INSERT INTO a VALUES (9, 'behind the end')", True),
        ("DELETE FROM a WHERE ctid = '(2,1)'", True),
        ("DELETE FROM a WHERE ctid = '(0,3)'", False),
        ("UPDATE a SET v = v WHERE ctid = '(0,3)'", False),
        ("DELETE FROM a WHERE ctid = '(0,3)'; VACUUM a; INSERT INTO a VALUES (9, 'reused')", False),
        ("VACUUM (FREEZE) a", True),
    ],
)
async def test_a_resume_by_position_notices_what_changed_before_it(
    any_database: Database, change: str, *, unchanged: bool
):
    await any_database.execute(
        "CREATE TABLE a (x int, v text);"
        "INSERT INTO a SELECT g, repeat('x', 100) FROM generate_series(1, 300) AS g"
    )
    async with opened(any_database) as source:
        plan = await plan_for(source, "a")
        whole = await read_all(source, plan, rows=30)
        recorded = source.snapshots[0].visible
    behind = [row for row in whole if Position.of(row.key[0]).block < 2]
    for statement in change.split(";"):
        await any_database.execute(statement)

    async with opened(any_database) as source:
        plan = await plan_for(source, "a")
        answer = await source.physical_unchanged(plan.table, behind[-1].key, len(behind), recorded)

    assert answer is unchanged


async def test_a_row_inserted_by_a_transaction_that_was_running_then_is_a_change(
    database: Database,
):
    await database.execute(
        "CREATE TABLE a (x int); INSERT INTO a SELECT g FROM generate_series(1, 10) AS g;"
        "DELETE FROM a WHERE x = 3"
    )
    await database.execute("VACUUM a")
    other = await database.connect()
    async with other.transaction():
        await other.execute("INSERT INTO a VALUES (77)")
        async with opened(database) as source:
            whole = await read_all(source, await plan_for(source, "a"))
            recorded = source.snapshots[0].visible
    await other.close()
    await database.execute("DELETE FROM a WHERE x = 5")

    async with opened(database) as source:
        table = (await plan_for(source, "a")).table
        unchanged = await source.physical_unchanged(table, whole[-1].key, len(whole), recorded)

    assert len(whole) == 9
    assert not unchanged
