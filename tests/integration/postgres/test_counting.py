"""How rows are counted: by an index, in a scan that looks at most of them once; as if each condition had its own."""

import pytest

from streamer.model import Shaping, TableOptions, TypeOptions
from tests.engines.catalogs import said
from tests.engines.postgres import Database
from tests.integration.postgres.test_questions import answered, asks, planned

pytestmark = pytest.mark.postgres


async def test_numbers_that_are_none_are_found_among_any_others_however_they_are_stored(
    any_database: Database,
):
    await any_database.execute("""
        CREATE DOMAIN price AS numeric(12,2);
        CREATE TABLE a (id int PRIMARY KEY, n numeric(12,2), p price, many numeric(60,20), whole numeric(18,0));
        INSERT INTO a SELECT g, g, g, repeat('7', 40)::numeric + g, g FROM generate_series(-500, 500) AS g;
        INSERT INTO a VALUES (501, 'NaN', 'NaN', 'NaN', 'NaN'), (502, NULL, NULL, NULL, NULL), (503, 0, 0, 0, 0);
        CREATE TABLE keyed (n numeric(12,2) PRIMARY KEY); INSERT INTO keyed VALUES ('NaN'), (1), (9999999999.99);
        CREATE VIEW v AS SELECT id, n * 1 AS n FROM a""")

    plan = await planned(any_database, Shaping(tables={"v": TableOptions(key=("id",))}))

    told = {finding.object: finding.rows for finding in plan.warnings if "NaN" in finding.what}
    names = ("a.n", "a.p", "a.many", "a.whole", "keyed.n", "v.n")
    assert told == {f"public.{name}": 1 for name in names}
    refused = await planned(any_database, Shaping(types=TypeOptions(nan="refuse")))
    assert "in 1 of the rows" in said(refused.refusals)


async def test_what_an_index_knows_is_counted_as_a_scan_would(any_database: Database):
    await any_database.execute("""
        CREATE TABLE a (id bigint PRIMARY KEY, at timestamptz UNIQUE, day date, w int);
        CREATE INDEX ON a (day, w);
        INSERT INTO a VALUES (1, '2024-01-01', '2024-01-01', 1), (9007199254740992, NULL, NULL, 1),
            (9007199254740993, 'infinity', '10000-01-01', 1), (-9007199254740993, '0044-03-15 BC', 'infinity', 1),
            (9223372036854775807, '9999-12-31', '9999-12-31', 0);
        CREATE TABLE parts (id bigint PRIMARY KEY) PARTITION BY RANGE (id);
        CREATE TABLE low PARTITION OF parts FOR VALUES FROM (MINVALUE) TO (0);
        CREATE TABLE high PARTITION OF parts FOR VALUES FROM (0) TO (MAXVALUE);
        INSERT INTO parts VALUES (-9007199254740994), (1), (9007199254740994)""")

    plan = await planned(any_database, Shaping(tables={"a": TableOptions(where="w <> 0")}))

    counts = {finding.object: finding.rows for finding in plan.warnings if finding.rows}
    assert counts == {
        "public.a.id": 2,
        "public.a.at": 2,
        "public.a.day": 2,
        "public.parts.id": 2,
    }


async def test_conditions_on_rows_that_a_where_leaves_out_are_not_looked_at(any_database: Database):
    await any_database.execute(
        "CREATE TABLE a (id int PRIMARY KEY, n int); INSERT INTO a VALUES (1, 0), (2, 1)"
    )

    (answer,) = await answered(any_database, asks("1 / n = 1"), a=TableOptions(where="n <> 0"))

    assert answer.rows == 1


async def test_conditions_on_rows_that_a_view_leaves_out_are_not_looked_at(any_database: Database):
    await any_database.execute("""
        CREATE TABLE kinds (id int PRIMARY KEY, name text); INSERT INTO kinds VALUES (1, 'int'), (2, 'text');
        CREATE TABLE raw (id int PRIMARY KEY, kind int, x text); INSERT INTO raw VALUES (1, 1, '7'), (2, 2, 'abc');
        CREATE VIEW v AS SELECT r.id, r.x::bigint AS n FROM raw AS r JOIN kinds AS k ON k.id = r.kind WHERE k.name = 'int'""")

    (answer,) = await answered(
        any_database, asks("t.n > 6", "v", "{rows}"), v=TableOptions(key=("id",))
    )

    assert answer.rows == 1


async def test_what_nobody_enforces_of_a_foreign_table_is_not_believed(any_database: Database):
    await any_database.execute("""
        CREATE TABLE far (id int, n int); INSERT INTO far VALUES (1, NULL), (2, 5), (3, 8);
        CREATE EXTENSION postgres_fdw""")
    await any_database.execute(f"""
        CREATE SERVER loop FOREIGN DATA WRAPPER postgres_fdw
            OPTIONS (host '{any_database.host}', port '{any_database.port}', dbname '{any_database.name}');
        CREATE USER MAPPING FOR CURRENT_USER SERVER loop
            OPTIONS (user '{any_database.user}', password '{any_database.password}');
        CREATE FOREIGN TABLE f (id int NOT NULL, n int NOT NULL CHECK (n > 7)) SERVER loop OPTIONS (table_name 'far');
        ALTER DATABASE "{any_database.name}" SET constraint_exclusion = on""")
    keyed = {"f": TableOptions(key=("id",))}

    plan = await planned(any_database, Shaping(foreign_tables="as-tables", tables=keyed))

    told = said(plan.refusals)
    assert "public.f.n: NULL in 1 of the rows" in told
    assert "public.f.f_n_check: the CHECK f_n_check isn't true of 1 of the rows" in told
