"""What a run will cost, guessed from PostgreSQL's statistics: requests, time, rows written, money.

Guesses are for deciding, not for billing; each constant says where it comes from.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from streamer import limits
from streamer.model import (
    ColumnPlan,
    Estimate,
    KeyKind,
    Loading,
    Rate,
    Storage,
    Table,
    TablePlan,
    Wire,
)
from streamer.translate.keys import is_rowid_alias, primary_index

_TUPLE_BYTES = 28  # 24 of header and 4 of line pointer, postgresql.org/docs/17/storage-page-layout
_SMALL_TABLE_BYTES = 1_000_000  # below it, half-empty pages and maps say nothing of the rows
_BYTES_OF = {Storage.INTEGER: 6, Storage.REAL: 8, Storage.TEXT: 24, Storage.BLOB: 64}
_REQUEST_BYTES = 2_500_000  # between the 2 MB a run starts with and the 4 MB it grows to
_CELL_OVERHEAD = 3  # quotes and comma of a JSON cell
_PLAIN_ROWS_PER_S = 40_000  # what 100 requests of 1,000,000 rows of ten columns come to
_BODY_BYTES_PER_S = 5_000_000
_CONTROL_REQUESTS = 6  # survey, bookmark, owner, ledger, foreign key check, optimize
_PUBLISH_ROWS_PER_S = 100_000  # an eighth of what a local engine publishes
_PUBLISH_BYTES_PER_S = 20_000_000
_ROW_BYTES = 8  # a SQLite row's or index entry's header and number


def estimated_rows(table: Table, columns: Sequence[ColumnPlan]) -> int:
    """The planner's row count, or a guess from the size where the table was never analysed."""
    blocks = sum(leaf.blocks for leaf in table.leaves)
    if table.rows > 0 or (table.rows == 0 and blocks == 0):
        return table.rows
    if blocks == 0:
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


def estimate(tables: Sequence[TablePlan], rate: Rate | None) -> Estimate:
    """What moving `tables` will cost; `rate` None: as fast as D1 goes."""
    total = sum(body_bytes(table.table, table.columns) for table in tables)
    statements = sum(2 + len(table.indexes) for table in tables)
    late = sum(not index.early for table in tables for index in table.indexes)
    requests = (
        math.ceil(total / _REQUEST_BYTES)
        + math.ceil(statements / limits.BATCH_STATEMENTS)
        + sum(table.loading is Loading.TWO_PASS for table in tables)
        + late
        + len({table.cycle for table in tables if table.cycle >= 0})
        + _CONTROL_REQUESTS
    )
    if not tables:
        requests = 0
    rows = sum(estimated_rows(table.table, table.columns) for table in tables)
    paced = (requests - rate.requests) / (rate.requests / rate.seconds) if rate else 0.0
    written = sum(_rows_written(table) for table in tables)
    return Estimate(
        requests=requests,
        seconds=round(max(rows / _PLAIN_ROWS_PER_S, total / _BODY_BYTES_PER_S, paced, 0.0), 1),
        rows_written=written,
        cost_usd=round(written / 1_000_000 * limits.USD_PER_MILLION_WRITTEN, 2),
        size_bytes=sum(_size_bytes(table) for table in tables),
    )


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


def _rows_written(table: TablePlan) -> int:
    """Each row, and each entry of an index, is billed as a row written."""
    rows = estimated_rows(table.table, table.columns)
    own_index = _key_has_own_index(table)
    once = rows * (1 + len(table.indexes) + own_index)
    match table.loading:
        case Loading.DIRECT:
            return once
        case Loading.TWO_PASS:
            return once + rows
        case Loading.STAGED:
            keyed = table.key.kind is KeyKind.UNIQUE or own_index
            return once + rows * (1 + keyed)


def _size_bytes(table: TablePlan) -> int:
    rows = estimated_rows(table.table, table.columns)
    data = _stored_bytes(table.table, table.columns)
    indexes = sum(index.source_bytes for index in table.indexes)
    key = sum(i.bytes for i in table.table.indexes if i.primary) * _key_has_own_index(table)
    return data + rows * (_ROW_BYTES + len(table.columns)) + indexes + key
