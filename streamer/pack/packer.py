"""Pages become chunks: whole pages where they fit, else as few and even parts as the limits allow."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from operator import itemgetter

import orjson

from streamer import limits
from streamer.errors import BadRowsError
from streamer.frozen import frozen
from streamer.model import Chunk, Key, Pack, Page, PageSize, Statement, StepId
from streamer.model.printed import PrintedRows
from streamer.pack.cells import page_cells
from streamer.pack.fat import fat_statement
from streamer.pack.layout import PARAMETER_BYTES, Layout

MOST_PAGE_ROWS = 20_000
_MOST_GROWTH = 4
_LEAST_MARGIN, _MOST_MARGIN = 0.01, 0.08  # shares: a page that is too big is packed twice
_FORGETTING = 0.7  # of the largest change of a row's bytes, from page to page
_ESCAPED = 1.15  # a typical parameter's growth when it is written into the request body


def pack_page(
    layout: Layout,
    page: Page,
    *,
    step: StepId,
    number: int,
    after: Key | None,
    max_statements: int = limits.BATCH_STATEMENTS - 1,
    chunk_bytes: int = limits.CHUNK_BYTES,
) -> list[Chunk]:
    """All rows of a page as chunks numbered from `number`, the first behind the key `after`.

    Rows that were left out count for the chunk of the row behind them, those at the end for the last
    chunk; where nothing is left of a page, that is one without statements.

    A chunk takes at most `chunk_bytes` of a request's body, unless it is a single row, and at most
    `max_statements` statements.

    Raises:
        BadRowsError: a row can't be stored; `oversized_rows` says which ones are too long.
    """
    end = len(page.records)
    if not end:
        nothing = _Part(0, 0, (), 0)
        return [_chunk(page, nothing, step=step, number=number, after=after)]
    try:
        if layout.form is Pack.JSON:
            parts = list(_json_parts(layout, page, 0, end, chunk_bytes))
        else:
            parts = list(_values_parts(layout, page, max_statements, chunk_bytes))
    except orjson.JSONEncodeError:  # what it raises for anything but a valid str or None
        raise BadRowsError(
            f"{layout.rows_named(page.key_of(0), page.key_of(end - 1))}: "
            "a cell isn't text in valid Unicode.",
            hint="Mend the transform that made it.",
        ) from None
    chunks: list[Chunk] = []
    for offset, part in enumerate(parts):
        chunks.append(_chunk(page, part, step=step, number=number + offset, after=after))
        after = chunks[-1].last
    return chunks


def _chunk(page: Page, part: _Part, *, step: StepId, number: int, after: Key | None) -> Chunk:
    """A part of a page; the rows that were left out before its rows, or at the end, are its own."""
    whole = part.end == len(page.records)
    trailing = page.left_out[part.end] if whole and page.left_out else 0
    return Chunk(
        step=step,
        number=number,
        rows=part.end - part.start,
        after=after,
        last=page.last if whole else page.key_of(part.end - 1),
        statements=part.statements,
        bytes=part.bytes,
        snapshot=page.snapshot,
        skipped=sum(page.left_out[part.start : part.end]) + trailing,
        last_skipped=trailing > 0,
    )


def adjust_page(size: PageSize, *, rows: int, packed_bytes: int, target_bytes: int) -> None:
    """Have the next page fill a chunk of `target_bytes`, after one whose `rows` took `packed_bytes`.

    It stays below by as much as rows vary from page to page; grows at most fourfold.
    """
    if rows < 1 or packed_bytes < 1:
        return
    row_bytes = packed_bytes / rows
    if size.row_bytes:
        change = abs(row_bytes / size.row_bytes - 1)
        size.spread = max(change, size.spread * _FORGETTING)
    size.row_bytes = row_bytes
    margin = min(max(2 * size.spread, _LEAST_MARGIN), _MOST_MARGIN)
    ideal = int(target_bytes * (1 - margin) / row_bytes)
    size.rows = max(1, min(ideal, size.rows * _MOST_GROWTH, MOST_PAGE_ROWS))


def statement_bytes(statement: Statement) -> int:
    """What a statement takes in a request's body, the comma after it included."""
    return statement.bytes + 1


@frozen
class _Part:
    """Rows [start, end) of a page, packed."""

    start: int
    end: int
    statements: tuple[Statement, ...]
    bytes: int


