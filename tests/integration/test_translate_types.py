"""Every type on real servers: what PostgreSQL prints is what SQLite then holds, exactly."""

from __future__ import annotations

import json
from dataclasses import dataclass

import apsw
import pytest

from streamer.config import Selection
from streamer.model import Plan, TablePlan, Wire
from streamer.plan import make_plan
from streamer.postgres.catalog import read_catalog
from streamer.postgres.connect import beginning
from streamer.translate.names import quote
from tests.engines.catalogs import said
from tests.engines.postgres import Database

pytestmark = pytest.mark.postgres


@dataclass(frozen=True, slots=True)
class Case:
    """A type, SQL for its values, and what SQLite must hold: the storage class goes with the value.

    None is NULL; int, float, str and bytes are INTEGER, REAL, TEXT and BLOB.
    """

    kind: str
    values: dict[str, object]


def texts(kind: str, *values: str) -> Case:
    """Values that are kept as they are written."""
    return Case(kind, {"'" + value.replace("'", "''") + "'": value for value in values})


TYPES_SQL = """
CREATE SCHEMA "Odd ""schema";
CREATE TYPE "Odd ""schema"."Mood" AS ENUM ('sad', 'it''s "odd", ok?', '');
CREATE TYPE addr AS (street text, no int, geo point);
CREATE DOMAIN posint AS integer CHECK (VALUE > 0);
CREATE DOMAIN small AS posint CHECK (VALUE < 100);
CREATE DOMAIN price AS numeric(10,2) NOT NULL;
CREATE DOMAIN tags AS text[];
"""

