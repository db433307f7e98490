"""What a plan's rows are like, counted and sampled, so that what it will cost isn't guessed.

Statistics may be old, or were never made. A table is counted where that reads little, and of some
of its rows PostgreSQL says how long they are as they will be sent, and as they will be stored.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

from streamer.errors import StreamerError
from streamer.model import (
    ColumnPlan,
    Measure,
    QualifiedName,
    StepKind,
    Storage,
    TableKind,
    TablePlan,
    TypeKind,
    Wire,
)
from streamer.plan.estimate import estimated_rows
from streamer.plan.source_sql import column_sql, from_sql, rows_sql, text_sql
from streamer.postgres.answers import counted
from streamer.postgres.connect import Session
from streamer.postgres.copied import ESCAPE, QUOTE, can_copy, is_bare
from streamer.postgres.questions import AT_A_TIME, Ask

COUNTED_BYTES = 500_000_000  # a table up to this size is counted: a second or two
SAMPLED_ROWS = 4_000
SAMPLED_BYTES = 16_000_000
_LONG_ROW_BYTES = 4_000  # longer rows are in TOAST: asking for their lengths alone doesn't read it
_SCANNED_BLOCKS = 12_800  # 100 MB: all are read, for rows from each
_SAMPLED_BLOCKS = 200
_FEW_ROWS = 100
_LENGTH_IS_KNOWN = frozenset({"text", "varchar", "bytea", "json", "xml", "citext"})
_SAMPLES = frozenset({TableKind.TABLE, TableKind.PARTITIONED, TableKind.MATERIALIZED_VIEW})
_TIMEOUT_S = 20.0


async def measure(plans: Sequence[TablePlan], ask: Ask) -> Mapping[QualifiedName, Measure]:
    """The measures of all tables that can be measured in a short time."""
    found: dict[QualifiedName, Measure] = {}
    places = asyncio.Semaphore(AT_A_TIME)

    async def one(plan: TablePlan) -> None:
        async with places:
            try:
                found[plan.name] = await ask(f"measuring {plan.name}", _work(plan))
            except (StreamerError, TimeoutError):
                return  # then its statistics have to do

    async with asyncio.TaskGroup() as group:
        for plan in plans:
            group.create_task(one(plan), name=f"measure-{plan.name}")
    return found


def _work(plan: TablePlan) -> Callable[[Session], Awaitable[Measure]]:
    async def work(session: Session) -> Measure:
        partial = _predicates(plan)
        row = await counted(session, sample_query(plan), timeout_s=_TIMEOUT_S)
        if row[0] < _FEW_ROWS:  # of a big table with a `where`, or of one that is half empty
            first_ones = sample_query(plan, anywhere=False)
            row = await counted(session, first_ones, timeout_s=_TIMEOUT_S)
        *numbers, bodies = row
        sampled, *sums = (float(cell or 0) for cell in numbers)
        average = [total / max(sampled, 1) for total in sums]
        columns = len(plan.columns)
        body, stored, shares = average[0], average[1 : columns + 1], average[columns + 1 :]
        # So few of the first ones are all: the statistics are older than what deleted the others.
        rows = sampled if sampled < _FEW_ROWS else plan.table.rows
        counts = [share * rows for share in shares]
        if is_counted(plan):
            row = await counted(session, count_query(plan), timeout_s=_TIMEOUT_S)
            rows, *counts = row
        indexed = {name: int(count) for name, count in zip(partial, counts, strict=True)}
        return Measure(int(rows), body, tuple(stored), indexed, tuple(bodies or ()))

    return work


def _predicates(plan: TablePlan) -> dict[str, str]:
    """PostgreSQL's conditions of the partial indexes that D1 gets, by their names in D1."""
    known = {f"{plan.name}.{index.name}": index.predicate for index in plan.table.indexes}
    return {
        index.name: predicate
        for index in plan.indexes
        if index.where and (predicate := known.get(index.object)) is not None
    }


def count_query(plan: TablePlan) -> str:
    """One row: how many rows there are, and how many of them each partial index has."""
    partial = [f"count(*) FILTER (WHERE {sql})" for sql in _predicates(plan).values()]
    return f"SELECT {', '.join(['count(*)', *partial])} {rows_sql(plan.table, plan.where)}"


def is_counted(plan: TablePlan) -> bool:
    """Whether the rows are counted, and not taken from the statistics."""
    # A table that big which had no rows when it was analysed may have some now.
    nobody_knows = plan.table.rows <= 0 or plan.where
    return bool(nobody_knows) or plan.table.bytes <= COUNTED_BYTES


