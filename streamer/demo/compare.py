"""Compares every row of two databases, value by value and type by type.

Both sides are read by means of their own, by psql and by plain HTTP, never by the code that moved
the rows: a fault of the mover can't hide here. Each row becomes a list of texts such as
`integer:5`, `text:Zoë`, `null`; rows are compared as a bag, so that equal rows of a table without
a key count as often as they are there.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from hashlib import blake2b

from streamer.demo.target import Target
from streamer.frozen import frozen
from streamer.model.sql import quote_identifier

PAGE_ROWS = 20_000
DOUBLES = ("double precision", "real")

Rows = Callable[[str], Iterable[str]]
"""Runs a query in PostgreSQL and gives the lines it prints."""


@frozen
class Column:
    """A column's name and its PostgreSQL type as `format_type` spells it."""

    name: str
    type: str

    @property
    def wanted(self) -> str:
        """SQL for PostgreSQL: what D1 should hold, with its type in SQLite."""
        cell = f"t.{quote_identifier(self.name)}"
        kind, text = "text", f"{cell}::text"
        match self.type.partition("(")[0]:
            case "smallint" | "integer" | "bigint":
                kind = "integer"
            case "boolean":
                kind, text = "integer", f"{cell}::int::text"
            case "bytea":
                kind, text = "blob", f"upper(encode({cell}, 'hex'))"
            case "timestamp with time zone":
                text = f"({cell} AT TIME ZONE 'UTC')::text"
            case type_name if type_name in DOUBLES:
                kind = "real"
            case _ if self.type.endswith("[]"):
                text = f"to_json({cell})::text"
            case _ if self.decimals is not None:
                kind = "real"
            case _:
                pass
        return f"coalesce('{kind}:' || {text}, 'null')"

    @property
    def found(self) -> str:
        """SQL for D1: what it does hold."""
        cell = quote_identifier(self.name)
        text = f"CAST({cell} AS TEXT)"
        if self.type == "bytea":
            text = f"hex({cell})"
        elif self.decimals is not None:
            text = f"printf('%.{self.decimals}f', {cell})"
        elif self.type in DOUBLES:
            text = f"printf('%!.17g', {cell})"
        # printf makes '' of NULL, and hex too.
        return f"CASE WHEN {cell} IS NULL THEN 'null' ELSE typeof({cell}) || ':' || {text} END"

    @property
    def decimals(self) -> int | None:
        """Digits behind the point of a numeric that D1 holds as REAL; None for all others.

        A double keeps 15 digits; longer and open-ended numerics are stored as texts.
        """
        name, _, sizes = self.type.partition("(")
        if name != "numeric" or not sizes:
            return None
        precision, _, scale = sizes.rstrip(")").partition(",")
        return int(scale) if int(precision) <= 15 and int(scale or 0) > 0 else None


@frozen
class Compared:
    """A table's rows on both sides, and how many have no equal on the other side."""

    table: str
    rows: int
    missing: int
    extra: int

    @property
    def equal(self) -> bool:
        """Whether both sides hold the same rows."""
        return self.missing == 0 and self.extra == 0


def tables_of(source: Rows) -> dict[str, list[Column]]:
    """The tables of schema `public` and their columns, both in a fixed order."""
    sql = (
        "SELECT json_build_array(c.relname, a.attname, format_type(a.atttypid, a.atttypmod))"
        " FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0"
        " WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r'"
        " AND NOT a.attisdropped ORDER BY c.relname, a.attnum"
    )
    tables: dict[str, list[Column]] = {}
    for line in source(sql):
        table, column, type_name = json.loads(line)
        tables.setdefault(table, []).append(Column(column, type_name))
    return tables


def compare_all(source: Rows, target: Target) -> Iterator[Compared]:
    """Compare every table of `source`; tables and columns have the same names on both sides."""
    keys = target.primary_keys()
    for table, columns in tables_of(source).items():
        wanted = Counter(_digest(columns, row) for row in _source_rows(table, columns, source))
        found_rows = _target_rows(table, columns, keys.get(table, ["rowid"]), target)
        found = Counter(_digest(columns, row) for row in found_rows)
        yield Compared(
            table=table,
            rows=wanted.total(),
            missing=(wanted - found).total(),
            extra=(found - wanted).total(),
        )


def _source_rows(table: str, columns: Sequence[Column], source: Rows) -> Iterator[list[str]]:
    cells = ", ".join(column.wanted for column in columns)
    for line in source(f"SELECT json_build_array({cells}) FROM {quote_identifier(table)} AS t"):
        yield json.loads(line)


def _target_rows(
    table: str, columns: Sequence[Column], key: Sequence[str], target: Target
) -> Iterator[list[str]]:
    """All rows, read in ranges of `key`."""
    keys = [quote_identifier(name) for name in key]
    listed, marks = ", ".join(keys), ", ".join("?" for _ in keys)
    cells = [f"CAST({name} AS TEXT)" for name in keys] + [column.found for column in columns]
    select = f"SELECT {', '.join(cells)} FROM {quote_identifier(table)}"
    end = f" ORDER BY {listed} LIMIT {PAGE_ROWS}"
    page = target.query(select + end)
    while page:
        yield from (row[len(keys) :] for row in page)
        if len(page) < PAGE_ROWS:
            return
        page = target.query(f"{select} WHERE ({listed}) > ({marks}){end}", page[-1][: len(keys)])


def _digest(columns: Sequence[Column], row: Sequence[str]) -> bytes:
    """A fingerprint of a row; doubles are compared as numbers, all else as text."""
    cells = [
        _number(cell) if column.type in DOUBLES else cell
        for column, cell in zip(columns, row, strict=True)
    ]
    return blake2b(json.dumps(cells).encode(), digest_size=16).digest()


def _number(cell: str) -> str:
    kind, colon, text = cell.partition(":")
    return f"{kind}:{float(text)!r}" if colon else cell