CASES = (
    Case("smallint", {"-32768": -32768, "32767": 32767, "NULL": None}),
    Case("integer", {"-2147483648": -(2**31), "0": 0}),
    Case("bigint", {"-9223372036854775808": -(2**63), "9007199254740993": 2**53 + 1}),
    Case("oid", {"4294967295": 4294967295}),
    Case("boolean", {"true": 1, "false": 0, "NULL": None}),
    Case("numeric(18,0)", {"999999999999999999": 10**18 - 1, "'NaN'": "NaN"}),
    Case("numeric(19,0)", {"9999999999999999999": "9999999999999999999"}),
    Case("numeric(10,2)", {"10.50": 10.5, "-99999999.99": -99999999.99, "'NaN'": "NaN"}),
    Case("numeric(15,15)", {"0.123456789012345": 0.123456789012345}),
    Case("numeric(38,10)", {"1234567890123456789012345678.0123456789": "1234567890123456789012345678.0123456789"}),
    Case("numeric", {"1.50": "1.50", "1e60": "1" + "0" * 60, "'NaN'": "NaN", "0.1": "0.1"}),
    Case("real", {"0.1": 0.1, "'3.4028235e38'": 3.4028235e38, "'-Infinity'": "-Infinity"}),
    Case(
        "double precision",
        {
            "0.1::float8 + 0.2": 0.1 + 0.2,
            "'5e-324'": 5e-324,
            "'1.7976931348623157e308'": 1.7976931348623157e308,
            "'NaN'": "NaN",
            "'Infinity'": "Infinity",
            "'-0'": 0.0,
            "'1e23'": 1e23,
        },
    ),
    texts("text", "", " ", "007", "1e5", "9223372036854775808", "NULL", 'a"b\\c', "é😀\u2028"),
    Case("text", {"E'tab\\tnl\\ncr\\r\\x01'": "tab\tnl\ncr\r\x01"}),
    texts("varchar(10)", "ab   ", " 1"),
    Case("char(5)", {"'ab'": "ab", "''": "", "' a  '": " a"}),
    texts('"char"', "a", "7"),
    texts("name", "Ab C"),
    Case("bytea", {"''": b"", r"'\x00ff27'": b"\x00\xff'", "NULL": None, "'123'": b"123"}),
    Case("uuid", {"'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'": "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"}),
    texts("date", "2024-02-29", "0044-03-15 BC", "infinity", "5874897-12-31"),
    texts("timestamp", "2024-01-15 10:30:45", "2024-01-15 10:30:45.5", "-infinity", "0001-01-01 00:00:00 BC"),
    Case("timestamp(0)", {"'2024-01-15 23:59:59.7'": "2024-01-16 00:00:00"}),
    Case(
        "timestamptz",
        {
            "'2024-01-15 10:30:45.123456+05:30'": "2024-01-15 05:00:45.123456",
            "'2024-11-03 01:30:00-04'": "2024-11-03 05:30:00",
            "'9999-12-31 23:00:00-05'": "10000-01-01 04:00:00",
            "'infinity'": "infinity",
        },
    ),
    texts("time", "24:00:00", "12:34:56.7"),
    texts("timetz", "12:34:56.789+05:30", "04:05:06-15:59:59"),
    Case(
        "interval",
        {"'1 mon'": "P1M", "'30 days'": "P30D", "'720:00'": "PT720H", "'0'": "PT0S",
         "'-1 mons +1 days -00:00:01.5'": "P-1M1DT-1.5S"},
    ),
    texts("json", '{"b":1, "a":2,  "b":3}', "1e400", "1.10", '"\\ud800"', "null", " [ 1 ] "),
    Case("jsonb", {"'{\"b\":1,\"a\":1.10}'": '{"a": 1.10, "b": 1}', "'null'": "null"}),
    Case("money", {"1234.56::numeric::money": "1234.56"}),
    Case("inet", {"'192.168.1.1'": "192.168.1.1", "'::1/64'": "::1/64"}),
    texts("cidr", "10.1.2.3/32"),
    Case("macaddr", {"'FF-FF-FF-FF-FF-FF'": "ff:ff:ff:ff:ff:ff"}),
    texts("bit(4)", "0101"),
    texts("varbit", "", "10"),
    texts("point", "(1.5,-2)", "(NaN,Infinity)"),
    texts("circle", "<(0,0),1.1>"),
    texts("tsvector", "'cat':3 'fat':2"),
    Case("pg_lsn", {"'16/B374D848'": "16/B374D848"}),
    Case("int4range", {"'[1,10]'": "[1,11)", "'empty'": "empty"}),
    Case("tstzrange", {"'[2024-01-01 00:00+02,infinity)'": '["2023-12-31 22:00:00+00",infinity)'}),
    Case("regclass", {"'addr'": "public.addr"}),
    Case("integer[]", {"'{1,NULL,3}'": "[1,null,3]", "'{}'": "[]", "NULL": None, "'[0:1]={7,8}'": "[7,8]"}),
    Case("integer[][]", {"'{{1},{2}}'": "[[1],[2]]"}),
    Case("bigint[]", {"'{9223372036854775807}'": "[9223372036854775807]"}),
    Case("text[]", {"ARRAY['a,b', NULL, 'c\"d\\', '']": '["a,b",null,"c\\"d\\\\",""]'}),
    Case("float8[]", {"'{NaN,-Infinity,0.1}'": '["NaN","-Infinity",0.1]'}),
    Case("numeric[]", {"'{1.10,NaN,12345678901234567890}'": '[1.10,"NaN",12345678901234567890]'}),
    Case("boolean[]", {"'{t,NULL}'": "[true,null]"}),
    Case("bytea[]", {r"ARRAY['\x00ff'::bytea]": '["\\\\x00ff"]'}),
    Case("timestamptz[]", {"ARRAY['2024-01-15 10:00-05'::timestamptz]": '["2024-01-15T15:00:00+00:00"]'}),
    Case("interval[]", {"ARRAY[interval '1 mon']": '["P1M"]'}),
    Case("json[]", {"ARRAY['{\"a\": 1}'::json]": '[{"a": 1}]'}),
    Case("addr", {"ROW('x \"y\"', 5, point(1,2))": '{"street":"x \\"y\\"","no":5,"geo":"(1,2)"}',
                  "ROW(NULL,NULL,NULL)": '{"street":null,"no":null,"geo":null}'}),
    texts('"Odd ""schema"."Mood"', "sad", ""),
    Case('"Odd ""schema"."Mood"', {"'it''s \"odd\", ok?'": 'it\'s "odd", ok?'}),
    Case('"Odd ""schema"."Mood"[]', {"'{sad}'": '["sad"]'}),
    Case("small", {"7": 7}),
    Case("price", {"1.50": 1.5}),
    Case("tags", {"'{a}'": '["a"]'}),
)  # fmt: skip
EXTENSIONS = {
    "citext": texts("citext", "Hello", "É"),
    "hstore": Case("hstore", {"'a=>1, b=>NULL'": '{"a": "1", "b": null}', "''": "{}"}),
    "ltree": texts("ltree", "Top.Science", ""),
    "cube": Case("cube", {"'(1,2,3)'": "(1, 2, 3)"}),
    "isn": Case("isbn13", {"'978-0-393-04002-9'": "978-0-393-04002-9"}),
}
KEY_CASES = tuple(
    case
    for case in CASES
    if case.kind.partition("(")[0]
    in {
        *("smallint", "integer", "bigint", "oid", "boolean", "numeric", "real"),
        *("double precision", "text", "varchar", "char", "name", "bytea", "uuid", "date"),
        *("timestamp", "timestamptz", "time", "timetz", "interval", "inet", "cidr", "macaddr"),
        *("bit", "varbit", "pg_lsn", "small", '"Odd ""schema"."Mood"'),
    }
)


def script(cases: tuple[Case, ...], column: str = "id int PRIMARY KEY, v {kind}") -> str:
    """One table `t<n>` a case, one row a value."""
    parts: list[str] = []
    for number, case in enumerate(cases):
        parts.append(f"CREATE TABLE t{number} ({column.format(kind=case.kind)});")
        for row, value in enumerate(case.values):
            cells = f"{row}, {value}" if column.startswith("id") else value
            if cells != "NULL":
                parts.append(f"INSERT INTO t{number} VALUES ({cells}) ON CONFLICT DO NOTHING;")
    return "\n".join(parts)


