"""The rows of a chunk that is packed already, and the chunk without some of them."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import cast

import orjson

from streamer.model import Chunk, Statement, StepKind
from streamer.model.printed import parsed_cells, sent_rows
from streamer.pack.cells import Row
from streamer.pack.layout import Layout

_BOUND = r"\?\d+|unhex\(\?\d+\)|CAST\(unhex\(\?\d+\)(?:\|\|unhex\(\?\d+\))+ AS BLOB\)"
_PARAMETER = r"\?(\d+)"


def chunk_rows(layout: Layout, chunk: Chunk) -> list[Row]:
    """A chunk's rows, a cell for each of the layout's columns.

    A cell that wasn't sent, or that was too big to travel with the others, is NULL.
    """
    return [row for statement in chunk.statements for row in statement_rows(layout, statement)]


def statement_rows(layout: Layout, statement: Statement) -> list[Row]:
    """The rows of one statement of a chunk."""
    if _is_json(layout, statement):
        return [parsed_cells(row) for row in _json_rows(statement)]
    return [_spread(layout, row) for row in bound_rows(layout, statement)]


def without_rows(
    layout: Layout, chunk: Chunk, gone: Callable[[Row], bool]
) -> tuple[Statement, ...]:
    """The statements of a chunk without the rows that are `gone`."""
    kept: list[Statement] = []
    for statement in chunk.statements:
        if _is_json(layout, statement):
            rows = _json_rows(statement)
            staying = [row for row in rows if not gone(parsed_cells(row))]
            if len(staying) == len(rows):
                kept.append(statement)
            elif staying:
                kept.append(Statement.of(layout.json_sql, orjson.dumps(staying).decode()))
        else:
            bound = [r for r in bound_rows(layout, statement) if not gone(_spread(layout, r))]
            if bound:
                cells = orjson.dumps([cell for row in bound for cell in row])
                kept.append(Statement(layout.values_statement(len(bound)), cells))
    return tuple(kept)


def bound_rows(layout: Layout, statement: Statement) -> list[list[str | None]]:
    """The sent cells of each row of a VALUES statement."""
    cells = cast("list[str | None]", statement.values())
    width = len(layout.sent)
    return [cells[at : at + width] for at in range(0, len(cells), width)]


def is_fat(layout: Layout, statement: Statement) -> bool:
    """Whether a statement is a single row, of which some cells travel by themselves."""
    return _is_json(layout, statement) and statement.sql != layout.json_sql


def whole_row(layout: Layout, statement: Statement) -> Row:
    """The one row of a fat statement, with the cells that travel by themselves.

    Those of a second pass stay NULL there.
    """
    (small,) = statement_rows(layout, statement)
    parameters = cast("list[str]", statement.values())
    cells = list(small)
    for n, sql in _bound_cells(layout, statement.sql).items():
        numbers = map(int, re.findall(_PARAMETER, sql))
        cells[n] = "".join(parameters[number - 1] for number in numbers)
    return cells


def _bound_cells(layout: Layout, sql: str) -> dict[int, str]:
    """The SQL of the cells that a fat statement takes from parameters of their own, by index."""
    if layout.kind is StepKind.EDGES:
        return {}
    cells = [layout.stored(n, f"(s.v->>{n})") for n in range(len(layout.columns))]
    at, bound = (
        layout.json_sql.index(f" SELECT {','.join(cells)} FROM ") + len(" SELECT "),
        dict[int, str](),
    )
    by_itself = re.compile(_BOUND)
    for n, cell in enumerate(cells):
        found = None if sql.startswith(cell, at) else by_itself.match(sql, at)
        if found is not None:
            bound[n] = found.group()
        at += len(bound.get(n, cell)) + len(",")
    return bound


def _is_json(layout: Layout, statement: Statement) -> bool:
    before, _ = layout.values_frame()
    return not statement.sql.startswith(before)


def _json_rows(statement: Statement) -> list[list[object]]:
    """The rows in a JSON statement's first parameter; numbers as the text they were sent as."""
    return sent_rows(str(statement.values()[0]))


def _spread(layout: Layout, row: list[str | None]) -> Row:
    cells: list[str | None] = [None] * len(layout.columns)
    for place, cell in zip(layout.sent, row, strict=True):
        cells[place] = cell
    return cells
