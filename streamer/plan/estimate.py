"""What a run will cost, by what was measured, or guessed from statistics: requests, time, rows, money.

Guesses are for deciding, not for billing; each constant says where it comes from.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from streamer import limits
from streamer.model import (
    NOTHING_KNOWN,
    ColumnPlan,
    Estimate,
    Finding,
    KeyKind,
    Known,
    Loading,
    Measure,
    Plan,
    QualifiedName,
    Rate,
    Severity,
    Storage,
    Table,
    TablePlan,
    Wire,
)
from streamer.plan.requests import AUTOMATIC, Packing, row_requests
from streamer.plan.timing import Work, time_of
from streamer.translate.indexes import LARGE_INDEX_BYTES, LARGE_TABLE_BYTES
from streamer.translate.keys import is_rowid_alias, primary_index
from streamer.translate.names import quote

_TUPLE_BYTES = 28  # 24 of header and 4 of line pointer, postgresql.org/docs/17/storage-page-layout
_SMALL_TABLE_BYTES = 1_000_000  # below it, half-empty pages and maps say nothing of the rows
_BYTES_OF = {Storage.INTEGER: 6, Storage.REAL: 8, Storage.TEXT: 24, Storage.BLOB: 64}
_CELL_OVERHEAD = 3  # quotes and comma of a JSON cell
_CONTROL_REQUESTS = 3  # find, look, bookmark
_CLAIM_STATEMENTS = 7  # of the request that makes new tables, if it has room for both
_LEAVE_STATEMENTS = 10  # of the one that builds and checks and takes the marks away, likewise
_CHECKED_AT_ONCE = 90
_CHECKED_ROWS = 3_000_000
_INDEXED_BYTES = 22  # an entry over one integer
_PUBLISH_ROWS_PER_S = 100_000  # an eighth of what a local engine publishes
_PUBLISH_BYTES_PER_S = 20_000_000
_ROW_BYTES = 4  # a SQLite row's pointer, length and header, sqlite.org/fileformat2.html
_LONG_ROW_BYTES = 128  # from here on its length takes another byte
_ENTRY_BYTES = 8  # of an index likewise, the row's number in it
_KEY_BYTES = 10  # an expression's value
_PAGE_HOLDS = limits.PAGE_BYTES - 35  # of one entry, or of several without their pointers
_CHAINED = limits.PAGE_BYTES - 4  # of a long one, on each page of its chain
_STAYS = (limits.PAGE_BYTES - 12) * 32 // 255 - 23  # of it, at least, in the tree itself
_SPREAD = tuple(0.9 + n * 0.02 for n in range(11))  # rows of a table are of several sizes
_FAN_OUT = 400  # pages below an inner one
_IN_ORDER = 0.87  # how full an index's pages are, its entries having come in its order (measured)
_AS_THEY_COME = 0.72  # or in any other
_OWN_PAGES = 10  # of D1's own table, and those that our marks leave free


def estimated_rows(table: Table, columns: Sequence[ColumnPlan]) -> int:
    """The planner's row count, or what was counted; a guess from the size where nobody knows.

    A table without rows may have blocks: of those that were deleted.
    """
    if table.rows >= 0:
        return table.rows
    if not any(leaf.blocks for leaf in table.leaves):
        return 0
    return max(1, (table.bytes - table.toast_bytes) // (_TUPLE_BYTES + _row_width(columns)))


def average_row_bytes(table: Table) -> int | None:
    """Average bytes of a row in PostgreSQL, its TOAST included; None where nobody knows."""
    return table.bytes // table.rows if table.rows > 0 else None


def body_bytes(table: Table, columns: Sequence[ColumnPlan]) -> int:
    """How many bytes of request body the table's rows will take."""
    rows = estimated_rows(table, columns)
    hexed = sum(column.wire is Wire.HEX for column in columns) / max(len(columns), 1)
    cells = _stored_bytes(table, columns) * (1 + hexed)
    return int(cells + rows * (_CELL_OVERHEAD * len(columns) + 2))


def publish_seconds(tables: Sequence[tuple[Table, Sequence[ColumnPlan]]]) -> float:
    """How long one request that copies these staged tables into place will run in D1."""
    rows = sum(estimated_rows(table, columns) for table, columns in tables)
    size = sum(_stored_bytes(table, columns) for table, columns in tables)
    return max(rows / _PUBLISH_ROWS_PER_S, size / _PUBLISH_BYTES_PER_S)


