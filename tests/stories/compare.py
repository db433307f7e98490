"""Every cell of two databases, read by means that share nothing with the code that moved them."""

from __future__ import annotations

import json
import re
from collections import Counter
from decimal import Decimal
from typing import Any

from tests.engines.d1server import D1Server
from tests.engines.postgres import Database

PAGE_ROWS = 4_000
SPECIAL = {"NaN", "Infinity", "-Infinity"}  # kept as texts
COLUMNS_AT_ONCE = 33  # three result columns each; D1 answers with at most 100

TABLES = """\
SELECT n.nspname, c.relname, c.oid, c.relkind = 'p' AS partitioned FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND n.nspname = ANY ($1) ORDER BY 1, 2"""
COLUMNS = """\
SELECT a.attname, format_type(coalesce(nullif(t.typbasetype, 0), t.oid), CASE WHEN t.typtype = 'd'
THEN t.typtypmod ELSE a.atttypmod END) AS type, t.typcategory AS category
FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum"""


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def read_sql(name: str, type_name: str) -> str:
    cell = f"t.{quoted(name)}"
    if type_name == "boolean":
        return f"{cell}::int::text"
    if type_name == "bytea":
        return f"upper(encode({cell}, 'hex'))"
    if type_name.startswith("timestamp") and type_name.endswith("with time zone"):
        return f"({cell} AT TIME ZONE 'UTC')::text"
    if type_name.endswith("[]"):
        return f"to_json({cell})::text"
    if type_name == "inet":
        return f"textin(inet_out({cell}))"  # the cast adds /32
    return f"{cell}::numeric::text" if type_name == "money" else f"{cell}::text"


def expected(type_name: str, text: str | None) -> tuple[str, object]:
    """What D1 should hold: SQLite's type and a comparable value."""
    if text is None:
        return "null", None
    base, _, sizes = type_name.partition("(")
    if type_name == "bytea":
        return "blob", text
    if type_name in {"smallint", "integer", "bigint", "boolean", "oid"}:
        return "integer", int(text)
    if type_name.endswith("[]"):
        text = json.dumps(json.loads(text, parse_float=str))
    elif text not in SPECIAL:
        if type_name in {"real", "double precision"}:
            return "real", float(text)
        if base == "numeric":
            precision, scale = map(int, (sizes or "1000,1000)").rstrip(")").split(","))
            return expected_numeric(text, precision, scale)
    return "text", text


def expected_numeric(text: str, precision: int, scale: int) -> tuple[str, object]:
    if scale == 0 and precision <= 18:
        return "integer", int(text)
    if scale >= 0 and precision <= 15:
        return "real", Decimal(text)
    return "text", Decimal(text)


def comparable(type_name: str, kind: str, text: str | None) -> tuple[str, object]:
    """The same of what D1 does hold."""
    if kind == "integer":
        return kind, int(str(text))
    if kind == "real":
        if type_name.startswith("numeric"):
            return kind, Decimal(repr(float(str(text))))
        return kind, float(str(text))
    if kind == "text" and type_name.endswith("[]"):
        return kind, json.dumps(json.loads(str(text), parse_float=str))
    if kind == "text" and type_name.startswith("numeric") and text not in SPECIAL:
        return kind, Decimal(str(text))
    return kind, text


async def source_rows(database: Database, table: str, columns: list[Any]) -> Counter[Any]:
    cells = ", ".join(read_sql(c["attname"], c["type"]) for c in columns)
    connection = await database.connect()
    try:
        await connection.execute("SET TimeZone='UTC'; SET IntervalStyle=iso_8601")
        await connection.execute("SET extra_float_digits=1")
        records = await connection.fetch(f"SELECT {cells} FROM {table} AS t")
    finally:
        await connection.close()
    types = [c["type"] for c in columns]
    return Counter(
        tuple(expected(name, cell) for name, cell in zip(types, record, strict=True))
        for record in records
    )


def target_rows(server: D1Server, uuid: str, table: str, columns: list[Any]) -> Counter[Any]:
    names = [c["attname"] for c in columns]
    types = [c["type"] for c in columns]
    parts = [names[at : at + COLUMNS_AT_ONCE] for at in range(0, len(names), COLUMNS_AT_ONCE)]
    count = int(server.rows(uuid, f"SELECT count(*) FROM {quoted(table)}")[0][0])
    rows: list[list[tuple[str, object]]] = []
    for start in range(0, count, PAGE_ROWS):
        page: list[list[Any]] = [[] for _ in range(min(PAGE_ROWS, count - start))]
        for part in parts:
            select = ", ".join(
                f"typeof({quoted(n)}), CASE typeof({quoted(n)}) WHEN 'blob' THEN hex({quoted(n)}) "
                f"WHEN 'real' THEN printf('%!.17g', {quoted(n)}) ELSE CAST({quoted(n)} AS TEXT) END"
                for n in part
            )
            order = ", ".join(f"typeof({quoted(n)}), {quoted(n)}" for n in names[:40])
            found = server.rows(
                uuid,
                f"SELECT {select} FROM {quoted(table)} ORDER BY {order} "
                f"LIMIT {PAGE_ROWS} OFFSET {start}",
            )
            for at, row in enumerate(found):
                page[at] += [(row[n], row[n + 1]) for n in range(0, len(row), 2)]
        rows += page
    return Counter(
        tuple(comparable(name, *cell) for name, cell in zip(types, row, strict=True))
        for row in rows
    )


async def differences(
    source: Database,
    server: D1Server,
    uuid: str,
    schemas: tuple[str, ...] = ("public",),
    *,
    without: str = "",
) -> list[str]:
    """What differs, a line each: tables, counts and columns, never values. [] where all is equal.

    The table `without` isn't looked at.
    """
    found: list[str] = []
    tables = await source.fetch(TABLES, list(schemas))
    for schema, name, oid, partitioned in (table for table in tables if table[1] != without):
        columns = await source.fetch(COLUMNS, oid)
        target = name if schema == "public" else f"{schema}__{name}"
        only = "" if partitioned else "ONLY "
        wanted = await source_rows(source, f"{only}{quoted(schema)}.{quoted(name)}", columns)
        held = target_rows(server, uuid, target, columns)
        if wanted != held:
            missing, extra = wanted - held, held - wanted
            odd = {
                columns[at]["attname"]
                for one, other in zip(
                    sorted(missing, key=repr), sorted(extra, key=repr), strict=False
                )
                for at in range(len(columns))
                if one[at] != other[at]
            }
            found.append(
                f"{schema}.{name}: {missing.total()} missing, {extra.total()} extra "
                f"of {wanted.total()}, in columns {sorted(odd)}"
            )
    found += [
        f"{row} violates a foreign key" for row in server.rows(uuid, "PRAGMA foreign_key_check")
    ]
    return found


def our_leftovers(server: D1Server, uuid: str) -> list[str]:
    """Tables of Streamer's own that are still in the target."""
    names = server.rows(uuid, "SELECT name FROM sqlite_master WHERE type = 'table'")
    return [name for (name,) in names if re.match("_streamer_", name)]
