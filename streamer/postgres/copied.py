"""Rows printed by COPY as JSON: the cheapest way out of PostgreSQL, for both ends of the wire.

A line of COPY's CSV is what stands between the brackets of a JSON array, if texts are always in
single quotes, as JSON5 allows, a backslash is what quotes are escaped with, and NULL is spelled `null`:
but for control characters, which CSV leaves as they are (postgresql.org/docs/18/sql-copy.html,
2026-11-29). Single quotes, as double ones cost a request two bytes each.
"""

from __future__ import annotations

from streamer.frozen import frozen
from streamer.model import ColumnPlan, Key, KeyKind, StepKind, Storage, TableKind, TablePlan
from streamer.model.printed import PrintedRows, slices
from streamer.model.sql import quote_identifier
from streamer.postgres.reader_sql import read_query, seeks

NULL, QUOTE, ESCAPE = "null", "'", "\\"
"""How COPY is to spell NULL, what texts stand between, what comes before that and before itself."""

# Whose texts are JSON numbers, and whole ones of 64 bits at most.
_INTEGERS = ("int2", "int4", "int8")
PRINTED_ALIKE = frozenset(
    {*_INTEGERS, "float4", "float8", "numeric", "text", "varchar", "date", "time", "timetz"}
    | {"timestamp", "timestamptz", "interval", "uuid", "json", "jsonb"}
)
"""Types whose cast to text calls their output function and nothing else, as COPY does
(postgresql.org/docs/18/sql-createcast.html, casts by input and output)."""

_NO_CONTROL = bytes(63 if code < 32 and code != 10 else code for code in range(256))
_ESCAPES = {code: f"\\u{code:04x}" for code in range(1, 32)}


@frozen
class Copied:
    """A SELECT for COPY, which takes no parameters, and its outputs that are to be quoted.

    A row reads as a page's where there is nothing but the row.
    """

    sql: str
    quoted: tuple[str, ...]
    width: int
    key_cells: tuple[int, ...]


def can_copy(plan: TablePlan, kind: StepKind) -> bool:
    """Whether the rows of a step can be read page by page, each a query behind the last key.

    The key must be among the cells, and an index must find a page as fast as a cursor goes on.
    """
    if kind is not StepKind.ROWS or plan.key.kind is KeyKind.PHYSICAL or plan.transform:
        return False
    query = read_query(plan, kind, None)
    among_cells = all(n < query.width for n in query.key_cells)
    return plan.table.kind is TableKind.TABLE and among_cells and seeks(plan)


def copied_query(plan: TablePlan, after: Key | None, rows: int, upto: Key | None = None) -> Copied:
    """The next `rows` rows behind `after` (up to the key `upto`) of a table that can be copied."""
    query = read_query(plan, StepKind.ROWS, after, upto=upto, copied=lambda c: _cell(plan, c))
    quoted = [n for n, column in enumerate(plan.columns) if not is_bare(plan, column)]
    return Copied(
        f"{query.sql} LIMIT {rows}",
        tuple(f"c{n}" for n in quoted),
        query.width,
        query.key_cells,
    )


def _cell(plan: TablePlan, column: ColumnPlan) -> str:
    """A cell's SQL, without the cast to text where COPY prints that by itself: a copy less of each."""
    base = plan.table.column(column.source).type.base if column.source else None
    value = f"t.{quote_identifier(column.source)}"
    uncast = column.read_sql.removesuffix("::text")
    if base is None or base.schema != "pg_catalog" or base.name not in PRINTED_ALIKE:
        return f"({column.read_sql})"
    alike = uncast in {value, f"({value} AT TIME ZONE 'UTC')"}
    return uncast if alike else f"({column.read_sql})"


def printed_rows(lines: bytes, rows: int) -> PrintedRows | tuple[()]:
    """So many rows that COPY printed.

    Raises:
        UnicodeDecodeError: the database holds text that isn't UTF-8.
    """
    if not rows:
        return ()
    printed = PrintedRows.of_lines(lines)
    if len(printed) != rows or not all(map(_is_plain, slices(lines))):
        return PrintedRows.of_lines(_without_control(lines.decode()).encode())
    return printed


def _is_plain(lines: bytes) -> bool:
    """Whether lines of UTF-8 have no other control characters than their ends."""
    lines.decode()
    return lines.translate(_NO_CONTROL) == lines


def _without_control(printed: str) -> str:
    """The same lines with the control characters of texts escaped as JSON wants it.

    No text of PostgreSQL has a NUL: it stands in for the backslash of an escape meanwhile.
    """
    parts = printed.replace(ESCAPE * 2, "\0b").replace(ESCAPE + QUOTE, "\0q").split(QUOTE)
    parts[1::2] = [part.translate(_ESCAPES) for part in parts[1::2]]
    return QUOTE.join(parts).replace("\0q", ESCAPE + QUOTE).replace("\0b", ESCAPE * 2)


def is_bare(plan: TablePlan, column: ColumnPlan) -> bool:
    """Whether a column prints nothing but an integer's own text, or 1 and 0, for a number column."""
    base = plan.table.column(column.source).type.base
    value = f"t.{quote_identifier(column.source)}"
    if column.storage is not Storage.INTEGER or base.schema != "pg_catalog":
        return False
    integer = base.name in _INTEGERS and column.read_sql == f"{value}::text"
    return integer or (base.name == "bool" and column.read_sql == f"{value}::int::text")
