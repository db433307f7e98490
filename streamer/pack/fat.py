"""Rows too long for one parameter: their largest cells travel as parameters of their own."""

from __future__ import annotations

from collections.abc import Sequence

import orjson

from streamer import limits
from streamer.errors import BadRowsError
from streamer.frozen import frozen
from streamer.model import ColumnPlan, Key, Page, Statement, Storage, Wire
from streamer.pack.cells import page_cells
from streamer.pack.layout import PARAMETER_BYTES, Layout

Cells = Sequence[str | None]

_INTEGER_BYTES = (0, 1, 2, 3, 4, 6, 8)  # sqlite.org/fileformat2.html, record format
_REAL_BYTES = 8
_ONE_BYTE_VARINT = 127
_NO_SUCH_VALUE = "randomblob(16)"


@frozen
class Oversized:
    """A row of a page that D1 has no room for: its index and key, and the bytes it would take."""

    index: int
    key: Key
    bytes: int


def oversized_rows(layout: Layout, page: Page) -> list[Oversized]:
    """The rows of a page that `pack_page` refuses, for a caller that goes on without them."""
    found: list[Oversized] = []
    for index, cells in enumerate(page_cells(layout, page, 0, len(page.records))):
        if len(orjson.dumps(cells)) + 2 > PARAMETER_BYTES:
            size = record_bytes(layout, cells)
            if size > limits.VALUE_BYTES:
                found.append(Oversized(index, page.key_of(index), size))
    return found


def fat_statement(layout: Layout, cells: Cells, key: Key) -> Statement:
    """One row as one statement: small cells in the JSON parameter ?1, big ones from ?2 on.

    A row that takes more than D1 has for one is in D1 as it is nowhere: where it is only compared,
    its largest cells differ from whatever there is.

    Raises:
        BadRowsError: the row takes more bytes than D1 has for a row, and is to be stored.
    """
    bound: dict[int, str] = {}
    size = record_bytes(layout, cells)
    if size > limits.VALUE_BYTES and layout.stores:
        raise BadRowsError(
            f"{layout.row_named(key)}: the row takes {size:,} bytes; "
            f"D1 takes {limits.VALUE_BYTES:,}.",
            hint="Shorten the row in PostgreSQL, or leave its table out with --exclude.",
        )
    while record_bytes(layout, cells) > limits.VALUE_BYTES:
        largest = max(range(len(cells)), key=lambda n: _stored_bytes(layout.columns[n], cells[n]))
        bound[largest] = _NO_SUCH_VALUE
        cells = [None if n == largest else cell for n, cell in enumerate(cells)]
    parameters: list[str | None] = []
    for n in _big_cells(cells):
        pieces = _pieces(cells[n] or "", layout.columns[n].wire)
        first = len(parameters) + 2
        numbers = range(first, first + len(pieces))
        bound[n] = _bound_sql(layout.columns[n].wire, list(numbers))
        parameters += pieces
    small = [None if n in bound else cell for n, cell in enumerate(cells)]
    rows = orjson.dumps([small]).decode()
    return Statement.of(layout.json_statement(bound), rows, *parameters)


def record_bytes(layout: Layout, cells: Cells) -> int:
    """What SQLite's record of a row takes: a header, texts in UTF-8, blobs as bytes, numbers."""
    header = content = 0
    for n, (column, cell) in enumerate(zip(layout.columns, cells, strict=True)):
        if n == layout.rowid_cell and not column.source:
            continue  # not a column of the table
        size = 0 if n == layout.rowid_cell else _stored_bytes(column, cell)
        texts = column.storage in {Storage.TEXT, Storage.BLOB}
        content += size
        header += _varint_bytes(13 + 2 * size if texts else 0)
    return header + _varint_bytes(header + 1) + content


def _big_cells(cells: Cells) -> list[int]:
    """The largest cells, as few as leave the others room in one JSON parameter."""
    sizes = [len(orjson.dumps(cell)) + 1 for cell in cells]
    left = sum(sizes) + len("[[]]")
    smallest_first = sorted(range(len(cells)), key=sizes.__getitem__)
    big: list[int] = []
    while left > PARAMETER_BYTES:
        big.append(smallest_first.pop())
        left -= sizes[big[-1]] - len("null,")
    return big


def _pieces(cell: str, wire: Wire) -> list[str]:
    """A big cell as parameters: hex digits in halves where there are more than D1 takes at once."""
    if wire is Wire.TEXT or len(cell) <= limits.VALUE_BYTES:
        return [cell]
    half = limits.VALUE_BYTES // 2 * 2
    return [cell[at : at + half] for at in range(0, len(cell), half)]


def _bound_sql(wire: Wire, numbers: list[int]) -> str:
    if wire is Wire.TEXT:
        return f"?{numbers[0]}"
    pieces = "||".join(f"unhex(?{number})" for number in numbers)
    return pieces if len(numbers) == 1 else f"CAST({pieces} AS BLOB)"


def _stored_bytes(column: ColumnPlan, cell: str | None) -> int:
    if cell is None:
        return 0
    if column.wire is Wire.HEX:
        return len(cell) // 2
    if column.storage is Storage.INTEGER and cell.lstrip("-").isdecimal():
        value = int(cell)
        return next(
            (size for size in _INTEGER_BYTES if _fits(value, size)),
            _REAL_BYTES,
        )
    if column.storage in {Storage.INTEGER, Storage.REAL}:
        return _REAL_BYTES
    return len(cell.encode())


def _fits(value: int, size: int) -> bool:
    return value in {0, 1} if size == 0 else -(1 << 8 * size - 1) <= value < 1 << 8 * size - 1


def _varint_bytes(value: int) -> int:
    """How long SQLite's variable-length integer of a small non-negative `value` is."""
    size = 1
    while value > _ONE_BYTE_VARINT:
        value, size = value >> 7, size + 1
    return size