def estimate(
    tables: Sequence[TablePlan],
    rate: Rate | None,
    measures: Mapping[QualifiedName, Measure] | None = None,
    *,
    views: int = 0,
    packing: Packing = AUTOMATIC,
    known: Known = NOTHING_KNOWN,
) -> Estimate:
    """What moving `tables` will cost; `rate` None: as fast as D1 goes.

    By what was measured of them; of others, by what the statistics say.
    """
    seen = [(table, measure_of(table, measures or {})) for table in tables]
    levels = row_requests(seen, packing)
    batches = sum(levels)
    requests = batches + _other_requests(seen, views) if tables else 0
    rows = sum(measure.rows for _, measure in seen)
    total = sum(measure.rows * measure.body_bytes for _, measure in seen)
    # Each table has an owner and each batch a ledger entry; they are written, and deleted. What is
    # made is a row of the schema.
    marks = 2 * (batches + len(tables)) + sum(1 + len(table.indexes) for table in tables)
    written = marks + sum(_rows_written(table, measure) for table, measure in seen)
    entries = sum(_entries(table, measure) for table, measure in seen)
    references = sum(_references(table, measure) for table, measure in seen)
    work = Work(
        requests=requests,
        row_requests=batches,
        rows=rows,
        body_bytes=total,
        levels=len(levels),
        tables=len(tables),
        entries=entries,
        references=references,
    )
    span = time_of(work, rate, packing, known)
    return Estimate(
        requests=requests,
        seconds=round(span.most_s, 2) if tables else 0.0,
        rows_written=written,
        cost_usd=round(written / 1_000_000 * limits.USD_PER_MILLION_WRITTEN, 6),
        size_bytes=_size_of(seen),
        least_seconds=round(span.least_s, 2) if tables else 0.0,
        timed_by=span.timed_by,
    )


def measured(
    plan: Plan,
    rate: Rate | None,
    measures: Mapping[QualifiedName, Measure],
    *,
    packing: Packing = AUTOMATIC,
    known: Known = NOTHING_KNOWN,
) -> Plan:
    """The plan with the rows that were counted, and an estimate, and warning, by what was measured."""
    tables = tuple(
        replace(table, table=replace(table.table, rows=measures[table.name].rows))
        if table.name in measures
        else table
        for table in plan.tables
    )
    found = estimate(tables, rate, measures, views=len(plan.views), packing=packing, known=known)
    guessed = about_size(plan.size_bytes)
    others = (finding for finding in plan.findings if finding not in guessed)
    return replace(
        plan,
        tables=tables,
        findings=(*others, *about_size(found.size_bytes)),
        size_bytes=found.size_bytes,
        measured=found,
    )


def size_of(tables: Sequence[TablePlan]) -> int:
    """The bytes that D1 will hold of `tables`, by what the statistics say."""
    return _size_of([(table, measure_of(table, {})) for table in tables])


def _size_of(seen: Sequence[tuple[TablePlan, Measure]]) -> int:
    ours = _OWN_PAGES * limits.PAGE_BYTES if seen else 0
    return sum((_size_bytes(table, measure) for table, measure in seen), ours)


def about_size(size_bytes: int) -> list[Finding]:
    """What is to be said of a database that D1 has no room for."""
    if size_bytes <= limits.DATABASE_BYTES:
        return []
    what = f"about {size_bytes:,} bytes are expected, D1 holds {limits.DATABASE_BYTES:,}"
    return [Finding(Severity.WARNING, "size", what, "Move fewer tables")]


def measure_of(table: TablePlan, measures: Mapping[QualifiedName, Measure]) -> Measure:
    """What was measured of a table, or else what its statistics say."""
    return measures.get(table.name) or _guessed(table.table, table.columns)


def _guessed(table: Table, columns: Sequence[ColumnPlan]) -> Measure:
    rows = estimated_rows(table, columns)
    stored = _stored_bytes(table, columns) / max(rows, 1)
    width = _row_width(columns)
    return Measure(
        rows,
        body_bytes(table, columns) / max(rows, 1),
        tuple(stored * _BYTES_OF[column.storage] / width for column in columns),
    )


def _other_requests(seen: Sequence[tuple[TablePlan, Measure]], views: int) -> int:
    """What is needed before and after the rows."""
    tables = [table for table, _ in seen]
    return (
        _first_requests(tables)
        + any(table.after_sql for table in tables)
        + 2 * len({table.cycle for table in tables if table.cycle >= 0})
        + _last_requests(seen, views)
        + _CONTROL_REQUESTS
    )


def _first_requests(tables: Sequence[TablePlan]) -> int:
    """To claim the tables and make them: one, where there is room in it, as if none was there."""
    early = sum(index.early for table in tables for index in table.indexes)
    statements = early + sum(1 + bool(table.stage) * 2 for table in tables)
    if statements + _CLAIM_STATEMENTS <= limits.BATCH_STATEMENTS:
        return 1
    return 2 + math.ceil(statements / limits.BATCH_STATEMENTS)


def _last_requests(seen: Sequence[tuple[TablePlan, Measure]], views: int) -> int:
    """For indexes, checks, views and the run's end: one, where it has time and room for all of that.

    Views have one of their own, and the end does where they or a unique index come before it.
    """
    late = [
        (
            index,
            max(index.source_bytes, measure.rows * _INDEXED_BYTES) / LARGE_INDEX_BYTES
            + max(table.table.bytes, measure.rows * measure.body_bytes) / LARGE_TABLE_BYTES,
        )
        for table, measure in seen
        for index in table.indexes
        if not index.early
    ]
    built = [load for _, load in late]
    checked = [(m.rows + _references(table, m)) / _CHECKED_ROWS for table, m in seen]
    count = len(built) + len(checked)
    if sum(built) + sum(checked) <= 1.0 and count <= limits.BATCH_STATEMENTS:
        by_itself = views or any(index.unique for index, _ in late)
        if not by_itself and count + _LEAVE_STATEMENTS <= limits.BATCH_STATEMENTS:
            return 1
        return 2 + (views > 0)
    checks = _shared(checked, _CHECKED_AT_ONCE)
    return _shared(built, limits.BATCH_STATEMENTS) + checks + (views > 0) + 1


