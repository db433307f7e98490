"""A page's records as rows of cells, in the layout's order."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from operator import itemgetter

from streamer.model import Page
from streamer.pack.doubles import exact_cell
from streamer.pack.layout import Layout

Row = Sequence[str | None]


def page_cells(layout: Layout, page: Page, start: int, end: int) -> list[Row]:
    """Rows [start, end) of a page as cells, all of them text or NULL.

    Costs nothing per cell unless the server printed whole rows or doubles must be made exact.
    """
    records = page.records[start:end]
    if page.json_rows:
        rows = [row_cells(str(record[0])) for record in records]
    else:
        rows = list(map(itemgetter(slice(0, page.width)), records))
    if not layout.real_cells:
        return rows
    return [_made_exact(row, layout.real_cells) for row in rows]


def row_cells(text: str) -> Row:
    """The cells of a row that the server printed as a JSON array; numbers keep their digits."""
    cells: list[object] = json.loads(text, parse_int=str, parse_float=str, parse_constant=str)
    return parsed_cells(cells)


def parsed_cells(cells: Iterable[object]) -> Row:
    """The cells of a row that was parsed with its numbers left as text."""
    return [str(int(cell)) if isinstance(cell, bool) else _text(cell) for cell in cells]


def _text(cell: object) -> str | None:
    if cell is None or isinstance(cell, str):
        return cell
    raise ValueError(f"the server printed a cell as a JSON {type(cell).__name__}, not as text")


def _made_exact(row: Row, real_cells: Sequence[int]) -> Row:
    cells = list(row)
    for n in real_cells:
        cells[n] = exact_cell(cells[n])
    return cells
