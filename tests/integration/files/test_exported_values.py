"""What is made of exported values is what PostgreSQL prints, for every option that is made here."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import orjson
import pytest

from streamer.files import values
from streamer.files.values import Form
from streamer.model import ColumnPlan, PgType
from streamer.model.shaping import TypeOptions
from streamer.postgres.catalog import read_catalog
from streamer.postgres.connect import beginning
from streamer.translate.types import Mapping, map_type, option_applies
from tests.engines.postgres import Database

pytestmark = pytest.mark.postgres

MOMENTS = """
SELECT m::{0} FROM (VALUES ('2024-01-15 10:30:45.987654'), ('2024-01-15 10:30:45'), ('2024-12-31 23:59:59.999999'),
  ('1969-12-31 23:59:59.999999'), ('0044-03-15 12:00:00.5 BC'), ('10000-01-01'), ('infinity'),
  ('-infinity'), ('0001-01-01'), ('0001-12-31 BC'), ('9999-12-31 23:59:59.999'),
  ('1970-01-01 00:00:00.1'), ('2000-02-29 00:00:00.10'), ('4712-01-01 BC'), ('294276-12-30 23:59:58.999999'), ('0401-02-29 BC'), ('0400-02-28 BC')) AS v (m)
UNION ALL SELECT ('2000-01-01'::timestamp + (random() * 2 - 1) * 1e11 * interval '1 second')::{0} FROM generate_series(1, 200)
UNION ALL SELECT ('1970-01-01'::timestamp + (random() * 2 - 1) * 6e10 * interval '1 second')::{0} FROM generate_series(1, 200)"""
NUMBERS = """
SELECT n::numeric::{0} FROM (VALUES ('1.50'), ('0'), ('-0.01'), ('100'), ('0.10'), ('NaN'), ('-1.999')) AS v (n)
UNION ALL SELECT ((random() * 2 - 1) * 10 ^ (random() * {1}))::numeric::{0} FROM generate_series(1, 200)"""
WIDE = "UNION ALL SELECT n::numeric FROM (VALUES ('1e400'), ('1e-400'), ('-1e-310'), ('2.2250738585072014e-308'), ('12345678901234567.89'), ('1e-20'), ('9007199254740993'), ('1.7976931348623157e308'), ('1.8e308'), ('3e-308')) AS w (n)"
DOUBLES = """
SELECT f::{0} FROM (VALUES ('NaN'), ('Infinity'), ('-Infinity'), ('-0'), ('0'), ('0.1'), ('1e15'), ('1e16'), ('123456.7')) AS v (f)
UNION ALL SELECT ((random() * 2 - 1) * 10 ^ (random() * {1}))::{0} FROM generate_series(1, 200)"""
INTEGERS = "SELECT n::{0} FROM (VALUES ({1}), ({2}), (0), (7)) AS v (n)"
BYTES = (
    r"SELECT decode(repeat(h, 40), 'hex') FROM (VALUES (''), ('00'), ('00ff80'), ('5c78')) AS v (h)"
)

KINDS = {
    "timestamp": MOMENTS.format("timestamp"),
    "timestamptz": MOMENTS.format("timestamptz"),
    "timestamptz(3)": MOMENTS.format("timestamptz(3)"),
    "timestamp(0)": MOMENTS.format("timestamp(0)"),
    "moment": MOMENTS.format("moment"),
    "date": MOMENTS.format("date") + " UNION ALL VALUES ('5874897-12-31'::date), ('-infinity')",
    "numeric": NUMBERS.format("numeric", 30) + WIDE,
    "numeric(10,2)": NUMBERS.format("numeric(10,2)", 8),
    "numeric(18,4)": NUMBERS.format("numeric(18,4)", 13),
    "numeric(18)": NUMBERS.format("numeric(18)", 17),
    "numeric(30,10)": NUMBERS.format("numeric(30,10)", 19),
    "price": NUMBERS.format("price", 4),
    "money": "SELECT (n::numeric)::money FROM (VALUES (1234.56), (-0.01), (0), (92233720368547758.07)) AS v (n)",
    "real": DOUBLES.format("real", 30),
    "double precision": DOUBLES.format("double precision", 300),
    "smallint": INTEGERS.format("smallint", -(2**15), 2**15 - 1),
    "integer": INTEGERS.format("integer", -(2**31), 2**31 - 1),
    "bigint": INTEGERS.format("bigint", -(2**63), 2**63 - 1),
    "oid": INTEGERS.format("oid", 1, 2**32 - 1),
    "boolean": "VALUES (true), (false)",
    "bytea": BYTES,
    "uuid": "SELECT gen_random_uuid() FROM generate_series(1, 20)",
    "char(4)": "VALUES ('ab'::char(4)), (''), ('é😀')",
    "bit(8)": "VALUES (B'10000001'::bit(8)), (B'00000000')",
    "bit(63)": "VALUES (~B'0'::bit(63)), (B'1'::bit(63))",
    "bit(64)": "VALUES (~B'0'::bit(64))",
    "mood": """VALUES ('sad'::mood), ('it''s "odd"'), ('')""",
}  # fmt: skip
MADE = """
CREATE TYPE mood AS ENUM ('sad', 'it''s "odd"', '');
CREATE DOMAIN price AS numeric(6, 2);
CREATE DOMAIN moment AS timestamptz(3);
"""


def every_choice(kind: PgType) -> Iterator[dict[str, str]]:
    names = [name for name in TypeOptions.names() if option_applies(kind, name)]
    for choices in product(*(TypeOptions.choices(name) for name in names)):
        yield dict(zip(names, choices, strict=True))


def same(made: str | None, printed: str | None, *, number: bool) -> bool:
    if made is None or printed is None or not number:
        return made == printed
    return float(made) == float(printed) or made == printed


async def test_every_options_cell_is_made_of_the_one_exported_form(database: Database) -> None:
    await database.execute(
        MADE
        + "".join(
            f"CREATE TABLE t{n:03} (id serial, v {kind}); INSERT INTO t{n:03} (v) {rows}; INSERT INTO t{n:03} (v) VALUES (NULL);"
            for n, (kind, rows) in enumerate(KINDS.items())
        )
    )
    connection = await database.connect()
    try:
        await connection.execute(beginning())
        catalog = await read_catalog(connection)
        version = catalog.source.server_version
        tried = 0
        for table in catalog.tables:
            kind = table.column("v").type
            for choices, trimmed in product(every_choice(kind), (False, True)):
                mapped = map_type(
                    kind, TypeOptions().but(choices), numeric_text=trimmed, server_version=version
                )
                assert isinstance(mapped, Mapping)
                column = ColumnPlan(
                    "v", "v", mapped.storage, mapped.wire, mapped.read_sql('t."v"'), kind.formatted, not_null=False,
                )  # fmt: skip
                form, token = values.token_sql(column, kind, version)
                make = values.derivation(column, kind, form, version)
                assert form is not Form.CELL, (kind, choices)
                assert make is not None, (kind, choices)
                rows = await connection.fetch(
                    f"SELECT {token}, {column.read_sql} FROM public.{table.name.name} AS t ORDER BY id"
                )
                for exported, printed in rows:
                    value = orjson.loads(exported) if exported is not None else None
                    made = make(value) if value is not None else None
                    number = mapped.storage == "REAL"
                    assert same(made, printed, number=number), (
                        kind.formatted,
                        choices,
                        exported,
                        printed,
                        made,
                    )
                    tried += 1
        assert tried > 10_000
    finally:
        await connection.close()
