"""Compares what a target holds with what it should, table by table, row by row, cell by cell."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from tests.torture.cells import Cell, fits
from tests.torture.expected import EXPECT

COLUMNS_AT_ONCE = 45  # two result columns each; D1 answers with at most 100
SHOWN = 15  # problems of a table

Run = Callable[[str], Sequence[Sequence[Any]]]
Row = Sequence[tuple[str, Any]]
Expected = Sequence[Cell | None]


def problems(run: Run, names: Mapping[str, str]) -> list[str]:
    """What isn't as expected, a line each; `names` are the target's, by `schema|table`."""
    found: list[str] = []
    for table in EXPECT:
        if table in names:
            found += problems_of(run, table, names[table])
        elif not EXPECT[table].get("optional"):
            found.append(f"{table}: wasn't moved")
    return found


def problems_of(run: Run, table: str, target: str) -> list[str]:
    """What isn't as expected of one table, which is called `target` where it is now."""
    columns, key, rows = (EXPECT[table][part] for part in ("cols", "key", "rows"))
    wanted = rows() if callable(rows) else rows
    lines = [*differences(columns, key, wanted, stored(run, target, columns, key))]
    return [f"{table}: {line}" for line in lines[:SHOWN]]


def stored(run: Run, table: str, columns: Sequence[str], key: Sequence[str]) -> list[Row]:
    """All rows: SQLite's type and the value of each cell, integers and blobs exactly."""
    parts = [columns[at : at + COLUMNS_AT_ONCE] for at in range(0, len(columns), COLUMNS_AT_ONCE)]
    order = f" ORDER BY {', '.join(map(quoted, key))}" if len(parts) > 1 else ""
    read = [
        run(f"SELECT {', '.join(map(_cell, part))} FROM {quoted(table)}{order}") for part in parts
    ]
    return [
        [pair for row in rows for pair in zip(row[::2], row[1::2], strict=True)]
        for rows in zip(*read, strict=True)
    ]


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def differences(
    columns: Sequence[str], key: Sequence[str], wanted: Sequence[Expected], held: Sequence[Row]
) -> Iterator[str]:
    """What differs; rows are matched by the columns of `key`, or as a bag where there are none."""
    if len(wanted) != len(held):
        yield f"{len(held)} rows, {len(wanted)} expected"
    if not key:
        yield from _bag_differences(wanted, held)
        return
    at = [columns.index(name) for name in key]
    by_key: dict[tuple[str, ...], list[Row]] = {}
    for row in held:
        by_key.setdefault(tuple(_rough(row[n][1]) for n in at), []).append(row)
    for expected in wanted:
        named = [expected[n] for n in at]
        likely = by_key.get(tuple(_rough(cell.arguments[0]) for cell in named if cell), held)
        row = next((r for r in likely if all(fits(expected[n], r[n]) for n in at)), None)
        if row is None:
            yield f"row {named} is missing"
            continue
        for column, cell, found in zip(columns, expected, row, strict=True):
            if not fits(cell, found):
                yield f"{named}.{column}: expected {cell}, found {found[0]} {repr(found[1])[:90]}"


def _bag_differences(wanted: Sequence[Expected], held: Sequence[Row]) -> Iterator[str]:
    left = list(held)
    for expected in wanted:
        row = next((r for r in left if all(map(fits, expected, r))), None)
        if row is None:
            yield f"no row is {expected}"
        else:
            left.remove(row)
    yield from (f"unexpected: {row}"[:150] for row in left)


def _rough(value: object) -> str:
    """A key that finds few rows; whether one of them fits is looked at then."""
    return str(value).rstrip(" ").lower()


def _cell(column: str) -> str:
    name = quoted(column)
    return (
        f"typeof({name}), CASE typeof({name}) WHEN 'integer' THEN CAST({name} AS TEXT)"
        f" WHEN 'blob' THEN hex({name}) ELSE {name} END"
    )
