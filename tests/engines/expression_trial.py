"""Columns of every type with the values that matter, and both engines' verdicts on expressions."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg

from streamer.model import Column, Wire
from streamer.postgres.catalog import read_catalog
from streamer.postgres.connect import beginning
from streamer.translate.expressions import Operand, Scope, Untranslated
from streamer.translate.names import quote
from streamer.translate.types import Unsupported, map_type
from tests.engines.d1server import D1RequestError
from tests.engines.d1target import Target
from tests.engines.postgres import Database

INTS = ["0", "1", "-1", "2", "3", "-7", "5", "100", "2147483647", "-2147483648"]
BIGS = ["0", "1", "-1", "7", "9007199254740993", "9223372036854775807", "-9223372036854775808"]
PRICES = [
    "'0'",
    "'0.01'",
    "'-0.01'",
    "'1.5'",
    "'3'",
    "'5'",
    "'100'",
    "'99999999.99'",
    "'-99999999.99'",
    "'NaN'",
]
NUMERICS = [
    *[
        "'0'",
        "'0.00'",
        "'0.001'",
        "'-0.001'",
        "'1.5'",
        "'1.50'",
        "'1.49'",
        "'1.51'",
        "'-1.5'",
        "'-1.51'",
        "'-1.49'",
    ],
    *[
        "'1'",
        "'2'",
        "'-2'",
        "'-1'",
        "'10'",
        "'9'",
        "'100.00'",
        "'1e30'",
        "'-1e30'",
        "'0.9999999999999999999999'",
    ],
    *["'NaN'", "'Infinity'", "'-Infinity'"],
]
FLOATS = [
    "'0'",
    "'-0'",
    "'0.1'",
    "'0.5'",
    "'-0.5'",
    "'1'",
    "'1e300'",
    "'-1e300'",
    "'NaN'",
    "'Infinity'",
    "'-Infinity'",
]
TEXTS = [
    *("''", "' '", "'a'", "'A'", "'abc'", "'Abc'", "'ABC'", "'abcabc'", "' abc '", "'é'", "'É'"),
    *("'a_c'", "'a%c'", "'a*c'", "'a?c'", "'[a]'", r"'a\c'", "'it''s'", "'日本語'", "'😀b'"),
    *("'007'", "'7'", "'xxaxx'", "E'a\\nb'", "repeat('a', 60)"),
]
DATES = [
    *[
        "'2000-01-01'",
        "'1999-12-31'",
        "'0001-01-01'",
        "'9999-12-31'",
        "'10000-01-01'",
        "'99999-06-01'",
    ],
    *("'5874897-12-31'", "'0044-03-15 BC'", "'0044-03-16 BC'", "'4713-01-01 BC'"),
    *("'infinity'", "'-infinity'"),
]
TIMES = [
    *("'2000-01-01 00:00:00'", "'2000-01-01 00:00:00.5'", "'1999-12-31 23:59:59.999999'"),
    *("'2000-01-01 00:00:01'", "'12000-01-01 00:00:00'", "'0044-03-15 12:00:00 BC'"),
    *("'infinity'", "'-infinity'", "'294276-06-01 23:59:59'", "'0045-03-15 12:00:00 BC'"),
]
UUIDS = [
    "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'",
    "'00000000-0000-0000-0000-000000000000'",
    "'ffffffff-ffff-ffff-ffff-ffffffffffff'",
]

# Name → PostgreSQL's type and values; NULL is one of each.
COLUMNS: Mapping[str, tuple[str, Sequence[str]]] = {
    "a": ("int", INTS),
    "b": ("int", INTS),
    "s": ("smallint", ["0", "1", "-1", "32767", "-32768"]),
    "big": ("bigint", BIGS),
    "big2": ("bigint", BIGS),
    "flag": ("boolean", ["true", "false"]),
    "flag2": ("boolean", ["true", "false"]),
    "price": ("numeric(10,2)", PRICES),
    "cost": ("numeric(10,2)", PRICES),
    "whole": ("numeric(12,0)", ["0", "5", "-5", "999999999999", "'NaN'"]),
    "num": ("numeric", NUMERICS),
    "num2": ("numeric", NUMERICS),
    "wide": ("numeric(30,4)", ["0", "-1", "1.5", "1.5001", "1e20", "'NaN'"]),
    "f": ("float8", FLOATS),
    "g": ("float8", FLOATS),
    "r": ("real", ["'0.1'", "'0.5'", "'1'", "'-1'", "'NaN'", "'Infinity'", "'-Infinity'"]),
    "t": ("text", TEXTS),
    "u": ("text", TEXTS),
    "vc": ("varchar(80)", TEXTS),
    "cc": ('text COLLATE "C"', TEXTS),
    "cc2": ('text COLLATE "C"', TEXTS),
    "ch": ("char(5)", ["''", "'ab'", "'ab '", "' ab'", "'abcde'", "'é'"]),
    "nm": ("name", ["'a'", "'B'", "''"]),
    "c1": ('"char"', ["'a'", "'b'", "''"]),
    "by": ("bytea", [r"'\x'", r"'\x00'", r"'\x00ff'", r"'\xff'", "'abc'"]),
    "uid": ("uuid", UUIDS),
    "d": ("date", DATES),
    "d2": ("date", DATES),
    "ts": ("timestamp", TIMES),
    "ts2": ("timestamp", TIMES),
    "tz": ("timestamptz", TIMES),
    "tz2": ("timestamptz", TIMES),
    "tm": ("time", ["'00:00'", "'24:00'", "'12:30:00.5'", "'12:30'"]),
    "m": ("mood", ["'sad'", "'ok'", "'it''s'"]),
    "m2": ("mood", ["'sad'", "'ok'"]),
    "bits": ("bit(4)", ["B'0101'", "B'0000'"]),
    "j": ("jsonb", ["'{}'", "'{\"k\": 1}'", "'null'", "'[]'"]),
    "tags": ("text[]", ["'{}'", "'{a,b}'"]),
    "place": ("addr", ["ROW(NULL, NULL)", "ROW('x', 1)"]),
    "pos": ("posint", ["1", "5", "2147483647"]),
}
TYPES = """
CREATE TYPE mood AS ENUM ('sad', 'ok', 'it''s');
CREATE TYPE addr AS (street text, no int);
CREATE DOMAIN posint AS integer CHECK (VALUE > 0);
"""
ACCEPTED = """
CREATE FUNCTION accepted(target text, columns text, source text) RETURNS int[] LANGUAGE plpgsql AS $$
DECLARE k int; ids int[]; ok int[] := '{}';
BEGIN
  EXECUTE format('SELECT array_agg(id ORDER BY id) FROM (%s) q', source) INTO ids;
  FOREACH k IN ARRAY ids LOOP
    BEGIN
      EXECUTE format('INSERT INTO %s (%s) SELECT * FROM (%s) q WHERE id = $1', target, columns, source) USING k;
      ok := ok || k;
    EXCEPTION WHEN OTHERS THEN NULL;
    END;
  END LOOP;
  RETURN ok;
