"""A page's records as rows of cells, in the layout's order."""

from __future__ import annotations

from collections.abc import Sequence
from operator import itemgetter

from streamer.model import Page
from streamer.model.printed import printed_cells
from streamer.pack.doubles import exact_cell
from streamer.pack.layout import Layout

Row = Sequence[str | None]


def page_cells(layout: Layout, page: Page, start: int, end: int) -> list[Row]:
    """Rows [start, end) of a page as cells, all of them text or NULL.

    Costs nothing per cell unless the server printed whole rows or doubles must be made exact.
    """
    records = page.records[start:end]
    if page.json_rows:
        rows: list[Row] = [printed_cells(str(record[0])) for record in records]
    else:
        rows = list(map(itemgetter(slice(0, page.width)), records))
    if not layout.real_cells:
        return rows
    return [_made_exact(row, layout.real_cells) for row in rows]


def _made_exact(row: Row, real_cells: Sequence[int]) -> Row:
    cells = list(row)
    for n in real_cells:
        cells[n] = exact_cell(cells[n])
    return cells
