"""Reading a table from a real server: a source opened on it, rows as tuples, tables to read."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from typing import NamedTuple

from streamer.config import SourceSettings
from streamer.model import Consistency, Key, Page, PageSize, Pushdown, Secret, StepKind, TablePlan
from streamer.model.printed import printed_cells
from streamer.postgres import Patience, PostgresSource
from tests.engines.postgres import Database
from tests.engines.table_plans import plan_table, table_of


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
    """What a page holds; of whole rows, their cells."""
    printed = page.json_rows and len(page.records[0]) == 1
    return [
        Row(
            page.key_of(at),
            tuple(printed_cells(str(record[0])) if printed else record[: page.width]),
        )
        for at, record in enumerate(page.records)
    ]


async def read_all(
    source: PostgresSource,
    plan: TablePlan,
    *,
    kind: StepKind = StepKind.ROWS,
    after: Key | None = None,
    rows: int = 3,
    whole_rows: bool = False,
) -> list[Row]:
    pages = source.read(plan, kind, after, PageSize(rows, whole_rows))
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
    "a domain of one collation, in a column of another": """
        DO $$ BEGIN CREATE COLLATION odd (provider = icu, locale = 'de-u-kn-true-kf-upper');
        EXCEPTION WHEN feature_not_supported THEN
            CREATE COLLATION odd (provider = builtin, locale = 'C.UTF-8'); END $$;
        CREATE DOMAIN code AS text COLLATE "C";
        CREATE TABLE a (id code COLLATE odd PRIMARY KEY, n int);
        INSERT INTO a SELECT c || g, g FROM generate_series(1, 12) AS g, unnest(ARRAY['a', 'A', 'ä', 'z']) AS c;
        ALTER DOMAIN code ADD CHECK (VALUE NOT LIKE 'A%') NOT VALID""",
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
    "texts of an extension that ignore case, in another collation than the database's": """
        CREATE SCHEMA "ex t"; CREATE EXTENSION citext SCHEMA "ex t";
        DO $$ BEGIN CREATE COLLATION odd (provider = icu, locale = 'de-u-kn-true');
        EXCEPTION WHEN feature_not_supported THEN
            CREATE COLLATION odd (provider = builtin, locale = 'C.UTF-8'); END $$;
        CREATE TABLE a (id "ex t".citext COLLATE odd PRIMARY KEY, n int);
        INSERT INTO a SELECT CASE WHEN g % 2 = 0 THEN upper(c) ELSE c END || g, g
        FROM generate_series(1, 12) AS g, unnest(ARRAY['a', 'b-', 'ä', '_', 'zz']) AS c""",
    "a composite key with an extension's columns at every place": """
        CREATE SCHEMA "ex t"; CREATE EXTENSION citext SCHEMA "ex t"; CREATE EXTENSION ltree;
        CREATE TABLE a (n int, m "ex t".citext, p ltree, v text, PRIMARY KEY (m, n, p));
        INSERT INTO a SELECT g % 3, (ARRAY['A', 'b', '_', 'É', 'aa'])[1 + g % 5], ('T.x' || g % 2)::ltree, 'v'
        FROM generate_series(1, 60) AS g ON CONFLICT DO NOTHING""",
    "an extension's column behind another": """
        CREATE EXTENSION citext;
        CREATE DOMAIN mail AS citext CHECK (VALUE <> '');
        CREATE TABLE a (n int, m mail, PRIMARY KEY (n, m));
        INSERT INTO a SELECT g % 3, (ARRAY['A', 'b', '_', 'C', 'aA'])[1 + g % 5] FROM generate_series(1, 60) AS g
        ON CONFLICT DO NOTHING""",
    "an empty table": "CREATE TABLE a (id int PRIMARY KEY)",
}

NUMBERS = """
    CREATE TABLE a (id int PRIMARY KEY, v text);
    INSERT INTO a SELECT g, 'v' FROM generate_series(1, 100) AS g"""