def sample_query(plan: TablePlan, *, anywhere: bool = True) -> str:
    """One row: how many rows were sampled, their bytes in a request body, each column's as stored.

    Then how many of them each partial index has, and where rows are long, the bytes in a request body
    of each, else NULL. Not `anywhere`: the first rows that there are.
    """
    table = plan.table
    average = table.bytes // table.rows if table.rows > 0 else 0
    limit = max(_FEW_ROWS, min(SAMPLED_ROWS, SAMPLED_BYTES // max(average, 1)))
    is_long = average > _LONG_ROW_BYTES
    cells = [_cell(plan, column, is_long=is_long) for column in plan.columns]
    if is_long:
        frames = 8 * len(cells)  # of quotes, each escaped, and commas
        body = " + ".join([str(frames), *(f"coalesce(octet_length({cell}), 0)" for cell in cells)])
        body = _doubled(plan, cells, body)
    elif can_copy(plan, StepKind.ROWS):
        lengths = [_copied(plan, c, sql) for c, sql in zip(plan.columns, cells, strict=True)]
        body = " + ".join([str(len(cells) + 2), *lengths])  # commas and brackets
    else:
        row = f"pg_catalog.json_build_array({', '.join(cells)})::text"
        # PostgreSQL writes a blank behind each comma, which isn't sent; a comma is, behind the row.
        body = f"octet_length(pg_catalog.to_json({row})::text) - {len(cells) + 1}"
    stored = [_stored(column, cell) for column, cell in zip(plan.columns, cells, strict=True)]
    partial = [f"({sql})::int" for sql in _predicates(plan).values()]
    outputs = [f"({sql})::bigint AS s{at}" for at, sql in enumerate((body, *stored, *partial))]
    sums = ", ".join(f"sum(x.s{at})" for at in range(len(outputs)))
    rows = rows_sql(plan.table, plan.where)
    if anywhere:
        # Far more rows may come than were meant: only then does the limit cut some off.
        rows, limit = _spread(plan, rows, limit), 4 * limit
    sampled = f"SELECT {', '.join(outputs)} {rows} LIMIT {limit}"
    each = "array_agg(x.s0)" if is_long else "NULL"
    return f"SELECT count(*), {sums}, {each} FROM ({sampled}) AS x"


def _spread(plan: TablePlan, rows: str, wanted: int) -> str:
    """FROM and WHERE for about so many rows from everywhere in the table, where it has more.

    Of a big table some whole blocks are read, and all their rows: neighbours are alike.
    """
    blocks = sum(leaf.blocks for leaf in plan.table.leaves)
    there = estimated_rows(plan.table, plan.columns)
    if plan.table.kind not in _SAMPLES or there <= wanted:
        return rows
    way, share = "BERNOULLI", 100.0 * wanted / there
    if blocks > _SCANNED_BLOCKS:
        way, share = "SYSTEM", 100.0 * _SAMPLED_BLOCKS / blocks
    name = from_sql(plan.table)
    return rows.replace(name, f"{name} TABLESAMPLE {way} ({share:.6f}) REPEATABLE (1)", 1)


def _cell(plan: TablePlan, column: ColumnPlan, *, is_long: bool) -> str:
    name = column_sql(column.source)
    if not is_long or name not in column.read_sql:
        return f"({column.read_sql})"
    kind = plan.table.column(column.source).type.base
    if kind.kind is TypeKind.BASE and kind.name in _LENGTH_IS_KNOWN:
        return name if kind.name == "bytea" else f"{name}::text"
    return f"({column.read_sql})"


def _doubled(plan: TablePlan, cells: Sequence[str], body: str) -> str:
    """Count what is sent as hex twice, where its length is asked for as it is."""
    again = [
        f" + coalesce(octet_length({cell}), 0)"
        for column, cell in zip(plan.columns, cells, strict=True)
        if column.wire is Wire.HEX and cell == column_sql(column.source)
    ]
    return body + "".join(again)


def _copied(plan: TablePlan, column: ColumnPlan, cell: str) -> str:
    """A cell's bytes in a request body, where COPY prints it: a text in single quotes, or a number."""
    if is_bare(plan, column):
        length = f"octet_length({cell})"
    else:
        escaped = cell
        for mark in (ESCAPE, QUOTE):
            escaped = f"replace({escaped}, {text_sql(mark)}, {text_sql(ESCAPE + mark)})"
        length = f"octet_length(pg_catalog.to_json({escaped})::text)"
    return f"coalesce({length}, 4)"


def _stored(column: ColumnPlan, cell: str) -> str:
    """A cell's bytes in a SQLite record, its type's byte included."""
    length = f"coalesce(octet_length({cell}), 0)"
    match column.storage:
        case Storage.TEXT:
            return f"1 + {length}"
        case Storage.BLOB:
            is_hex = cell != column_sql(column.source)
            return f"1 + {length} / {2 if is_hex else 1}"
        case Storage.INTEGER:
            return f"1 + {_digits(length)}"
        case Storage.REAL:  # whole numbers are stored as integers
            return f"1 + CASE WHEN {cell} ~ '[.]0*[1-9]|e' THEN 8 ELSE {_digits(length)} END"


def _digits(length: str) -> str:
    """A whole number's bytes, 1, 2, 3, 4, 6 or 8, by its digits."""
    return f"least(8, ({length} * 42 + 50) / 100)"
