"""Which rows of a refused chunk D1 takes, found out in one request (pure).

`OR IGNORE` leaves out what breaks a NOT NULL, CHECK or UNIQUE; what isn't there afterwards was bad.
An upsert can't be used for that: its DO UPDATE aborts whatever the statement says
(sqlite.org/lang_upsert.html, 2026-11-22). So rows that are there are updated first, the others
inserted then.
"""

from __future__ import annotations

from collections.abc import Sequence

import orjson

from streamer.errors import OddAnswerError
from streamer.model import Result, Statement, StepKind, whole_number
from streamer.model.sql import quote_identifier
from streamer.pack.cells import Row
from streamer.pack.layout import Layout, differs

ROWS_OF = "WITH s AS MATERIALIZED (SELECT key AS n, jsonb(value) AS v FROM json_each(?1))"


def rows_json(rows: Sequence[Row]) -> str:
    """Rows as the one parameter of the statements below."""
    return orjson.dumps(rows).decode()


def store_what_fits(layout: Layout, rows: Sequence[Row]) -> list[Statement]:
    """Store those of `rows` that break no constraint of their own; foreign keys may still fail."""
    text, cells = rows_json(rows), _cells(layout)
    statements: list[Statement] = []
    if changing := layout.changing():
        sets = ",".join(f"{_name(layout, n)}={cells[n]}" for n in changing)
        statements.append(
            Statement.of(
                f"{ROWS_OF} UPDATE OR IGNORE {quote_identifier(layout.table)} AS o SET {sets} FROM s "
                f"WHERE {same_row(layout)} AND {_differ(layout, cells)}",
                text,
            )
        )
    if layout.kind is StepKind.ROWS:
        names = ",".join(_name(layout, n) for n in range(len(layout.columns)))
        statements.append(
            Statement.of(
                f"{ROWS_OF} INSERT OR IGNORE INTO {quote_identifier(layout.table)}({names}) "
                f"SELECT {','.join(cells)} FROM s WHERE NOT EXISTS (SELECT 1 FROM "
                f"{quote_identifier(layout.table)} AS o WHERE {same_row(layout)}) ORDER BY s.n",
                text,
            )
        )
    return statements


def not_stored(layout: Layout, rows: Sequence[Row]) -> Statement:
    """Ask which of `rows` the target hasn't got as they are; `numbers_of` reads the answer.

    In a second pass rows that aren't there at all don't count.
    """
    cells = _cells(layout)
    there = f"SELECT 1 FROM {quote_identifier(layout.table)} AS o WHERE {same_row(layout)}"
    if layout.kind is StepKind.EDGES:
        condition = f"EXISTS ({there} AND {_differ(layout, cells)})"
    elif layout.changing():
        condition = f"NOT EXISTS ({there} AND NOT ({_differ(layout, cells)}))"
    else:
        condition = f"NOT EXISTS ({there})"
    return Statement.of(f"{ROWS_OF} SELECT s.n FROM s WHERE {condition}", rows_json(rows))


def stored_places(layout: Layout, rows: Sequence[Row]) -> Statement:
    """Ask which keys of `rows` the target has; `numbers_of` reads the answer."""
    there = f"SELECT 1 FROM {quote_identifier(layout.table)} AS o WHERE {same_row(layout)}"
    in_key = [column.target in layout.key for column in layout.columns]
    keys = [[c if k else None for c, k in zip(row, in_key, strict=True)] for row in rows]
    return Statement.of(f"{ROWS_OF} SELECT s.n FROM s WHERE EXISTS ({there})", rows_json(keys))


def numbers_of(result: Result, rows: int) -> list[int]:
    """The answer to `not_stored`: indexes of the `rows` that were sent, in order.

    Raises:
        OddAnswerError: it speaks of others.

    """
    numbers = sorted(whole_number(number) for (number,) in result.table(1))
    if numbers and not 0 <= numbers[0] <= numbers[-1] < rows:
        raise OddAnswerError("a row is numbered that wasn't sent")
    return numbers


def _cells(layout: Layout) -> list[str]:
    return [layout.stored(n, f"(s.v->>{n})") for n in range(len(layout.columns))]


def _name(layout: Layout, n: int) -> str:
    return quote_identifier(layout.columns[n].target)


def same_row(layout: Layout) -> str:
    """SQL that is true where the target's row `o` has the key of the sent row `s`."""
    cells = _cells(layout)
    places = {column.target: n for n, column in enumerate(layout.columns)}
    return " AND ".join(f"o.{quote_identifier(name)}={cells[places[name]]}" for name in layout.key)


def _differ(layout: Layout, cells: Sequence[str]) -> str:
    changing = layout.changing()
    return differs([layout.columns[n] for n in changing], lambda at: cells[changing[at]])
