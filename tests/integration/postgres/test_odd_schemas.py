"""What schemas may hold that no tutorial mentions: carried over exactly, or named. Never merely lost."""

import json
from pathlib import Path

import pytest

from streamer.files.codec import decode, encode
from streamer.model import KeyKind, Plan, Shaping, Table, TypeOptions
from streamer.postgres.connect import SETTINGS
from tests.engines.postgres import Database, Postgres, now
from tests.engines.sqlite_file import PlainFile
from tests.integration.postgres.reading import opened, read_all
from tests.integration.postgres.test_questions import planned
from tests.stories.command import Streamer
from tests.unit.plan.ddl import create

pytestmark = pytest.mark.postgres


def said(plan: Plan, place: str) -> str:
    """All that is said of an object, `table` or `table.column`."""
    return "\n".join(f.what for f in plan.findings if f.object == f"public.{place}")


def made(plan: Plan, table: str) -> str:
    """The table's CREATE TABLE."""
    return next(t.create_sql for t in plan.tables if t.target == table)


# What a domain's creator had set when it was created; PostgreSQL keeps such a default as it was printed.
CREATORS = {
    "TimeZone": "'Asia/Kathmandu'",
    "DateStyle": "'SQL, DMY'",
    "IntervalStyle": "'sql_standard'",
    "bytea_output": "'escape'",
    "extra_float_digits": "0",
    "search_path": "public, pg_catalog",
}
DEFAULTS = {
    "timestamptz": ("'2020-01-01 00:00+00'", "'2020-01-01 00:00:00'"),
    "date": ("'2020-02-01'", "'2020-02-01'"),
    "interval": ("'1 year 2 months'", "'P1Y2M'"),
    "bytea": (r"'\x616263'", "x'616263'"),
    "mood": ("'sad'", "'sad'"),
}


async def test_a_domain_s_default_is_what_it_does_not_what_was_printed_when_it_was_made(
    any_database: Database,
):
    settings = "".join(f"SET {name} = {value};" for name, value in CREATORS.items())
    domains = "".join(
        f"CREATE DOMAIN d_{t} AS {t} DEFAULT {sql};" for t, (sql, _) in DEFAULTS.items()
    )
    columns = ", ".join(f"c_{t} d_{t}" for t in DEFAULTS)
    await any_database.execute(
        f"CREATE TYPE mood AS ENUM ('sad', 'ok'); {settings} {domains}"
        "CREATE DOMAIN d_float AS float8 DEFAULT '0.30000000000000004';"
        "CREATE FUNCTION now() RETURNS timestamptz STABLE LANGUAGE sql"
        " AS $$ SELECT '1999-01-01 00:00+00'::timestamptz $$;"
        "CREATE DOMAIN d_now AS timestamptz DEFAULT now();"
        f"CREATE TABLE t (id int PRIMARY KEY, {columns}, c_float d_float, c_now d_now)"
    )

    plan = await planned(any_database)

    sql = made(plan, "t")
    for kind, (_, stored) in DEFAULTS.items():
        assert f'"c_{kind}" ' in sql
        assert f"DEFAULT {stored}" in sql.partition(f'"c_{kind}" ')[2].partition("\n")[0], kind
    assert "0.3 " not in sql + " "
    assert "too many digits" in said(plan, "t.c_float")
    assert "CURRENT_TIMESTAMP" not in sql
    assert "public.now() is not translated" in said(plan, "t.c_now")


async def test_equal_numerics_stay_equal_in_a_unique_index_over_an_expression(database: Database):
    await database.execute(
        "CREATE TABLE t (id int PRIMARY KEY, a numeric, b numeric);"
        "CREATE UNIQUE INDEX same ON t (coalesce(a, b))"
    )
    target = create(await planned(database))
    target.execute("INSERT INTO t VALUES (1, '1.0', NULL), (2, '100', NULL), (3, 'NaN', NULL)")

    for equal in ("1.00", "100.0", "NaN"):
        target.execute("INSERT OR IGNORE INTO t VALUES (4, NULL, ?)", (equal,))
        assert target.changes() == 0
    target.execute("INSERT INTO t VALUES (4, NULL, '10')")


