"""Equal in PostgreSQL is equal in D1, and different is different; or a key over the type says so.

PostgreSQL is the judge: every two values of a type are compared there, and as they would be stored.
"""

from __future__ import annotations

from dataclasses import dataclass

import asyncpg
import pytest

from streamer.model import PgType, Storage
from streamer.postgres.catalog import read_catalog
from streamer.postgres.connect import beginning
from streamer.translate.masks import masked
from streamer.translate.types import Mapping, map_type
from tests.engines.postgres import Database
from tests.integration.postgres.test_questions import planned

pytestmark = pytest.mark.postgres

MADE = """
CREATE EXTENSION citext; CREATE EXTENSION hstore; CREATE EXTENSION ltree; CREATE EXTENSION cube;
CREATE EXTENSION seg; CREATE EXTENSION isn;
CREATE TYPE pair AS (n numeric, t text);
CREATE TYPE deep AS (p pair, i interval[]);
CREATE TYPE plain AS (n numeric(5,2), t text);
CREATE DOMAIN amount AS numeric;
CREATE DOMAIN amounts AS amount[];
CREATE TYPE spans AS RANGE (subtype = interval);
"""
VALUES = {
    "interval": ("1 mon", "30 days", "720:00:00", "1 year", "360 days", "1 day", "24:00"),
    "jsonb": ("1", "1.0", "1.00", '{"a": 1e2}', '{"a": 100}', '{"a": 100.0}', "null", "[1]"),
    "numeric": ("1", "1.0", "1.00", "-0", "0.000", "1e2", "100", "NaN", "Infinity"),
    "numeric(5,2)": ("1", "1.0", "1.00", "NaN"),
    "amount": ("1", "1.0"),
    "double precision": ("0", "-0", "NaN", "1", "1.0", "Infinity"),
    "real": ("0", "-0", "0.1", "0.10000000149"),
    "numeric[]": ("{1}", "{1.0}", "{NULL}", "{}", "[0:0]={1}"),
    "numeric(5,2)[]": ("{1}", "{1.0}", "{NULL}"),
    "amounts": ("{1}", "{1.00}"),
    "double precision[]": ("{0}", "{-0}", "{NaN}"),
    "integer[]": ("{1,2}", "[0:1]={1,2}", "{{1,2}}", "{}"),
    "bpchar[]": ("{a}", '{"a "}', "{b}"),
    "character(3)[]": ("{a}", '{"a "}'),
    "character(3)": ("a", "a ", "b"),
    "bpchar": ("a", "a  ", " a"),
    "numrange": ("[1,2)", "[1.0,2.00)", "empty", "[1,1)"),
    "int4range": ("[1,2)", "[1,1]", "empty"),
    "spans": ("[1 mon,2 mon)", "[30 days,60 days)"),
    "pair": ("(1,a)", "(1.0,a)", "(,a)"),
    "plain": ("(1,a)", "(1.0,a)"),
    "deep": ('("(1,a)","{1 mon}")', '("(1,a)","{30 days}")'),
    "citext": ("a", "A", "b"),
    "citext[]": ("{a}", "{A}"),
    "hstore": ("a=>1, b=>2", "b=>2,a=>1", "a=>NULL", 'a=>"NULL"'),
    "ltree": ("a.b", "a.B", "a"),
    "cube": ("0", "-0", "(0,0)", "(1),(1)", "1", "(1,2),(0,0)", "(0,0),(1,2)"),
    "seg": ("1", "1.0", "~1", "1 .. 2", "1.0 .. 2.0"),
    "isbn": ("0-393-04002-X", "039304002X"),
    "tsquery": ("a", "a:A", "a:B", "a:*", "a & b", "!a"),
    "tsvector": ("a", "a:1", "a:1A", "a b", "b a"),
    "timetz": ("12:00+00", "13:00+01", "12:00+00:00"),
    "time": ("24:00", "00:00", "12:00:00.5"),
    "timestamptz": ("2024-01-15 12:00+00", "2024-01-15 13:00+01", "infinity"),
    "timestamptz[]": ('{"2024-01-15 12:00+00"}', '{"2024-01-15 13:00+01"}'),
    "inet": ("1.2.3.4", "1.2.3.4/32", "::1", "0:0::1/128", "1.2.3.4/24", "1.2.3.0/24"),
    "macaddr": ("08:00:2b:01:02:03", "08-00-2B-01-02-03"),
    "uuid": ("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "{A0EEBC99-9C0B4EF8-BB6D6BB9-BD380A11}"),
    "varbit": ("1", "10", "01", ""),
    "money": ("1", "1.00", "-1"),
    "bytea": (r"\x00", r"\000", r"\x"),
    "text": ("a", "a ", "A", "é", "é"),
    "boolean": ("t", "yes", "f"),
    "xid8": ("1", "01"),
    "pg_lsn": ("0/1", "0/01"),
    "regproc": (),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Compared:
    """Every two values of one type: what is stored of them, are they equal, are they stored alike."""

    mapping: Mapping
    pairs: list[asyncpg.Record]

    @property
    def apart(self) -> list[tuple[str, str]]:
        """Equal values that are stored apart."""
        return [(p["first"], p["second"]) for p in self.pairs if p["equal"] and not p["same"]]

    @property
    def merged(self) -> list[tuple[str, str]]:
        """Different values that are stored alike."""
        return [(p["first"], p["second"]) for p in self.pairs if p["same"] and not p["equal"]]


async def compare(database: Database) -> dict[str, Compared]:
    tables = {f"v{n:02}": kind for n, kind in enumerate(VALUES)}
    await database.execute(MADE + "".join(_table(name, kind) for name, kind in tables.items()))
    connection = await database.connect()
    try:
        await connection.execute(beginning())
        catalog = await read_catalog(connection)
        found: dict[str, Compared] = {}
        for table in catalog.tables:
            mapping = map_type(
                table.column("c").type,
                numeric_text=True,
                server_version=catalog.source.server_version,
            )
            assert isinstance(mapping, Mapping)
            name = table.name.name
            found[tables[name]] = Compared(
                mapping, list(await connection.fetch(_every_two(name, mapping)))
            )
    finally:
        await connection.close()
    return found


def _table(name: str, kind: str) -> str:
    if kind == "regproc":
        rows = "SELECT oid::regproc FROM pg_proc WHERE proname IN ('upper', 'lower')"
    else:
        rows = "VALUES " + ", ".join(f"($${value}$$::{kind})" for value in VALUES[kind])
    return f"CREATE TABLE {name} (c {kind}); INSERT INTO {name} {rows};"


def _every_two(name: str, mapping: Mapping) -> str:
    """Whole rows are compared by the type's own idea of equal, wherever its operators are."""
    text = mapping.read_sql("v.c")
    stored = f"lower({text})" if mapping.nocase else text
    if mapping.storage is Storage.REAL:  # whose affinity knows no -0
        stored = f"CASE WHEN {text} = '-0' THEN '0' ELSE {text} END"
    return (
        f"WITH x AS (SELECT v AS r, {stored} AS s, row_number() OVER () AS n FROM public.{name} AS v)"
        " SELECT a.s AS first, b.s AS second, a.r = b.r AS equal, a.s IS NOT DISTINCT FROM b.s AS same"
        " FROM x AS a JOIN x AS b ON a.n < b.n"
    )


async def test_equal_values_are_stored_alike_or_a_key_says_that_they_are_not(database: Database):
    for kind, compared in (await compare(database)).items():
        assert bool(compared.apart) == bool(compared.mapping.alike), (kind, compared.apart)


async def test_different_values_are_stored_apart_or_rows_are_asked(database: Database):
    found = await compare(database)

    merging = {kind for kind, compared in found.items() if compared.merged}
    assert merging == {"regproc", "integer[]", "numeric[]"}
    assert all(not found[kind].mapping.distinct for kind in merging)


async def test_a_hash_says_so_too_where_only_storing_made_equal_values_one(database: Database):
    await database.execute(MADE)
    await database.execute("CREATE TABLE v (f float8, r real, c citext, n numeric(5,2), t text)")
    connection = await database.connect()
    try:
        await connection.execute(beginning())
        (table,) = (await read_catalog(connection)).tables
    finally:
        await connection.close()

    loose = {column.name for column in table.columns if hashed(column.type).alike}

    assert loose == {"f", "r", "c"}


def hashed(kind: PgType) -> Mapping:
    plain = map_type(kind)
    assert isinstance(plain, Mapping)
    mapping = masked(plain, "hash", kind)
    assert isinstance(mapping, Mapping)
    return mapping


async def test_unique_keys_over_such_types_are_named_with_what_they_let_in(database: Database):
    await database.execute("""
        CREATE TABLE a (i interval PRIMARY KEY, j jsonb, n numeric UNIQUE, f float8 UNIQUE);
        CREATE UNIQUE INDEX a_j ON a (j); CREATE INDEX a_plain ON a (j, n);
        CREATE TABLE h (id int PRIMARY KEY, f float8 UNIQUE)""")

    plan = await planned(database)

    told = [f"{f.object}: {f.what}" for f in plan.findings if "weaker" in f.what]
    assert len(told) == 2
    assert any("a_pkey" in line and "'1 mon' and '30 days'" in line for line in told)
    assert any(line.startswith("public.a.a_j:") and "1.0 and 1.00" in line for line in told)
