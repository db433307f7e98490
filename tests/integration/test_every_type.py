"""Every type that a column can have, on real servers: each is printed, or refused by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from typing import get_args

import asyncpg
import pytest

from streamer.model import Catalog, Column
from streamer.model.shaping import Mask, TypeOptions
from streamer.postgres.catalog import read_catalog
from streamer.postgres.connect import beginning
from streamer.translate.masks import INNER_KEY, OUTER_KEY, masked
from streamer.translate.names import quote
from streamer.translate.types import Unsupported, map_type
from tests.engines.postgres import Database

pytestmark = pytest.mark.postgres

EXTENSIONS = (
    *("citext", "hstore", "ltree", "cube", "seg", "isn", "intarray", "pg_trgm", "btree_gist"),
    *("lo", "earthdistance", "tablefunc", "vector", "pageinspect"),
)
MADE = """
SET search_path = public, "ex t";
CREATE TYPE mood AS ENUM ('sad', 'it''s "odd"', '');
CREATE TYPE addr AS (street text, no int, geo point, m money, moods mood[]);
CREATE DOMAIN posint AS integer CHECK (VALUE > 0);
CREATE DOMAIN small AS posint CHECK (VALUE < 100);
CREATE DOMAIN tags AS text[];
CREATE DOMAIN cash AS money;
CREATE DOMAIN feeling AS mood;
CREATE DOMAIN home AS addr;
CREATE DOMAIN price AS numeric(10, 2) CHECK (VALUE >= 0);
CREATE DOMAIN score AS numeric;
CREATE DOMAIN ratio AS float8;
CREATE DOMAIN big AS bigint;
CREATE DOMAIN yes AS boolean;
CREATE DOMAIN moment AS timestamptz;
CREATE DOMAIN clock AS timestamp;
CREATE DOMAIN day AS date;
CREATE DOMAIN span AS interval;
CREATE DOMAIN code AS char(4);
CREATE DOMAIN short AS varchar(10);
CREATE DOMAIN raw AS bytea;
CREATE DOMAIN ident AS uuid;
CREATE DOMAIN doc AS json;
CREATE DOMAIN docb AS jsonb;
CREATE DOMAIN flags AS bit(8);
CREATE DOMAIN relation AS regclass;
CREATE DOMAIN period AS tstzrange;
CREATE TYPE textrange AS RANGE (subtype = text);
CREATE TYPE shouted;
CREATE FUNCTION shouted_in(cstring) RETURNS shouted LANGUAGE internal IMMUTABLE STRICT AS 'textin';
CREATE FUNCTION shouted_out(shouted) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'textout';
CREATE TYPE shouted (INPUT = shouted_in, OUTPUT = shouted_out, LIKE = text);
CREATE DOMAIN cry AS shouted;
CREATE TABLE typed (id int, cries shouted[], scream cry);
"""

# What can be a column's type. Row types of tables are like composites: the made one stands for all.
TYPES = """
SELECT format_type(t.oid, NULL) AS type, t.typname AS name,
       CASE WHEN t.typcategory = 'A' THEN e.typname END AS element
FROM pg_type AS t
LEFT JOIN pg_class AS c ON c.oid = t.typrelid
LEFT JOIN pg_type AS e ON e.oid = t.typelem
WHERE t.typisdefined AND t.typtype <> 'p' AND (t.typcategory <> 'A' OR e.typtype <> 'p')
  AND (c.oid IS NULL OR c.relkind = 'c' OR c.relname = 'typed')
  AND (t.typcategory <> 'A' OR NOT EXISTS (
       SELECT FROM pg_class AS r
       WHERE r.oid = e.typrelid AND r.relkind <> 'c' AND r.relname <> 'typed'))