def _shared(loads: Sequence[float], most: int) -> int:
    """Requests for jobs that take these shares of one each, in their order, at most so many in one."""
    requests, jobs, taken = 0, most, 1.0
    for load in loads:
        if jobs == most or taken + load > 1.0:
            requests, jobs, taken = requests + 1, 0, 0.0
        jobs, taken = jobs + 1, taken + load
    return requests


def _row_width(columns: Sequence[ColumnPlan]) -> int:
    return sum(_BYTES_OF[column.storage] for column in columns)


def _stored_bytes(table: Table, columns: Sequence[ColumnPlan]) -> int:
    rows = estimated_rows(table, columns)
    if table.bytes < _SMALL_TABLE_BYTES:
        return rows * _row_width(columns)
    return max(table.bytes - rows * _TUPLE_BYTES, rows * len(columns))


def _key_has_own_index(table: TablePlan) -> bool:
    """Whether the primary key is an index beside the table, not the table itself."""
    storage = {column.source: column.storage for column in table.columns}
    return (
        primary_index(table.table) is not None
        and not table.without_rowid
        and not is_rowid_alias(table.table, table.key, storage.__getitem__)
    )


def _entries(table: TablePlan, measure: Measure) -> int:
    """Of its indexes, that of its key left out."""
    return sum(measure.indexed.get(index.name, measure.rows) for index in table.indexes)


def _references(table: TablePlan, measure: Measure) -> int:
    """Of its rows, each of which is followed at a run's end."""
    return measure.rows * len(table.foreign_keys)


def _rows_written(table: TablePlan, measure: Measure) -> int:
    """Each row, and each entry of an index, is billed as a row written."""
    own_index, rows = _key_has_own_index(table), measure.rows
    once = rows * (1 + own_index) + _entries(table, measure)
    match table.loading:
        case Loading.DIRECT:
            return once
        case Loading.TWO_PASS:
            return once + rows
        case Loading.STAGED:
            keyed = table.key.kind is KeyKind.UNIQUE or own_index
            return once + rows * (1 + keyed)


def _size_bytes(table: TablePlan, measure: Measure) -> int:
    """Whole pages of the table and of each index."""
    stored = {
        quote(column.target): size
        for column, size in zip(table.columns, measure.stored_bytes, strict=False)
    }
    own_index = _key_has_own_index(table)
    row = sum(stored.values())
    row += _ROW_BYTES + (row >= _LONG_ROW_BYTES)
    number = measure.rows.bit_length()  # bits of the row's number, of which a byte has seven
    if not own_index and len(table.key.targets) == 1 and not table.without_rowid:
        key = stored.get(quote(table.key.targets[0]), 1.0) - 1.0
        row -= key  # it is the row's number
        number = 8 * key
    row += 0 if table.without_rowid else max(1.0, number / 7)
    pages = _pages(measure.rows, row, _IN_ORDER if table.without_rowid else 1.0)
    keys = [(i.keys, i.name, _AS_THEY_COME if i.early else 1.0) for i in table.indexes]
    keys += [(tuple(map(quote, table.key.targets)), "", _IN_ORDER)] * own_index
    for columns, name, filled in keys:
        entry = sum(stored.get(key, _KEY_BYTES) for key in columns) + _ENTRY_BYTES
        pages += _pages(measure.indexed.get(name, measure.rows), entry, filled)
    return limits.PAGE_BYTES * pages


def _chained_pages(size: float) -> float:
    """Pages of a row of so many bytes, its share of one with others' included.

    What stays in the tree is as much as makes the pages of the chain full ones, where that fits
    (sqlite.org/fileformat2.html#cell_payload_overflow_pages).
    """
    stays = size
    if size > _PAGE_HOLDS:
        stays = _STAYS + (size - _STAYS) % _CHAINED
        stays = _STAYS if stays > _PAGE_HOLDS else stays
    return math.ceil((size - stays) / _CHAINED) + 1 / (_PAGE_HOLDS // stays)


def _pages(entries: int, size: float, filled: float) -> int:
    """Pages of a tree of so many entries: what doesn't fit begins another page, long ones have chains."""
    if size > _PAGE_HOLDS:
        sizes = [size * share for share in _SPREAD]
        return math.ceil(entries * sum(map(_chained_pages, sizes)) / len(sizes))
    leaves = max(1, math.ceil(entries * size / (_PAGE_HOLDS * filled - size / 2)))
    return leaves if leaves == 1 else leaves + 1 + leaves // _FAN_OUT
