"""What JSON can't say of arrays and composites: counted, row by row, wherever it lies."""

import pytest

from streamer.model import Shaping, TypeOptions
from tests.engines.postgres import Database
from tests.integration.postgres.test_questions import planned

pytestmark = pytest.mark.postgres

MADE = """
    CREATE TYPE leaf AS (n int, "odd ""name" jsonb, m money, a int[]);
    CREATE TYPE tree AS (l leaf, ls leaf[], t text);
    CREATE DOMAIN ints AS int[]; CREATE DOMAIN forest AS tree[]; CREATE DOMAIN cash AS money;
    CREATE TYPE purse AS (c cash, cs cash[]);"""
BOUNDS, NULLS, DIMENSION, MONEY = "begin with", "JSON null", "dimension", "lc_monetary"
DEEP = "deeper than 1,000 levels"
WORDS = (BOUNDS, NULLS, DIMENSION, MONEY, DEEP)


def nested(levels: int) -> str:
    return f"(repeat('[', {levels}) || repeat(']', {levels}))"


# Each row's value, and a word of each thing that is counted of it.
CASES = {
    "int[]": {"'{1,2}'": (), "'[0:1]={1,2}'": (BOUNDS,), "'[1:1][2:2]={{1}}'": (BOUNDS,), "NULL": ()},
    "json[]": {
        "ARRAY['null'::json]": (NULLS,), "'{NULL,1}'": (), "ARRAY[' null']::json[]": (NULLS,),
        f"ARRAY[{nested(999)}::json]": (), f"ARRAY['1', {nested(1000)}::json]": (DEEP,),
        f"ARRAY[to_json({nested(2000)})]": (),
    },
    "jsonb[]": {
        "'{NULL,\"\\\"null\\\"\"}'": (), "ARRAY['1'::jsonb,'null']": (NULLS,), "'{}'": (),
        f"ARRAY[{nested(999)}::jsonb]": (), f"ARRAY[{nested(1000)}::jsonb]": (DEEP,),
    },
    "money[]": {"'{1.5}'": (), "'[0:0]={1.5}'": (BOUNDS,)},
    "ints[]": {"'{}'": (), "'{\"{1}\"}'": (DIMENSION,), "'{\"[0:0]={1}\"}'": (DIMENSION, BOUNDS)},
    "leaf": {
        "ROW(1, NULL, NULL, '{1}')": (), "ROW(1, 'null', NULL, NULL)": (NULLS,), "NULL": (),
        "ROW(1, NULL, 1, '[0:0]={1}')": (MONEY, BOUNDS), "ROW(NULL, NULL, NULL, NULL)": (),
        f"ROW(1, {nested(1000)}::jsonb, 1, NULL)": (MONEY, DEEP),
    },
    "tree": {
        "ROW(ROW(1, 'null', NULL, NULL)::leaf, NULL, '')": (NULLS,),
        "ROW(NULL, ARRAY[NULL, ROW(1, '1', 2, '[0:0]={1}')::leaf], '')": (MONEY, BOUNDS),
        "ROW(NULL, '{}', '')": (),
    },
    "forest": {"ARRAY[ROW(NULL, ARRAY[ROW(1, 'null', NULL, NULL)::leaf], 'x')::tree]": (NULLS,)},
    "purse": {"ROW(1, NULL)": (MONEY,), "ROW(NULL, '{1}')": (MONEY,), "ROW(NULL, '{NULL}')": ()},
    "int2vector": {"'1 2'": ()},
}  # fmt: skip
KEPT = {"arrays": "postgres", "composites": "postgres"}


async def counted(database: Database, types: TypeOptions) -> dict[str, dict[str, int | None]]:
    """By type and by what is said of it: in how many rows."""
    names = {f"t{n:02}": kind for n, kind in enumerate(CASES)}
    script = MADE + "".join(
        f"CREATE TABLE {name} (id int PRIMARY KEY, v {kind});"
        + "".join(f"INSERT INTO {name} VALUES ({n}, {v});" for n, v in enumerate(CASES[kind]))
        for name, kind in names.items()
    )
    await database.execute(script)
    plan = await planned(database, Shaping(types=types))
    found: dict[str, dict[str, int | None]] = {kind: {} for kind in CASES}
    for finding in plan.findings:
        assert finding.object.endswith(".v"), finding
        found[names[finding.object.split(".")[1]]][finding.what] = finding.rows
    return found


async def test_each_row_that_loses_something_is_counted(any_database: Database):
    found = await counted(any_database, TypeOptions())

    for kind, values in CASES.items():
        expected = {
            word: rows
            for word in WORDS
            if (rows := sum(word in words for words in values.values()))
        }
        told = {
            next(word for word in WORDS if word in what): rows for what, rows in found[kind].items()
        }
        assert told == expected, kind


async def test_postgresql_s_own_text_keeps_all_but_the_locale_of_money(database: Database):
    found = await counted(database, TypeOptions().but(KEPT))

    assert {kind for kind, said in found.items() if said} == {"money[]", "leaf", "tree", "purse"}
    assert all(MONEY in what for said in found.values() for what in said)


async def test_domains_within_values_are_named_with_what_they_ask(database: Database):
    await database.execute("""
        CREATE DOMAIN positive AS int NOT NULL CHECK (VALUE > 0);
        CREATE DOMAIN free AS int; CREATE TYPE pair AS (p positive, q free);
        CREATE TABLE a (id positive PRIMARY KEY, ps positive[], fs free[], c pair, cs pair[])""")

    plan = await planned(database)

    told = {f.object: f.what for f in plan.findings if "within its values" in f.what}
    assert set(told) == {"public.a.ps", "public.a.c", "public.a.cs"}
    assert all("CHECK ((VALUE > 0)), NOT NULL" in what for what in told.values())