async def planned(connection) -> Plan:
    await connection.execute(beginning())
    return make_plan(await read_catalog(connection), Selection())


async def moved(connection, table: TablePlan) -> list[tuple[object, object]]:
    """(id, v) as SQLite holds them after the product's form of INSERT."""
    outputs = ", ".join(f"{c.read_sql} AS c{n}" for n, c in enumerate(table.columns))
    rows = await connection.fetch(f"SELECT {outputs} FROM public.{quote(table.name.name)} AS t")
    database = apsw.Connection(":memory:")
    database.execute(table.create_sql)
    cells = [
        f"unhex(value->>{n})" if column.wire is Wire.HEX else f"value->>{n}"
        for n, column in enumerate(table.columns)
    ]
    database.execute(
        f"INSERT INTO {quote(table.target)} SELECT {', '.join(cells)} FROM json_each(?1)",
        (json.dumps([list(row) for row in rows]),),
    )
    return database.execute(f"SELECT id, v FROM {quote(table.target)} ORDER BY id").fetchall()


async def check(connection, cases: tuple[Case, ...]) -> None:
    plan = await planned(connection)
    assert not plan.refusals, said(plan.refusals)
    tables = {table.target: table for table in plan.tables}
    for number, case in enumerate(cases):
        found = await moved(connection, tables[f"t{number}"])
        values = [value for _, value in found]
        assert [(type(v), v) for v in values] == [(type(v), v) for v in case.values.values()], case


async def test_every_type_arrives_as_the_value_it_was(any_database: Database):
    await any_database.execute(TYPES_SQL + script(CASES))
    connection = await any_database.connect()
    try:
        await check(connection, CASES)
    finally:
        await connection.close()


async def test_extension_types_arrive_wherever_the_extension_lives(any_database: Database):
    there = {row[0] for row in await any_database.fetch("SELECT name FROM pg_available_extensions")}
    names = sorted(set(EXTENSIONS) & there)
    assert names, "no extension to try: is contrib missing from every server?"
    cases = tuple(EXTENSIONS[name] for name in names)
    await any_database.execute(
        'CREATE SCHEMA "ex t"; SET search_path = public, "ex t";'
        + "".join(f'CREATE EXTENSION {name} SCHEMA "ex t";' for name in names)
        + script(cases)
    )
    connection = await any_database.connect()
    try:
        await check(connection, cases)
    finally:
        await connection.close()


async def test_a_key_s_text_casts_back_to_the_very_same_key(any_database: Database):
    await any_database.execute(TYPES_SQL + script(KEY_CASES, "v {kind} PRIMARY KEY"))
    connection = await any_database.connect()
    try:
        plan = await planned(connection)
        assert not plan.refusals, said(plan.refusals)
        assert len(plan.tables) == len(KEY_CASES)
        for table in plan.tables:
            column, cast = table.columns[0], table.key.casts[0]
            text = column.read_sql if column.exact_sql else 't."v"::text'
            other = await connection.fetchval(
                f"SELECT count(*) FROM public.{quote(table.name.name)} AS t"
                f" WHERE t.v IS DISTINCT FROM ({text})::{cast}"
            )
            assert other == 0, table.key
    finally:
        await connection.close()


async def test_equal_numbers_in_keys_print_the_same_text_in_old_and_new_servers(
    any_database: Database,
):
    values = ("0", "1.500", "100", "0.0001", "-20.50", "1e20", "1234567890123456.7890")
    await any_database.execute("CREATE TABLE t0 (v numeric PRIMARY KEY)")
    for value in values:
        await any_database.execute(f"INSERT INTO t0 VALUES ({value})")
    connection = await any_database.connect()
    try:
        await connection.execute(beginning())
        catalog = await read_catalog(connection)
        for version in (120_000, catalog.source.server_version):
            old = type(catalog.source)("7", 1, "x", version)
            plan = make_plan(type(catalog)(old, catalog.tables), Selection())
            sql = plan.tables[0].columns[0].read_sql
            found = {row[0] for row in await connection.fetch(f"SELECT {sql} FROM public.t0 AS t")}
            assert found == {
                *("0", "1.5", "100", "0.0001", "-20.5", "100000000000000000000"),
                "1234567890123456.789",
            }
    finally:
        await connection.close()


async def test_what_cannot_be_moved_is_refused_by_name_and_the_rest_is_planned(
    any_database: Database,
):
    await any_database.execute(
        "CREATE TABLE good (id int PRIMARY KEY);"
        "CREATE TABLE bad (id int PRIMARY KEY, m pg_node_tree, g gtsvector[]);"
    )
    connection = await any_database.connect()
    try:
        plan = await planned(connection)
    finally:
        await connection.close()

    assert [table.target for table in plan.tables] == ["good"]
    assert [(f.object, f.what) for f in plan.refusals] == [
        ("public.bad.m", "the type pg_node_tree cannot be moved"),
        ("public.bad.g", "the type gtsvector[] cannot be moved"),
    ]
