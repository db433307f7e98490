"""Rows that break what D1 would hold them to: found before anything is written."""

import pytest

from streamer.model import ColumnOptions, Shaping, TableOptions
from tests.engines.postgres import Database
from tests.integration.postgres.test_questions import planned

pytestmark = pytest.mark.postgres

# An outer join brings NULLs past whatever a domain says.
EVADED = """
    CREATE DOMAIN positive AS int NOT NULL CHECK (VALUE > 0);
    CREATE DOMAIN named AS text CHECK (VALUE IS NOT NULL AND VALUE <> 'VALUE');
    CREATE TABLE ids (id int PRIMARY KEY); INSERT INTO ids VALUES (1), (2), (3);
    CREATE TABLE parts (id int PRIMARY KEY, p positive, n named);
    INSERT INTO parts VALUES (1, 1, 'one');
    CREATE TABLE evaded (id int PRIMARY KEY, p positive, n named);
    INSERT INTO evaded SELECT id, p, n FROM ids LEFT JOIN parts USING (id);
    CREATE MATERIALIZED VIEW seen AS SELECT id, n FROM evaded;"""


async def refusals(database: Database, shaping: Shaping | None = None) -> list[str]:
    plan = await planned(database, shaping)
    return [f"{finding.object}: {finding.what}" for finding in plan.refusals]


async def test_nulls_that_came_past_a_domain_are_refused(any_database: Database):
    await any_database.execute(EVADED)

    found = await refusals(any_database, Shaping(matviews="as-tables"))

    assert found == [
        "public.evaded.p: NULL in 2 of the rows, although it is to be NOT NULL",
        "public.seen.n: NULL in 2 of the rows, which the CHECK named_check of its domain forbids",
        "public.evaded.n: NULL in 2 of the rows, which the CHECK named_check of its domain forbids",
    ]


async def test_a_where_or_an_expression_or_no_checks_are_ways_out(any_database: Database):
    await any_database.execute(EVADED)
    cast = ColumnOptions(expression="t.p::int")
    ways = {
        "where": TableOptions(where="p IS NOT NULL"),
        "expression": TableOptions(
            column={"p": cast, "n": ColumnOptions(expression="coalesce(n, '')::text")}
        ),
    }

    for way in ways.values():
        assert await refusals(any_database, Shaping(tables={"evaded": way})) == []
    no_checks = Shaping(checks="none", tables={"evaded": TableOptions(column={"p": cast})})
    assert await refusals(any_database, no_checks) == []


async def test_a_mask_doesn_t_hide_a_null_that_may_not_be(any_database: Database):
    await any_database.execute(EVADED)
    masks = {"n": ColumnOptions(mask="redact")}

    found = await refusals(any_database, Shaping(tables={"evaded": TableOptions(column=masks)}))

    assert [line.partition(":")[0] for line in found] == ["public.evaded.p"]


async def test_nan_in_a_key_that_becomes_the_row_number_is_refused(any_database: Database):
    await any_database.execute("""
        CREATE TABLE k (n numeric(5,0) PRIMARY KEY); INSERT INTO k VALUES (1), ('NaN');
        CREATE TABLE fits (n numeric(5,0) PRIMARY KEY); INSERT INTO fits VALUES (1);
        CREATE TABLE u (id int PRIMARY KEY, n numeric(5,0) UNIQUE); INSERT INTO u VALUES (1, 'NaN')""")
    as_text = TableOptions(column={"n": ColumnOptions(types={"numeric": "text"})})

    (found,) = await refusals(any_database)

    assert found.startswith("public.k.n: no number (NaN, infinity) in 1 of the rows")
    assert await refusals(any_database, Shaping(tables={"k": as_text})) == []


async def test_a_foreign_table_is_held_to_what_nobody_checked(any_database: Database):
    await any_database.execute("""
        CREATE TABLE far (id int, t text); INSERT INTO far VALUES (1, 'x'), (2, NULL), (3, '');
        CREATE EXTENSION postgres_fdw""")
    await any_database.execute(f"""
        CREATE SERVER loop FOREIGN DATA WRAPPER postgres_fdw
            OPTIONS (host '{any_database.host}', port '{any_database.port}', dbname '{any_database.name}');
        CREATE USER MAPPING FOR CURRENT_USER SERVER loop
            OPTIONS (user '{any_database.user}', password '{any_database.password}');
        CREATE FOREIGN TABLE near (id int NOT NULL CHECK (id < 3), t text NOT NULL)
            SERVER loop OPTIONS (table_name 'far')""")
    keyed = {"near": TableOptions(key=("id",))}

    found = await refusals(any_database, Shaping(foreign_tables="as-tables", tables=keyed))

    assert found == [
        "public.near.t: NULL in 1 of the rows, although it is to be NOT NULL",
        "public.near.near_id_check: the CHECK near_id_check isn't true of 1 of the rows",
    ]