END $$;
"""


SESSION = "SET TimeZone = 'UTC'; SET DateStyle = 'ISO, YMD'; SET IntervalStyle = iso_8601"


@dataclass(frozen=True, slots=True, repr=False)
class Trial:
    """A PostgreSQL and a D1 that hold the same values, column by column."""

    postgres: asyncpg.Connection
    d1: Target
    scope: Scope
    columns: Mapping[str, Column]

    def names(self, sql: str) -> list[str]:
        """The columns that an expression names."""
        words = set(re.findall(r"\w+", re.sub(r"'[^']*'|::\s*\w+", "", sql)))
        return [name for name in self.scope.columns if name in words]

    def source(self, names: Sequence[str]) -> str:
        """A query for an id and all combinations of these columns' values."""
        numbers = " + ".join(f"v_{n}.ord * {100**k}" for k, n in enumerate(names)) or "0"
        values = "".join(f', v_{n}.v AS "{n}"' for n in names)
        tables = " CROSS JOIN ".join(f"v_{n}" for n in names) or "v_flag"
        return f"SELECT {numbers} AS id{values} FROM {tables}"

    def declared(self, names: Sequence[str]) -> str:
        """The columns as D1 declares them."""
        operands = (self.scope.columns[name] for name in names)
        return "".join(
            f", {quote(o.target)} {o.mapping.storage}{' COLLATE NOCASE' if o.mapping.nocase else ''}"
            for o in operands
        )

    async def column(self, table: str, name: str) -> Column:
        """A column of a table, as the catalog has it."""
        await self.postgres.execute(beginning())
        catalog = await read_catalog(self.postgres)
        await self.postgres.execute("COMMIT; SET search_path = public, pg_catalog")
        (found,) = [one for one in catalog.tables if one.name.name == table]
        return found.column(name)

    async def fill(self, table: str, names: Sequence[str]) -> None:
        """The rows that PostgreSQL takes, into both."""
        columns, source = ", ".join(["id", *names]), self.source(names)
        theirs = await accepted(self, table, columns, source)
        self.d1.run(
            f"INSERT INTO {table} ({columns}) SELECT * FROM ({source})"
            " WHERE id IN (SELECT value FROM json_each(?1))",
            json.dumps(theirs),
        )

    async def values(
        self, table: str, names: Sequence[str], read_sql: str
    ) -> tuple[list[object], list[object]]:
        """The column x after the same rows: as D1 stores it, and as it would be stored."""
        columns, source = ", ".join(["id", *names]), self.source(names)
        accepted_there = await accepted(self, table, columns, source)
        assert accepted_by_d1(self, table, columns, source) == accepted_there
        found = await self.postgres.fetch(f"SELECT {read_sql} FROM {table} AS t ORDER BY id")
        theirs: list[object] = []
        for number in range(0, len(found), 500):
            cells = json.dumps([row[0] for row in found[number : number + 500]])
            (kind,) = self.d1.rows(
                f"SELECT type FROM pragma_table_xinfo('{table}') WHERE name = 'x'"
            )
            self.d1.batch(
                "DROP TABLE IF EXISTS same",
                f"CREATE TABLE same (v {kind[0]})",
                ("INSERT INTO same SELECT value FROM json_each(?1) ORDER BY key", [cells]),
            )
            theirs += self.d1.rows("SELECT typeof(v), quote(v) FROM same ORDER BY rowid")
        ours: list[object] = list(
            self.d1.rows(f"SELECT typeof(x), quote(x) FROM {table} ORDER BY id")
        )
        return ours, theirs