async def test_a_counter_is_followed_also_where_rows_are_read_by_another_key(database: Database):
    await database.execute(
        "CREATE TABLE t (id serial PRIMARY KEY DEFERRABLE, code int NOT NULL UNIQUE);"
        "INSERT INTO t (code) VALUES (1), (2), (3); DELETE FROM t WHERE id > 1"
    )

    plan = await planned(database)

    assert "the next value in PostgreSQL is 4, D1 will use 2" in said(plan, "t.id")


async def test_what_partitions_store_by_expressions_of_their_own_is_moved_as_it_is(
    database: Database,
):
    if database.server.engine.major < 16:
        pytest.skip("before PostgreSQL 16 all partitions had their table's expression")
    await database.execute("""
        CREATE TABLE t (id int, k int, v int GENERATED ALWAYS AS (id + k) STORED,
                        w int GENERATED ALWAYS AS (id * 2) STORED, PRIMARY KEY (id, k))
            PARTITION BY RANGE (k);
        CREATE TABLE lower PARTITION OF t FOR VALUES FROM (0) TO (10);
        CREATE TABLE upper PARTITION OF t (v GENERATED ALWAYS AS (id - k) STORED)
            FOR VALUES FROM (10) TO (20);
        INSERT INTO t (id, k) VALUES (1, 1), (2, 15)""")

    (table,) = (plan := await planned(database)).tables

    assert table.generated == ("w",)
    assert [column.source for column in table.columns] == ["id", "k", "v"]
    assert "a partition computes it by an expression of its own" in said(plan, "t.v")
    async with opened(database) as source:
        cells = [row.cells for row in await read_all(source, table)]
    assert cells == [("1", "1", "2"), ("2", "15", "-13")]


async def test_what_is_not_enforced_is_left_out_with_the_way_to_keep_it(database: Database):
    if database.server.engine.major < 18:
        pytest.skip("NOT ENFORCED is new in PostgreSQL 18")
    await database.execute("""
        CREATE TABLE p (id int PRIMARY KEY); INSERT INTO p VALUES (1);
        CREATE TABLE t (id int PRIMARY KEY, p int, n int,
            CONSTRAINT parent FOREIGN KEY (p) REFERENCES p NOT ENFORCED,
            CONSTRAINT positive CHECK (n > 0) NOT ENFORCED);
        INSERT INTO t VALUES (1, 9, -1), (2, 1, 1);
        ALTER TABLE t ADD CONSTRAINT soon NOT NULL n NOT VALID""")

    plan = await planned(database)
    told = [f for f in plan.findings if f.object in {"public.t.parent", "public.t.positive"}]
    await database.execute(
        "DELETE FROM t WHERE id = 1; ALTER TABLE t ALTER CONSTRAINT parent ENFORCED"
    )
    mended = await planned(database)

    assert all("NOT ENFORCED" in finding.what for finding in told)
    assert "the constraint soon NOT NULL n NOT VALID is not translated" in said(plan, "t.soon")
    assert {f.object: f.hint for f in told if "left out" in f.what} == {
        "public.t.parent": "ALTER TABLE … ALTER CONSTRAINT parent ENFORCED in the source, then it is kept"
    }
    assert [finding.rows for finding in told if "referred to" in finding.what] == [1]
    assert not any(table.foreign_keys for table in plan.tables)
    assert [bool(table.foreign_keys) for table in mended.tables] == [False, True]


async def test_keys_without_overlaps_and_references_to_periods_are_named(database: Database):
    if database.server.engine.major < 18:
        pytest.skip("such keys are new in PostgreSQL 18")
    await database.execute(
        "CREATE EXTENSION btree_gist;"
        "CREATE TABLE t (id int, during daterange, PRIMARY KEY (id, during WITHOUT OVERLAPS));"
        "CREATE TABLE child (id int PRIMARY KEY, t int, during daterange,"
        " FOREIGN KEY (t, PERIOD during) REFERENCES t (id, PERIOD during))"
    )

    plan = await planned(database)

    assert "WITHOUT OVERLAPS" in said(plan, "t")
    assert "left out: D1 doesn't know PERIOD" in said(plan, "child.child_t_during_fkey")


