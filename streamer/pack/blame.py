"""Which of some bad rows break the constraint that D1 named: it names but the first row's (pure)."""

from __future__ import annotations

import re
from collections.abc import Sequence

from streamer.model import Statement, Storage, TablePlan
from streamer.model.sql import quote_identifier
from streamer.pack.cells import Row
from streamer.pack.layout import Layout
from streamer.pack.probe import ROWS_OF, rows_json, same_row

_SAYS = r"(?s)(NOT NULL|UNIQUE|CHECK) constraint failed: (.*)"
_CHECK = r"(?s)(?:CONSTRAINT (\"(?:[^\"]|\"\")*\") )?CHECK \((.*)\)"


def nulls(layout: Layout, rows: Sequence[Row], message: str) -> list[int]:
    """The rows with a NULL where `message` says that none may be; by index."""
    said = re.search(_SAYS, message)
    if said is None or said[1] != "NOT NULL":
        return []
    places = [n for n, c in enumerate(layout.columns) if f"{layout.table}.{c.target}" == said[2]]
    return [at for at, row in enumerate(rows) if any(row[n] is None for n in places)]


def blame(plan: TablePlan, layout: Layout, rows: Sequence[Row], message: str) -> Statement | None:
    """What asks D1 for the indexes of the rows that break what `message` names.

    None where that can't be asked.
    """
    said = re.search(_SAYS, message)
    if said is None:
        return None
    if said[1] == "UNIQUE":
        columns = unique_columns(layout, message)
        return clashing(layout, rows, columns) if columns else None
    condition = _condition(plan, said[2]) if said[1] == "CHECK" else ""
    return _failing(layout, rows, condition) if condition else None


def unique_columns(layout: Layout, message: str) -> tuple[str, ...]:
    """The columns (target names) of the table that a failed UNIQUE names; none: an expression's."""
    said = re.search(_SAYS, message)
    if said is None or said[1] != "UNIQUE":
        return ()
    names = {f"{layout.table}.{column.target}": column.target for column in layout.columns}
    if said[2] in names:
        return (names[said[2]],)
    parts = said[2].split(", ")
    return tuple(names[part] for part in parts) if all(part in names for part in parts) else ()


def clashing(layout: Layout, rows: Sequence[Row], columns: Sequence[str]) -> Statement:
    """Ask which of `rows` have the same values in `columns` as another row in the target."""
    places = {column.target: n for n, column in enumerate(layout.columns)}
    same = " AND ".join(
        f"o.{quote_identifier(name)}={layout.stored(places[name], f'(s.v->>{places[name]})')}"
        for name in columns
    )
    return Statement.of(
        f"{ROWS_OF} SELECT s.n FROM s WHERE EXISTS (SELECT 1 FROM {quote_identifier(layout.table)} "
        f"AS o WHERE {same} AND NOT ({same_row(layout)}))",
        rows_json(rows),
    )


def _condition(plan: TablePlan, said: str) -> str:
    """The condition of the CHECK that D1 calls `said`: by its name, or by how it begins."""
    for clause in plan.clauses:
        found = re.fullmatch(_CHECK, clause.sql)
        if found is None:
            continue
        name = (found[1] or "")[1:-1].replace('""', '"')
        if name == said or (not name and found[2].split(":")[0].split("\n")[0] == said):
            return found[2]
    return ""


def _failing(layout: Layout, rows: Sequence[Row], condition: str) -> Statement:
    """Ask for which of `rows` a CHECK isn't true."""
    cells = ", ".join(
        f"{_typed(layout, n)} AS {quote_identifier(column.target)}"
        for n, column in enumerate(layout.columns)
    )
    return Statement.of(
        f"{ROWS_OF} SELECT _streamer_n FROM (SELECT s.n AS _streamer_n, {cells} FROM s) "
        f"WHERE NOT ({condition})",
        rows_json(rows),
    )


def _typed(layout: Layout, n: int) -> str:
    cell = layout.stored(n, f"(s.v->>{n})")
    storage = layout.columns[n].storage
    return f"CAST({cell} AS {storage})" if storage in {Storage.INTEGER, Storage.REAL} else cell
