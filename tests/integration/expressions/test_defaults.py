"""A translated DEFAULT gives an INSERT in D1 what PostgreSQL's gives, as the column stores it."""

from __future__ import annotations

import re

import pytest

from streamer.model import Wire
from streamer.postgres.catalog import read_catalog
from streamer.postgres.connect import beginning
from streamer.translate.expressions import Translated, default
from streamer.translate.types import map_type
from tests.engines.d1target import fresh
from tests.engines.expression_trial import operand
from tests.engines.postgres import Database
from tests.engines.workerd import Workerd

pytestmark = pytest.mark.postgres

TYPES = """
CREATE TYPE mood AS ENUM ('sad', 'ok', 'it''s');
CREATE DOMAIN posint AS integer CHECK (VALUE > 0);
CREATE DOMAIN label AS mood;
"""
CONSTANTS = r"""
int|42
int|-1
int|'7'
int|(1 + 2) * 3
smallint|'-1'::integer
bigint|9223372036854775807
bigint|'-9223372036854775808'
bigint|0
boolean|true
boolean|'f'
numeric(10,2)|0.00
numeric(10,2)|1
numeric(10,2)|-1.50
numeric(10,2)|'NaN'
numeric(30,4)|0
numeric(30,4)|1.5
numeric(12,0)|5
numeric|0.50
numeric|0
numeric|'NaN'
numeric|'Infinity'
double precision|0
double precision|0.5
double precision|'-Infinity'
double precision|1.0
real|0.1
text|'it''s'
text|''
text|'x'::character varying
text|E'back\\slash'
text|E'new\nline'
text|'é日本'
text|'null'
text|NULL
varchar(10)|'abc'
char(5)|'ab'
name|'a'
"char"|'a'
date|'2000-01-01'
date|'infinity'
timestamp|'2000-01-01 00:00:00'
timestamp|'2000-01-01 00:00:00.5'
timestamptz|'2000-01-01 00:00:00+02'
time|'12:30'
timetz|'12:30+02'
interval|'1 day'
interval|'30 days'
interval|'1 year 2 mons 3 days 04:05:06.789'
interval|'00:00:00'
interval|'15 minutes'
interval|'-1 day'
uuid|'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'
bytea|'\x00ff'
bytea|''
json|'{"b":1, "a" : 2}'
jsonb|'{"b":1, "a" : 2}'
jsonb|'[]'
text[]|'{}'
text[]|ARRAY['a', 'b"c', 'é']
text[]|ARRAY[]::text[]
text[]|'{a,NULL,"b,c"}'
int[]|'{1,2}'
boolean[]|'{t,f}'
mood[]|'{ok,sad}'
mood|'ok'
mood|'it''s'
label|'ok'
posint|5
bit(4)|B'0101'
varbit|B'01'
inet|'10.0.0.1'
cidr|'10.0.0.0/8'
macaddr|'08:00:2B:01:02:03'
int4range|'[1,10]'
point|'(1,2)'
"""
CLOCKS = """
timestamp|now()|\\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d:\\d\\d
timestamp|LOCALTIMESTAMP|\\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d:\\d\\d
timestamp|(now() AT TIME ZONE 'utc')|\\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d:\\d\\d
timestamp|timezone('UTC', now())|\\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d:\\d\\d
timestamptz|CURRENT_TIMESTAMP|\\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d:\\d\\d
timestamptz|statement_timestamp()|\\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d:\\d\\d
timestamptz|transaction_timestamp()|\\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d:\\d\\d
timestamptz|clock_timestamp()|\\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d:\\d\\d
date|CURRENT_DATE|\\d{4}-\\d\\d-\\d\\d
date|now()|\\d{4}-\\d\\d-\\d\\d
date|('now'::text)::date|\\d{4}-\\d\\d-\\d\\d
time|LOCALTIME|\\d\\d:\\d\\d:\\d\\d
time|CURRENT_TIME|\\d\\d:\\d\\d:\\d\\d
uuid|gen_random_uuid()|[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}
text|gen_random_uuid()|[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}
"""


async def test_a_constant_default_stores_what_postgresql_would_store(
    database: Database, workerd_d1: Workerd
):
    cases = [line.split("|", 1) for line in CONSTANTS.strip().splitlines()]
    different = await compared(database, workerd_d1, [(kind, sql, "") for kind, sql in cases])

    assert not different, "\n".join(different)


async def test_a_default_of_the_clock_or_of_chance_stores_its_shape(
    database: Database, workerd_d1: Workerd
):
    cases = [line.split("|", 2) for line in CLOCKS.strip().splitlines()]
    different = await compared(database, workerd_d1, [(k, sql, shape) for k, sql, shape in cases])

    assert not different, "\n".join(different)


async def compared(
    database: Database, workerd_d1: Workerd, cases: list[tuple[str, str, str]]
) -> list[str]:
    """What differs; without a shape the stored values must be equal."""
    columns = ", ".join(f"c{n} {kind} DEFAULT {sql}" for n, (kind, sql, _) in enumerate(cases))
    await database.execute(f"{TYPES} CREATE TABLE t (id int, {columns}); INSERT INTO t VALUES (1)")
    connection = await database.connect()
    await connection.execute(beginning())
    (table,) = (await read_catalog(connection)).tables
    d1 = fresh(workerd_d1)
    different: list[str] = []
    for n, (column, case) in enumerate(zip(table.columns[1:], cases, strict=True)):
        result = default(str(column.default or "NULL"), operand(column))
        if not isinstance(result, Translated):
            different.append(f"{case}: {column.default}: {result.reason}")
            continue
        mapping = operand(column).mapping
        assert mapping == map_type(column.type)
        select = f"SELECT {mapping.read_sql(f't.c{n}')} FROM public.t AS t"
        value = await connection.fetchval(select)
        cell = "unhex(?1)" if mapping.wire is Wire.HEX else "?1"
        (*_, last) = d1.batch(
            f"CREATE TABLE d{n} (id INTEGER, v {mapping.storage} DEFAULT {result.sql})",
            f"CREATE TABLE e{n} (v {mapping.storage})",
            f"INSERT INTO d{n} (id) VALUES (1)",
            (f"INSERT INTO e{n} VALUES ({cell})", [value])
            if value is not None
            else f"INSERT INTO e{n} VALUES (NULL)",
            f"SELECT typeof(d.v), quote(d.v), typeof(e.v), quote(e.v), d.v FROM d{n} d, e{n} e",
        )
        (row,) = last["results"]["rows"]
        same = re.fullmatch(case[2], str(row[4])) if case[2] else row[:2] == row[2:4]
        if not same:
            different.append(f"{case}: {column.default} → {result.sql}: {row}")
    await connection.close()
    return different