async def test_a_collation_that_takes_texts_for_equal_is_named_wherever_it_stands(
    older_postgres: Postgres,
):
    database = await older_postgres.create_database()
    await database.execute(
        "CREATE COLLATION ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false);"
        "CREATE DOMAIN caseless AS text COLLATE ci; CREATE DOMAIN plain AS text;"
        "CREATE TABLE t (k caseless PRIMARY KEY, name text, p plain);"
        "CREATE UNIQUE INDEX expression ON t ((name || 'x') COLLATE ci);"
        "CREATE UNIQUE INDEX direct ON t (name COLLATE ci); CREATE UNIQUE INDEX usual ON t (p)"
    )

    plan = await planned(database)

    assert "takes texts as different that PostgreSQL takes as equal" in said(plan, "t.k")
    assert "uniqueness may be weaker" in said(plan, "t.expression")
    assert "uniqueness may be weaker" in said(plan, "t.direct")
    assert said(plan, "t.usual") == said(plan, "t.p") == ""
    await older_postgres.drop_database(database.name)


# What an ALTER DATABASE or ALTER ROLE may bring into every session.
ODD_SETTINGS = {
    "DateStyle": "'SQL, DMY'",
    "IntervalStyle": "'sql_standard'",
    "TimeZone": "'Asia/Kathmandu'",
    "bytea_output": "'escape'",
    "extra_float_digits": "-15",
    "search_path": "'nowhere'",
    "xmlbinary": "'hex'",
    "standard_conforming_strings": "off",
    "quote_all_identifiers": "on",
    "array_nulls": "off",
    "transform_null_equals": "on",
    "default_transaction_read_only": "on",
    "enable_indexscan": "off",
}


async def test_what_a_database_sets_for_all_sessions_changes_no_plan(database: Database):
    await database.execute(
        r"""CREATE TYPE mood AS ENUM ('sad', 'o\k');
        CREATE TABLE t (id serial PRIMARY KEY, m mood DEFAULT 'sad', v varchar(9) DEFAULT 'a\b',
            i interval DEFAULT '1 day', ts timestamptz DEFAULT '2020-01-01 00:00+00',
            by bytea DEFAULT '\x00', CHECK (length(v) > 1 AND m <> 'o\k'), CHECK (ts > '2000-01-01'));
        CREATE UNIQUE INDEX u ON t (lower(v)) WHERE i IS NOT NULL"""
    )
    before = await planned(database)
    for name, value in ODD_SETTINGS.items():
        await database.server.execute(
            "postgres", f"ALTER DATABASE {database.name} SET {name} = {value}"
        )

    after = await planned(database)

    assert {"standard_conforming_strings", "quote_all_identifiers"} <= SETTINGS.keys()
    assert after == before


async def test_casts_of_the_database_s_own_print_no_value(database: Database):
    await database.execute("""
        CREATE TYPE mood AS ENUM ('sad', 'ok'); CREATE TYPE pair AS (n int, m mood);
        CREATE TYPE span AS RANGE (subtype = float8);
        CREATE FUNCTION lie(mood) RETURNS text IMMUTABLE LANGUAGE sql AS $$ SELECT 'lie' $$;
        CREATE FUNCTION lie(pair) RETURNS text IMMUTABLE LANGUAGE sql AS $$ SELECT 'lie' $$;
        CREATE FUNCTION lie(span) RETURNS text IMMUTABLE LANGUAGE sql AS $$ SELECT 'lie' $$;
        CREATE FUNCTION json_lie(mood) RETURNS json IMMUTABLE LANGUAGE sql AS $$ SELECT '0'::json $$;
        CREATE CAST (mood AS text) WITH FUNCTION lie(mood) AS ASSIGNMENT;
        CREATE CAST (pair AS text) WITH FUNCTION lie(pair); CREATE CAST (span AS text) WITH FUNCTION lie(span);
        CREATE CAST (mood AS json) WITH FUNCTION json_lie(mood);
        CREATE DOMAIN feeling AS mood;
        CREATE TABLE t (m mood PRIMARY KEY, f feeling, p pair, s span, ms mood[],
                        CHECK (m::text = 'lie'));
        INSERT INTO t VALUES ('ok', 'sad', '(1,sad)', '[1,2)', '{sad}'), ('sad', NULL, NULL, NULL, NULL)
    """)
    shaping = Shaping(types=TypeOptions(composites="postgres"))
    plan = await planned(database, shaping)
    [table] = plan.tables
    assert decode(Table, json.loads(json.dumps(encode(table.table)))) == table.table

    async with opened(database) as source:
        rows = await read_all(source, table, rows=1)
        again = await read_all(source, table, after=("sad",))

    assert again == rows[1:]
    assert [row.key for row in rows] == [("sad",), ("ok",)]
    assert [row.cells[:4] for row in rows] == [
        ("sad", None, None, None),
        ("ok", "sad", "(1,sad)", "[1,2)"),
    ]
    assert "cast of its own from public.mood" in said(plan, "t.t_m_check")
    assert "the database's own cast to json" in said(plan, "t.ms")


