"""Reading tables by key: every row once, in the key's order, from behind any key."""

from dataclasses import replace

import orjson
import pytest

from streamer.model import PageSize, Pushdown, StepKind, Storage
from tests.engines.postgres import Database
from tests.integration.postgres.reading import KEYED, Row, opened, plan_for, read_all, rows_of

pytestmark = pytest.mark.postgres


@pytest.mark.parametrize("story", KEYED)
async def test_reading_on_behind_any_key_gives_exactly_the_rest(any_database: Database, story: str):
    await any_database.execute(KEYED[story])

    async with opened(any_database) as source:
        plan = await plan_for(source, "a")
        whole = await read_all(source, plan)
        rests = [await read_all(source, plan, after=row.key) for row in whole]

    own = "ONLY a" if "own" in story else "a"
    expected = await any_database.fetch(f"SELECT count(*) FROM {own}")
    assert len(whole) == expected[0][0]
    assert len({row.key for row in whole}) == len(whole)
    assert rests == [whole[at + 1 :] for at in range(len(whole))]


async def test_rows_come_in_the_order_of_the_column_not_of_its_text(any_database: Database):
    await any_database.execute(KEYED["whole numbers that sort differently as texts"])

    async with opened(any_database) as source:
        rows = await read_all(source, await plan_for(source, "a"))

    numbers = [int(row.key[0]) for row in rows]
    assert numbers == sorted(numbers)


@pytest.mark.parametrize("story", ["a composite key", "texts that nobody likes"])
async def test_a_row_as_json_holds_the_same_cells(database: Database, story: str):
    await database.execute(KEYED[story])
    async with opened(database) as source:
        plain = await read_all(source, await plan_for(source, "a"))

    async with opened(database, pushdown=Pushdown.JSON) as source:
        rows = await read_all(source, await plan_for(source, "a"), whole_rows=True)

    assert [row.key for row in rows] == [row.key for row in plain]
    assert [tuple(orjson.loads(row.cells[0] or "")) for row in rows] == [r.cells for r in plain]


@pytest.mark.parametrize("story", KEYED)
async def test_rows_printed_whole_are_the_same_cells_behind_any_key(
    any_database: Database, story: str
):
    await any_database.execute(KEYED[story])

    async with opened(any_database, pushdown=Pushdown.AUTO) as source:
        plan = await plan_for(source, "a")
        plain = await read_all(source, plan)
        whole = await read_all(source, plan, whole_rows=True)
        rests = [await read_all(source, plan, after=r.key, whole_rows=True) for r in plain]

    assert whole == plain
    assert rests == [plain[at + 1 :] for at in range(len(plain))]


async def test_what_json_wants_escaped_is_printed_whole_too(any_database: Database):
    await any_database.execute("""
        CREATE TABLE a (id bigint PRIMARY KEY, b boolean, n numeric(20), s smallint, t text, c "char");
        INSERT INTO a SELECT g, g % 3 = 0, 10 ^ (g % 20), -g, 'a' || chr(g) || '"' || chr(g) || chr(92), NULL
        FROM generate_series(1, 300) AS g;
        INSERT INTO a VALUES (-1, NULL, 'NaN', NULL, E'\\\\"\n\\"', NULL), (0, NULL, NULL, NULL, E'",\n1,"', 'x')""")

    async with opened(any_database, pushdown=Pushdown.AUTO) as source:
        plan = await plan_for(source, "a")
        plain = await read_all(source, plan)
        key, *others = plan.columns
        plan = replace(plan, columns=(replace(key, storage=Storage.INTEGER), *others))
        wish = PageSize(400, whole_rows=True)
        (page,) = [page async for page in source.read(plan, StepKind.ROWS, None, wish)]

    assert rows_of(page) == plain
    assert [orjson.loads(str(row[0]))[0] for row in page.records] == list(range(-1, 301))


async def test_the_second_pass_reads_keys_and_deferred_columns_where_one_is_set(database: Database):
    await database.execute("""
        CREATE TABLE a (x int, at timestamptz, boss int, deputy int, PRIMARY KEY (at, x));
        INSERT INTO a VALUES (1, '2024-01-01Z', NULL, NULL), (2, '2024-01-01Z', 1, NULL),
                             (3, '2024-01-01Z', NULL, 2), (4, '2024-01-02Z', 3, 3)""")

    async with opened(database) as source:
        plan = await plan_for(source, "a", deferred=("deputy", "boss"))
        whole = await read_all(source, plan, kind=StepKind.EDGES, rows=2)
        rest = await read_all(source, plan, kind=StepKind.EDGES, after=whole[0].key)

    assert whole == [
        Row(("2024-01-01 00:00:00+00", "2"), ("2024-01-01 00:00:00", "2", None, "1")),
        Row(("2024-01-01 00:00:00+00", "3"), ("2024-01-01 00:00:00", "3", "2", None)),
        Row(("2024-01-02 00:00:00+00", "4"), ("2024-01-02 00:00:00", "4", "3", "3")),
    ]
    assert rest == whole[1:]
