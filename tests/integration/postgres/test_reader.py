"""Reading tables from real servers: every row once, in key order, whatever breaks."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from typing import NamedTuple

import orjson
import pytest

from streamer.config import SourceSettings
from streamer.errors import SourceLostError
from streamer.model import (
    Consistency,
    Key,
    Page,
    PageSize,
    Pushdown,
    Secret,
    StepKind,
    TablePlan,
)
from streamer.postgres import Patience, Position, PostgresSource
from streamer.postgres.window import WindowLimits
from tests.engines.postgres import Database
from tests.engines.table_plans import plan_table, table_of

pytestmark = pytest.mark.postgres


async def _at_once(_: float) -> None:
    await asyncio.sleep(0)


HASTY = Patience(give_up_after_s=60.0, sleep=_at_once)


@contextlib.asynccontextmanager
async def opened(
    database: Database,
    consistency: Consistency = Consistency.SNAPSHOT,
    pushdown: Pushdown = Pushdown.TEXT,
    patience: Patience = HASTY,
) -> AsyncGenerator[PostgresSource]:
    settings = SourceSettings(dsn=Secret(database.dsn))
    async with PostgresSource.open(
        settings, consistency, pushdown=pushdown, patience=patience
    ) as source:
        await source.begin()
        yield source


class Row(NamedTuple):
    key: Key
    cells: tuple[str | None, ...]


def rows_of(page: Page) -> list[Row]:
    return [
        Row(page.key_of(at), tuple(record[: page.width])) for at, record in enumerate(page.records)
    ]


async def read_all(
    source: PostgresSource,
    plan: TablePlan,
    *,
    kind: StepKind = StepKind.ROWS,
    after: Key | None = None,
    rows: int = 3,
) -> list[Row]:
    pages = source.read(plan, kind, after, PageSize(rows))
    return [row async for page in pages for row in rows_of(page)]


async def plan_for(
    source: PostgresSource, name: str, *, deferred: tuple[str, ...] = ()
) -> TablePlan:
    return plan_table(table_of(await source.catalog(), name), deferred=deferred)


KEYED = {
    "whole numbers that sort differently as texts": """
        CREATE TABLE a (id bigint PRIMARY KEY, v text);
        INSERT INTO a SELECT g, 'v' || g FROM generate_series(-3, 12) AS g;
        INSERT INTO a SELECT 9007199254740990 + g, 'big' FROM generate_series(0, 5) AS g;
        INSERT INTO a VALUES (9223372036854775807, NULL), (-9223372036854775808, '')""",
    "a composite key": """
        CREATE TABLE a (v text, b int, a text, c timestamptz, PRIMARY KEY (b, a, c));
        INSERT INTO a SELECT 'x', g % 4, 'k' || g % 3, timestamptz '2024-01-01' + g * interval '1.5 s'
        FROM generate_series(1, 30) AS g;
        INSERT INTO a VALUES ('odd', 1, 'k1', 'infinity'), ('odd', 1, 'k1', '-infinity'),
                             ('odd', 1, 'k1', '0044-03-15 12:00:00+00 BC')""",
    "texts that nobody likes": """
        CREATE TABLE a (id text PRIMARY KEY);
        INSERT INTO a VALUES (''), ('a'), ('A'), ('é'), ('É'), ('z'), ('''quote'), ('"double"'), ('back\\slash'),
            (E'new\\nline'), ('😀'), ('$1'), ('%s'), ('a b'), ('a-b'), ('ab'), (E'\\x01'), ('null'), ('ß'), ('ss')""",
    "texts in another collation than the database's": """
        DO $$ BEGIN CREATE COLLATION odd (provider = icu, locale = 'de-u-kn-true-kf-upper');
        EXCEPTION WHEN feature_not_supported THEN
            CREATE COLLATION odd (provider = builtin, locale = 'C.UTF-8'); END $$;
        CREATE TABLE a (id text COLLATE odd PRIMARY KEY, n int);
        INSERT INTO a SELECT c || g, g FROM generate_series(1, 12) AS g, unnest(ARRAY['a', 'A', 'ä', 'z']) AS c""",
    "doubles": """
        CREATE TABLE a (id double precision PRIMARY KEY);
        INSERT INTO a VALUES ('NaN'), ('Infinity'), ('-Infinity'), (0.1), (0.2), (0.30000000000000004),
            (1e308), (5e-324), (-1), (0)""",
    "padded characters, networks, bits and booleans": """
        CREATE TABLE a (c char(4), i inet, b bit(3), y boolean, x bytea, PRIMARY KEY (c, i, b, y, x));
        INSERT INTO a SELECT c, i::inet, b::bit(3), y, decode(md5(c || i), 'hex')
        FROM unnest(ARRAY['', 'a', 'ab', 'abcd']) AS c, unnest(ARRAY['10.0.0.1', '10.0.0.0/8', '::1']) AS i,
             unnest(ARRAY['000', '101']) AS b, unnest(ARRAY[true, false]) AS y""",
    "an enum and a domain over numeric, mixed case": """
        CREATE TYPE "Mood" AS ENUM ('sad', 'It''s "ok"', 'happy');
        CREATE DOMAIN "Price" AS numeric(12, 3) CHECK (VALUE > -1);
        CREATE TABLE a (m "Mood", "P" "Price", v int, PRIMARY KEY (m, "P"));
        INSERT INTO a SELECT m, g * 0.125, g FROM unnest(enum_range(NULL::"Mood")) AS m, generate_series(0, 9) AS g""",
    "a partitioned table with another column order below": """
        CREATE TABLE a (id int, at date, v text, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
        CREATE TABLE a1 PARTITION OF a FOR VALUES FROM ('2024-01-01') TO ('2024-02-01');
        CREATE TABLE a2 (v text, at date NOT NULL, id int NOT NULL);
        ALTER TABLE a ATTACH PARTITION a2 FOR VALUES FROM ('2024-02-01') TO ('2024-03-01');
        CREATE TABLE a3 PARTITION OF a DEFAULT PARTITION BY HASH (id);
        CREATE TABLE a31 PARTITION OF a3 FOR VALUES WITH (MODULUS 2, REMAINDER 0);
        CREATE TABLE a32 PARTITION OF a3 FOR VALUES WITH (MODULUS 2, REMAINDER 1);
        INSERT INTO a SELECT g % 20, date '2024-01-20' + g, 'v' || g FROM generate_series(1, 60) AS g""",
    "a parent whose children's rows aren't its own": """
        CREATE TABLE a (id int PRIMARY KEY, v text); CREATE TABLE child (extra int) INHERITS (a);
        INSERT INTO a VALUES (1, 'x'), (2, 'y'), (3, NULL); INSERT INTO child VALUES (1, 'no', 1), (9, 'no', 2)""",
    "names that need quotes": """
        CREATE TABLE a ("Id""; DROP" int, "new
line" text, "😀" int, "select" text, PRIMARY KEY ("😀", "Id""; DROP"));
        INSERT INTO a SELECT g, 'v', g % 3, NULL FROM generate_series(1, 12) AS g""",
    "an empty table": "CREATE TABLE a (id int PRIMARY KEY)",
}


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
        rows = await read_all(source, await plan_for(source, "a"))

    assert [row.key for row in rows] == [row.key for row in plain]
    assert [tuple(orjson.loads(row.cells[0] or "")) for row in rows] == [r.cells for r in plain]


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


NUMBERS = """
    CREATE TABLE a (id int PRIMARY KEY, v text);
    INSERT INTO a SELECT g, 'v' FROM generate_series(1, 100) AS g"""


async def test_a_page_is_never_longer_than_asked_and_follows_changes_of_the_wish(
    database: Database,
):
    await database.execute(NUMBERS)
    wish = PageSize(5)

    lengths: list[int] = []
    async with opened(database) as source:
        async for page in source.read(await plan_for(source, "a"), StepKind.ROWS, None, wish):
            lengths.append(len(page.records))
            wish.rows = 20 if len(lengths) % 2 else 5

    assert sum(lengths) == 100
    assert lengths[:4] == [5, 20, 5, 20]


async def test_what_is_written_after_the_snapshot_is_not_read(any_database: Database):
    await any_database.execute(NUMBERS)

    async with opened(any_database) as source:
        plan = await plan_for(source, "a")
        seen: list[Row] = []
        async for page in source.read(plan, StepKind.ROWS, None, PageSize(30)):
            seen += rows_of(page)
            await any_database.execute(
                "INSERT INTO a SELECT max(id) + 1, 'new' FROM a; UPDATE a SET v = 'changed';"
                "DELETE FROM a WHERE id = 100"
            )
        again = await read_all(source, plan)
        count = await source.count(plan.table)

    assert seen == again == [Row((str(n),), (str(n), "v")) for n in range(1, 101)]
    assert count == 100


async def test_rolling_windows_see_new_rows_and_number_their_snapshots(database: Database):
    await database.execute(NUMBERS)

    async with opened(database, Consistency.ROLLING) as source:
        source.limits = WindowLimits(age_s=0.0, pause_s=None)
        plan = await plan_for(source, "a")
        numbers: list[int] = []
        seen: list[Row] = []
        async for page in source.read(plan, StepKind.ROWS, None, PageSize(40)):
            numbers.append(page.snapshot)
            seen += rows_of(page)
            if len(numbers) == 1:
                await database.execute("INSERT INTO a VALUES (101, 'new')")
        snapshots = source.snapshots

    assert [row.key[0] for row in seen] == [str(n) for n in range(1, 102)]
    assert numbers == [0, 1, 2]
    assert len({snapshot.visible for snapshot in snapshots}) == 2


@pytest.mark.parametrize("consistency", Consistency)
async def test_windows_closed_between_pages_lose_nothing(
    any_database: Database, consistency: Consistency
):
    await any_database.execute(NUMBERS)

    async with opened(any_database, consistency) as source:
        source.limits = WindowLimits(age_s=None, pause_s=0.0)
        seen: list[Row] = []
        async for page in source.read(
            await plan_for(source, "a"), StepKind.ROWS, None, PageSize(7)
        ):
            seen += rows_of(page)
            for _ in range(3):
                await asyncio.sleep(0)  # the pause is over at once

    assert [row.key[0] for row in seen] == [str(n) for n in range(1, 101)]


async def _end_our_readers(database: Database) -> int:
    """Terminate every session of ours that has a cursor open; the holder stays."""
    ended = await database.fetch(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
        " AND application_name = 'streamer' AND query NOT LIKE '%pg_current_wal_lsn%'"
        " AND query NOT LIKE '%pg_settings%' AND query <> 'SELECT' AND state LIKE 'idle in%'"
    )
    return len(ended)


@pytest.mark.parametrize("consistency", Consistency)
async def test_a_terminated_reader_goes_on_behind_its_last_key(
    any_database: Database, consistency: Consistency
):
    await any_database.execute(NUMBERS)
    ended = 0

    async with opened(any_database, consistency) as source:
        plan = await plan_for(source, "a")
        seen: list[Row] = []
        async for page in source.read(plan, StepKind.ROWS, None, PageSize(9)):
            seen += rows_of(page)
            ended += await _end_our_readers(any_database)

    assert [row.key[0] for row in seen] == [str(n) for n in range(1, 101)]
    assert ended >= 10


async def test_a_lost_snapshot_ends_the_run_and_says_that_a_resume_takes_a_newer_one(
    database: Database,
):
    await database.execute(NUMBERS)

    async with opened(database) as source:
        plan = await plan_for(source, "a")
        pages = source.read(plan, StepKind.ROWS, None, PageSize(9))
        await anext(pages)
        await database.fetch(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'streamer'"
        )
        with pytest.raises(SourceLostError, match="newer snapshot"):
            await read_all(source, plan)
        await pages.aclose()


async def test_an_idle_timeout_of_the_server_is_outlived(any_database: Database):
    await any_database.execute(NUMBERS)
    await any_database.execute(
        f'ALTER DATABASE "{any_database.name}" SET idle_in_transaction_session_timeout = 600'
    )

    async with opened(any_database) as source:
        plan = await plan_for(source, "a")
        seen: list[Row] = []
        async for page in source.read(plan, StepKind.ROWS, None, PageSize(50)):
            seen += rows_of(page)
            if len(seen) == 50:
                await _until_no_reader_is_left(any_database)
        assert source.facts.idle_s == 0.6

    assert [row.key[0] for row in seen] == [str(n) for n in range(1, 101)]


async def _until_no_reader_is_left(database: Database) -> None:
    """Wait in the server until only the holder of the snapshot is left in a transaction."""
    await database.execute("""
        DO $$ BEGIN
            WHILE (SELECT count(*) FROM pg_stat_activity
                   WHERE application_name = 'streamer' AND state LIKE 'idle in%') > 1
            LOOP
                PERFORM pg_sleep(0.02); PERFORM pg_stat_clear_snapshot();
            END LOOP;
        END $$""")


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


async def test_pages_of_suddenly_fat_rows_stay_small(database: Database):
    await database.execute("""
        CREATE TABLE a (id int PRIMARY KEY, v text, j jsonb);
        ALTER TABLE a ALTER v SET STORAGE EXTERNAL;
        INSERT INTO a SELECT g, 'thin' FROM generate_series(1, 300) AS g;
        INSERT INTO a SELECT g, repeat('x', 1000000) FROM generate_series(301, 320) AS g;
        INSERT INTO a VALUES (321, repeat('y', 6000000)), (322, 'thin')""")

    async with opened(database) as source:
        plan = await plan_for(source, "a")
        sizes: list[int] = []
        rows = 0
        async for page in source.read(plan, StepKind.ROWS, None, PageSize(5000)):
            sizes.append(sum(len(record[1] or "") for record in page.records))
            rows += len(page.records)

    assert rows == 322
    assert max(sizes) == 6_000_000
    assert sorted(sizes)[-2] <= 4 * 1024 * 1024


@pytest.mark.parametrize(
    ("consistency", "seen"), [(Consistency.SNAPSHOT, "odd"), (Consistency.ROLLING, "now")]
)
async def test_rows_are_looked_up_by_key_as_the_run_sees_them_and_missing_ones_left_out(
    any_database: Database, consistency: Consistency, seen: str
):
    await any_database.execute(KEYED["a composite key"])

    async with opened(any_database, consistency) as source:
        plan = await plan_for(source, "a")
        whole = await read_all(source, plan)
        odd = [row.key for row in whole if row.cells[0] == "odd"]
        await any_database.execute("UPDATE a SET v = 'now' WHERE v = 'odd'")
        pages = await source.lookup(plan, [*odd, ("99", "none", "2024-01-01 00:00:00+00")])

    found = [row for page in pages for row in rows_of(page)]
    assert len(odd) == 3
    assert {row.key for row in found} == set(odd)
    assert {row.cells[0] for row in found} == {seen}


async def test_questions_are_answered_while_every_reader_is_paused(database: Database):
    await database.execute(NUMBERS)

    async with opened(database) as source:
        plan = await plan_for(source, "a")
        readers = [source.read(plan, StepKind.ROWS, None, PageSize(5)) for _ in range(4)]
        for reader in readers:
            await anext(reader)
        pages = await source.lookup(plan, [("7",)])
        count = await source.count(plan.table)
        for reader in readers:
            await reader.aclose()

    assert [row.key for page in pages for row in rows_of(page)] == [("7",)]
    assert count == 100