ORDER BY t.oid
"""

VALUES = {
    **dict.fromkeys(("int2", "int4", "oid", "xid", "cid", "xid8", "small", "posint", "lo"), "7"),
    **dict.fromkeys(("int8", "big"), "-9223372036854775808"),
    **dict.fromkeys(("bool", "yes"), "t"),
    **dict.fromkeys(("numeric", "score", "float4", "float8", "ratio"), "NaN"),
    "price": "1.50",
    **dict.fromkeys(("money", "cash"), "12.34"),
    **dict.fromkeys(("text", "varchar", "bpchar", "name", "short", "shouted", "cry"), "é"),
    **dict.fromkeys(("code", "char", "refcursor", "citext"), "a"),
    **dict.fromkeys(("bytea", "raw"), "\\x00ff"),
    **dict.fromkeys(("uuid", "ident"), "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
    **dict.fromkeys(("date", "timestamp", "timestamptz", "day", "clock", "moment"), "-infinity"),
    "time": "24:00:00",
    "timetz": "12:34:56.789+05:30",
    **dict.fromkeys(("interval", "span"), "1 mon -2 days"),
    **dict.fromkeys(("json", "jsonb", "doc", "docb"), '{"a": [1]}'),
    "jsonpath": "$.a",
    "xml": "<a/>",
    **dict.fromkeys(("inet", "cidr"), "10.0.0.1"),
    "macaddr": "08:00:2b:01:02:03",
    "macaddr8": "08:00:2b:01:02:03:04:05",
    **dict.fromkeys(("bit", "varbit"), "1"),
    "flags": "10101010",
    "pg_lsn": "16/B374D848",
    "tid": "(0,1)",
    "aclitem": "=r/postgres",
    **dict.fromkeys(("pg_snapshot", "txid_snapshot"), "10:20:10,14"),
    "tsvector": "'cat':3",
    "tsquery": "'cat'",
    "point": "(1.5,NaN)",
    "line": "{1,-1,0}",
    **dict.fromkeys(("lseg", "path"), "[(0,0),(1,1)]"),
    "box": "(1,1),(0,0)",
    "polygon": "((0,0),(1,1))",
    "circle": "<(0,0),1.1>",
    **dict.fromkeys(("int2vector", "oidvector"), "1 2 3"),
    **dict.fromkeys(("regclass", "relation"), "pg_class"),
    "regtype": "int4",
    "regproc": "now",
    "regprocedure": "now()",
    "regoperator": "+(int4,int4)",
    "regrole": "pg_monitor",
    "regnamespace": "pg_catalog",
    "regconfig": "simple",
    "regdictionary": "simple",
    "regcollation": '"C"',
    **dict.fromkeys(("int4range", "int8range", "numrange"), "[1,3)"),
    **dict.fromkeys(("int4multirange", "int8multirange", "nummultirange"), "{[1,3)}"),
    **dict.fromkeys(("tsrange", "tstzrange", "daterange", "period", "textrange"), "empty"),
    **dict.fromkeys(("tsmultirange", "tstzmultirange", "datemultirange", "textmultirange"), "{}"),
    **dict.fromkeys(("mood", "feeling"), 'it\'s "odd"'),
    **dict.fromkeys(("addr", "home"), '("x ""y""",5,"(1,2)",12.34,{sad})'),
    "tags": "{a,NULL}",
    "typed": "(1,,)",
    "hstore": "a=>1,b=>NULL",
    **dict.fromkeys(("ltree", "lquery", "ltxtquery"), "Top"),
    "cube": "(1, 2, 3)",
    "seg": "1 .. 2",
    **dict.fromkeys(("isbn13", "ean13"), "978-0-393-04002-9"),
    "query_int": "1&2",
    **dict.fromkeys(("vector", "halfvec"), "[1,2.5]"),
    "sparsevec": "{1:1.5}/3",
}
OPTIONS = [TypeOptions()] + [
    TypeOptions().but({name: choice})
    for name in TypeOptions.names()
    for choice in TypeOptions.choices(name)[1:]
]
INTERNAL = {
    *("pg_node_tree", "gtsvector", "pg_brin_bloom_summary", "pg_brin_minmax_multi_summary"),
    *('"ex t".ghstore', '"ex t".ltree_gist', '"ex t".intbig_gkey', '"ex t".gtrgm'),
    *(f'"ex t".gbtreekey{size}' for size in (2, 4, 8, 16, 32, "_var")),
}


async def prepared(database: Database) -> dict[str, asyncpg.Record]:
    """Tables with a column of each type, by the column's name; a row of NULLs and one of values."""
    there = {row[0] for row in await database.fetch("SELECT name FROM pg_available_extensions")}
    await database.execute(
        'CREATE SCHEMA "ex t";'
        + "".join(
            f'CREATE EXTENSION {name} SCHEMA "ex t" CASCADE;'
            for name in EXTENSIONS
            if name in there
        )
        + MADE
    )
    types = {f"c{n}": row for n, row in enumerate(await database.fetch(TYPES))}
    values = dict(VALUES) if await knows_xml(database) else {**VALUES, "xml": ""}
    names = list(types)
    for first in range(0, len(names), 100):
        some = names[first : first + 100]
        table = f"public.every{first}"
        columns = ", ".join(f"{name} {types[name]['type']}" for name in some)
        valued = {name: text for name in some if (text := literal(types[name], values)) is not None}
        await database.execute(
            f"CREATE TABLE {table} ({columns}); INSERT INTO {table} VALUES ({', '.join(['NULL'] * len(some))});"
            f"INSERT INTO {table} ({', '.join(valued)}) VALUES ({', '.join(valued.values())})"
        )
    return types