async def test_rows_are_not_read_by_operators_that_a_cast_made_ambiguous(database: Database):
    await database.execute("""
        CREATE TYPE mood AS ENUM ('sad', 'ok');
        CREATE FUNCTION label(mood) RETURNS text IMMUTABLE LANGUAGE sql AS $$ SELECT 'x' $$;
        CREATE CAST (mood AS text) WITH FUNCTION label(mood) AS IMPLICIT;
        CREATE TABLE t (m mood PRIMARY KEY); INSERT INTO t VALUES ('ok'), ('sad')
    """)
    [table] = (await planned(database)).tables

    async with opened(database) as source:
        rows = await read_all(source, table, rows=1)

    assert table.key.kind is KeyKind.PHYSICAL
    assert [row.cells[-1] for row in rows] == ["ok", "sad"]


async def in_encoding(server: Postgres, encoding: str) -> Database:
    name = f"in_{encoding.lower()}"
    await server.execute(
        "postgres",
        f"CREATE DATABASE {name} TEMPLATE template0 ENCODING '{encoding}'"
        " LC_COLLATE 'C' LC_CTYPE 'C'",
    )
    return Database(server, name)


@pytest.mark.parametrize(
    ("encoding", "kept"),
    [("LATIN1", {"letters", "order"}), ("SQL_ASCII", {"order"}), ("LATIN2", {"letters"})],
)
async def test_what_counts_bytes_or_letters_counts_them_in_the_database_s_encoding(
    any_postgres: Postgres, encoding: str, kept: set[str]
):
    database = await in_encoding(any_postgres, encoding)
    await database.execute("""
        CREATE TABLE t (id int PRIMARY KEY, v text COLLATE "C", b bytea,
            CONSTRAINT bytes CHECK (octet_length(v) <= 2), CONSTRAINT letters CHECK (length(v) <= 2),
            CONSTRAINT "order" CHECK (v < 'z'), CONSTRAINT bytea CHECK (octet_length(b) = 1));
        CREATE VIEW narrow AS SELECT octet_length(v) AS n FROM t;
        CREATE VIEW wide AS SELECT v FROM t; CREATE VIEW wider AS SELECT bit_length(v) AS n FROM wide
    """)

    plan = await planned(database, Shaping(views="create"))

    sql = made(plan, "t")
    names = {"bytes", "letters", "order", "bytea"}
    assert {name for name in names if f'"{name}" CHECK' in sql} == {*kept, "bytea"}
    assert f"octet_length counts as the encoding {encoding} does" in said(plan, "t.bytes")
    assert [view.target for view in plan.views] == ["wide"]
    await any_postgres.drop_database(database.name)


@pytest.mark.processes
def test_letters_of_another_encoding_arrive(postgres: Postgres, tmp_path: Path):
    database = now(in_encoding(postgres, "LATIN9"))
    database.execute_now(
        "CREATE TABLE t (id int PRIMARY KEY, v text CHECK (octet_length(v) <= 3), j json, a text[]);"
        """INSERT INTO t VALUES (1, 'é€Š', '{"ÿ": "€"}', '{é,"€"}')"""
    )
    target = PlainFile(tmp_path / "t.db")

    done = Streamer(tmp_path, database, target, "")("run", "--progress", "none", "--validate")

    assert done.code == 0, done.said
    assert target.rows("", "SELECT v, j, a FROM t") == [["é€Š", '{"ÿ": "€"}', '["é","€"]']]
    now(postgres.drop_database(database.name))