async def prepare(database: Database, d1: Target) -> Trial:
    """Make the values in PostgreSQL, and carry them to D1 by the product's own mapping."""
    declared = ", ".join(f'"{name}" {kind}' for name, (kind, _) in COLUMNS.items())
    script = [TYPES, ACCEPTED, f"CREATE TABLE every ({declared});"]
    for name, (kind, values) in COLUMNS.items():
        rows = ", ".join(f"({n}, {v})" for n, v in enumerate(["NULL", *values]))
        script.append(
            f"CREATE TABLE v_{name} (ord int, v {kind}); INSERT INTO v_{name} VALUES {rows};"
        )
    await database.execute("\n".join(script))
    connection = await database.connect()
    await connection.execute(beginning())
    catalog = await read_catalog(connection)
    (table,) = [table for table in catalog.tables if table.name.name == "every"]
    scope = Scope({column.name: operand(column) for column in table.columns})
    for name, known in scope.columns.items():
        rows = await connection.fetch(
            f"SELECT ord::text, {known.mapping.read_sql('t.v')} FROM public.v_{name} t"
        )
        cell = "unhex(value->>1)" if known.mapping.wire is Wire.HEX else "value->>1"
        d1.batch(
            f"CREATE TABLE v_{name} (ord INTEGER, v {known.mapping.storage})",
            (
                f"INSERT INTO v_{name} SELECT value->>0, {cell} FROM json_each(?1)",
                [json.dumps([list(row) for row in rows])],
            ),
        )
    await connection.execute(f"COMMIT; {SESSION}; SET search_path = public, pg_catalog")
    return Trial(connection, d1, scope, {column.name: column for column in table.columns})


def operand(column: Column) -> Operand:
    """The column under its own name, with the type's usual mapping."""
    mapping = map_type(column.type)
    assert not isinstance(mapping, Unsupported)
    by_bytes = column.collation.endswith('"C"') or column.collation.endswith(".C")
    return Operand(column.name, column.type, mapping, byte_order=by_bytes)


CHECK_OF = (
    "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = $1::text::regclass"
    " AND contype = 'c'"
)
DEFAULT_OF = "SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef WHERE adrelid = $1::text::regclass"
PREDICATE_OF = (
    "SELECT pg_get_expr(indpred, indrelid) FROM pg_index WHERE indrelid = $1::text::regclass"
)
KEY_OF = "SELECT pg_get_expr(indexprs, indrelid) FROM pg_index WHERE indrelid = $1::text::regclass"
VIEW_OF = "SELECT pg_get_viewdef($1::text::regclass)"


async def printed(trial: Trial, query: str, relation: str) -> str:
    """What PostgreSQL prints of an expression, seen from pg_catalog alone."""
    await trial.postgres.execute("SET search_path = pg_catalog")
    try:
        return await trial.postgres.fetchval(query, f"public.{relation}")
    finally:
        await trial.postgres.execute("SET search_path = public, pg_catalog")


def typed(names: Sequence[str]) -> str:
    """The columns as PostgreSQL declares them."""
    return "".join(f', "{name}" {COLUMNS[name][0]}' for name in names)


async def accepted(trial: Trial, table: str, columns: str, source: str) -> list[int]:
    """The ids of the rows that PostgreSQL's table takes."""
    return await trial.postgres.fetchval("SELECT accepted($1, $2, $3)", table, columns, source)


def accepted_by_d1(trial: Trial, table: str, columns: str, source: str) -> list[int]:
    """The ids of the rows that D1's table takes."""
    try:
        trial.d1.run(f"INSERT OR IGNORE INTO {table} ({columns}) {source}")
    except D1RequestError:  # an error that isn't a violated constraint ends the statement
        for (number,) in trial.d1.rows(f"SELECT id FROM ({source}) ORDER BY id"):
            try:
                trial.d1.run(
                    f"INSERT OR IGNORE INTO {table} ({columns}) SELECT * FROM ({source}) WHERE id = {number}"
                )
            except D1RequestError:
                continue
    return [row[0] for row in trial.d1.rows(f"SELECT id FROM {table} ORDER BY id")]


def sql_of(result: Any) -> str:
    """The SQL of a translation; fails for what isn't translated."""
    assert not isinstance(result, Untranslated), result.reason
    return result.sql