def _json_parts(
    layout: Layout, page: Page, start: int, end: int, chunk_bytes: int
) -> Iterator[_Part]:
    """One statement a part. A part that is too big is cut evenly into as many as its bytes need."""
    rows = _json_rows(layout, page, start, end)
    size = rows.json_bytes if isinstance(rows, PrintedRows) else len(rows)  # encoded, or shorter
    alone = end - start == 1
    if size <= PARAMETER_BYTES and (alone or size <= chunk_bytes):
        params = rows if isinstance(rows, PrintedRows) else orjson.dumps([rows])
        statement = Statement(layout.json_sql, params)
        body = statement_bytes(statement)
        if (alone or body <= chunk_bytes) and _is_within(rows, body):
            yield _Part(start, end, (statement,), body)
            return
        size = body
    if alone:
        yield _fat_part(layout, page, start)
        return
    for low, high in cut_evenly(start, end, size, chunk_bytes):
        yield from _json_parts(layout, page, low, high, chunk_bytes)


def _is_within(rows: str | PrintedRows, body: int) -> bool:
    """Whether the parameter that rows make in `body` bytes is as short as it must be."""
    if body <= PARAMETER_BYTES or isinstance(rows, PrintedRows):
        return True
    return len(rows.encode()) <= PARAMETER_BYTES


def _json_rows(layout: Layout, page: Page, start: int, end: int) -> str | PrintedRows:
    """Rows as the text of a JSON array of arrays, or as they are where they were printed as such."""
    if isinstance(page.records, PrintedRows) and not layout.real_cells:
        rows = page.records.part(start, end)
        return rows if layout.engine.single_quotes else rows.standard()
    if page.json_rows and not layout.real_cells:
        return "[" + ",".join(map(itemgetter(0), page.records[start:end])) + "]"
    return orjson.dumps(page_cells(layout, page, start, end)).decode()


def _fat_part(layout: Layout, page: Page, index: int) -> _Part:
    cells = page_cells(layout, page, index, index + 1)[0]
    statement = fat_statement(layout, cells, page.key_of(index))
    return _Part(index, index + 1, (statement,), statement_bytes(statement))


def _values_parts(
    layout: Layout, page: Page, max_statements: int, chunk_bytes: int
) -> Iterator[_Part]:
    """As many statements a part as fit; a row too long for it is a part of its own."""
    open_part: _Part | None = None
    for start, end, statement in _values_statements(layout, page, chunk_bytes):
        if statement is None:
            if open_part:
                yield open_part
            yield _fat_part(layout, page, start)
            open_part = None
            continue
        size = statement_bytes(statement)
        if open_part and (
            open_part.bytes + size > chunk_bytes or len(open_part.statements) >= max_statements
        ):
            yield open_part
            open_part = None
        if open_part is None:
            open_part = _Part(start, end, (statement,), size)
        else:
            statements = (*open_part.statements, statement)
            open_part = _Part(open_part.start, end, statements, open_part.bytes + size)
    if open_part:
        yield open_part


def _values_statements(
    layout: Layout, page: Page, chunk_bytes: int
) -> Iterator[tuple[int, int, Statement | None]]:
    """Ranges of rows, each with its statement, or with None: a single row that needs another form."""
    rows = page_cells(layout, page, 0, len(page.records))
    full = layout.values_statement(layout.rows_per_statement)
    waiting = _groups(0, len(rows), layout.rows_per_statement)
    while waiting:
        start, end = waiting.pop()
        params = orjson.dumps([row[n] for row in rows[start:end] for n in layout.sent])
        if len(params) <= min(chunk_bytes, PARAMETER_BYTES) or end - start == 1:
            whole = end - start == layout.rows_per_statement
            sql = full if whole else layout.values_statement(end - start)
            fits = len(params) <= PARAMETER_BYTES
            yield start, end, Statement(sql, params) if fits else None
        else:
            waiting += reversed(_evenly(start, end, 2))


def _groups(start: int, end: int, rows: int) -> list[tuple[int, int]]:
    """Ranges of at most `rows` rows that cover [start, end), the first one last."""
    return [(low, min(low + rows, end)) for low in range(start, end, rows)][::-1]


def cut_evenly(start: int, end: int, size: int, chunk_bytes: int) -> list[tuple[int, int]]:
    """Rows [start, end), whose parameter of `size` bytes is too big for a chunk, as two parts or more."""
    parts = int(size * _ESCAPED / min(chunk_bytes, PARAMETER_BYTES)) + 1
    return _evenly(start, end, max(2, parts))


def _evenly(start: int, end: int, parts: int) -> list[tuple[int, int]]:
    """Cut [start, end) into at most `parts` ranges of nearly equal length, none empty."""
    parts = min(parts, end - start)
    edges = [start + (end - start) * n // parts for n in range(parts + 1)]
    return list(pairwise(edges))