async def knows_xml(database: Database) -> bool:
    """Whether the server was built with libxml; without, there are only NULLs."""
    try:
        await database.fetch("SELECT '<a/>'::xml")
    except asyncpg.FeatureNotSupportedError:
        return False
    return True


def literal(kind: asyncpg.Record, values: Mapping[str, str]) -> str | None:
    """SQL of a value, of arrays one that begins with element 0 and has two dimensions."""
    name, element = kind["name"], kind["element"]
    if values.get(name):
        return "'" + values[name].replace("'", "''") + "'"
    if values.get(element):
        inner = values[element].replace("\\", "\\\\").replace('"', '\\"').replace("'", "''")
        delimiter = ";" if element == "box" else ","
        return f"""'[0:0][1:2]={{{{"{inner}"{delimiter}NULL}}}}'"""
    return None


async def test_every_type_is_printed_whatever_the_options_or_refused_by_name(
    any_database: Database,
):
    types = await prepared(any_database)
    connection = await any_database.connect()
    try:
        await connection.execute(beginning())
        await connection.execute(
            f"SELECT set_config('{INNER_KEY}', '\\x00', true), set_config('{OUTER_KEY}', '\\x01', true)"
        )
        catalog = await read_catalog(connection)
        tables = [table for table in catalog.tables if table.name.name != "typed"]
        refused = {
            types[column.name]["type"].removesuffix("[]")
            for table in tables
            for column in table.columns
            if isinstance(map_type(column.type), Unsupported)
        }
        for table in tables:
            name = f"public.{quote(table.name.name)}"
            sql = {one for column in table.columns for one in sql_of(catalog, column)}
            assert await told_of_nothing(connection, name, sorted(sql)) == []
            printed = [one for column in table.columns for one in printing(column)]
            assert await connection.fetchval(
                f"SELECT bool_and(num_nulls({', '.join(value for value, _ in printed)})"
                f" = num_nulls({', '.join(text for _, text in printed)})) FROM {name} AS t"
            )
    finally:
        await connection.close()

    assert len(types) > 200
    assert refused <= INTERNAL
    assert refused >= {"pg_node_tree", "gtsvector"}


def printing(column: Column) -> list[tuple[str, str]]:
    """The column and the SQL that prints it, where it can be moved."""
    value = f"t.{quote(column.name)}"
    mapping = map_type(column.type)
    return [] if isinstance(mapping, Unsupported) else [(value, mapping.read_sql(value))]


def sql_of(catalog: Catalog, column: Column) -> set[str]:
    """All the SQL that may ever be asked about the column."""
    found: set[str] = set()
    value = f"t.{quote(column.name)}"
    for options, numeric_text in product(OPTIONS, (False, True)):
        mapping = map_type(
            column.type,
            options,
            numeric_text=numeric_text,
            server_version=catalog.source.server_version,
        )
        if isinstance(mapping, Unsupported):
            assert mapping.reason == f"the type {column.type.formatted} cannot be moved"
            continue
        hidden = [masked(mapping, mask, column.type) for mask in get_args(Mask)]
        found |= {
            one.read_sql(value) for one in (mapping, *hidden) if not isinstance(one, Unsupported)
        }
        found |= {f"({told.condition.replace('{c}', value)})::text" for told in mapping.counted}
    return found


async def told_of_nothing(
    connection: asyncpg.Connection, table: str, sql: Sequence[str]
) -> list[str]:
    """Ask `table` for all of it; what says anything of the first row, which holds but NULLs."""
    rows = [
        await connection.fetch(
            f"SELECT {', '.join(sql[n : n + 300])} FROM {table} AS t ORDER BY ctid"
        )
        for n in range(0, len(sql), 300)
    ]
    first = [text for page in rows for text in page[0]]
    return [
        one for one, text in zip(sql, first, strict=True) if text is not None and text != "false"
    ]
