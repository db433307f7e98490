"""Which rows refer to parents that D1 hasn't got: the questions to ask it, and its answers (pure)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import orjson

from streamer.errors import OddAnswerError
from streamer.frozen import frozen
from streamer.model import (
    ColumnPlan,
    ForeignKeyPlan,
    Key,
    KeyKind,
    KeyPlan,
    Result,
    Statement,
    StepKind,
    Storage,
    TablePlan,
    Wire,
    whole_number,
)
from streamer.model.sql import quote_identifier
from streamer.pack import Layout
from streamer.pack.doubles import decimal_text, exact_sql

Row = Sequence[str | None]
Cells = tuple[str | None, ...]

ASKED_BYTES = 1_000_000  # about what one question's parameter may take; D1 takes twice that


@frozen
class Carried:
    """A table and how the rows of one of its steps are packed."""

    plan: TablePlan
    layout: Layout


@frozen
class Wanted:
    """A parent that isn't in D1: its table (target name), the columns it is referred by, and their
    texts, as PostgreSQL printed them.
    """

    parent: str
    columns: tuple[str, ...]
    key: Key


@frozen
class Question:
    """Which of `cells`, of rows of a step, have no parent in D1, by one foreign key.

    `cells` are distinct; each holds a row's cells at `places`, those of the foreign key's columns
    (and of the key's, in a second pass: then the row in the target has the columns in `beside`).
    """

    carried: Carried
    key: ForeignKeyPlan
    columns: tuple[ColumnPlan, ...]
    places: tuple[int, ...]
    beside: tuple[str, ...]
    cells: tuple[Cells, ...]
    statement: Statement

    def holds(self, row: Row) -> Cells:
        """What of a row was asked about."""
        return tuple(row[place] for place in self.places)

    def lacking(self, result: Result) -> dict[Cells, Wanted]:
        """The answer: the cells that have no parent, and that parent."""
        return {self._asked(row): self._wanted(row) for row in result.table(1 + len(self.beside))}

    def _asked(self, row: Sequence[object]) -> Cells:
        number = whole_number(row[0])
        if not 0 <= number < len(self.cells):
            raise OddAnswerError("a row is numbered that wasn't asked about")
        return self.cells[number]

    def _wanted(self, row: Sequence[object]) -> Wanted:
        cells = self._asked(row)
        texts = dict(zip(self.beside, map(str, row[1:]), strict=True))
        for column, cell in zip(self.columns, cells, strict=False):
            if column.target in self.key.columns and cell is not None:
                texts[column.target] = key_text(column, cell)
        return Wanted(
            self.key.parent, self.key.parent_columns, tuple(texts[n] for n in self.key.columns)
        )


def key_text(column: ColumnPlan, cell: str) -> str:
    """A cell as PostgreSQL printed it: digits of its own, in hex; a double, as the same number."""
    if column.storage is Storage.REAL:
        return decimal_text(cell)
    return cell.lower() if column.wire is Wire.HEX else cell


def keyed_by(parent: TablePlan, columns: Sequence[str]) -> TablePlan | None:
    """As `found_by`; None where nothing but its place is a row's key."""
    return None if parent.key.kind is KeyKind.PHYSICAL else found_by(parent, columns)


def found_by(parent: TablePlan, columns: Sequence[str]) -> TablePlan | None:
    """`parent` as it is looked up by the columns (target names) that a foreign key refers to.

    Where D1 holds another text than PostgreSQL's own (a hash, what an expression makes), that is
    what rows are compared by. None where the target hasn't got all of them.
    """
    by_target = {column.target: column for column in parent.columns}
    if not _are_there(parent, columns):
        return None
    meant = [by_target[name] for name in columns]
    casts = tuple(
        parent.table.column(column.source).type.base.formatted if column.exact_sql else ""
        for column in meant
    )
    sources = tuple(column.source for column in meant)
    return replace(parent, key=KeyPlan(KeyKind.UNIQUE, sources, tuple(columns), casts))


def _are_there(parent: TablePlan, columns: Sequence[str]) -> bool:
    """Whether the target has all of the columns."""
    return {column.target for column in parent.columns} >= set(columns)


def questions(
    carried: Carried, rows: Sequence[Row], parents: Mapping[str, TablePlan]
) -> list[Question]:
    """What to ask D1 about rows of a step, for each foreign key to one of `parents`.

    Nothing where they go to a staging table: there they refer to nothing yet.
    """
    found: list[Question] = []
    if carried.layout.table != carried.plan.target:
        return found
    for key in carried.plan.foreign_keys:
        parent = parents.get(key.parent)
        if parent is None or not _are_there(parent, key.parent_columns):
            continue
        found += _questions(carried, key, rows)
    return found


def _questions(carried: Carried, key: ForeignKeyPlan, rows: Sequence[Row]) -> list[Question]:
    layout = carried.layout
    place = {column.target: n for n, column in enumerate(layout.columns)}
    second = layout.kind is StepKind.EDGES
    here = [name for name in key.columns if name in place and name not in layout.deferred]
    beside = tuple(name for name in key.columns if name not in here)
    if (beside and not second) or not set(here) - set(layout.key if second else ()):
        return []  # these rows don't set the reference
    places = tuple(place[name] for name in ([*layout.key, *here] if second else here))
    cells = {tuple(row[n] for n in places): None for row in rows}
    whole = tuple(some for some in cells if None not in some)
    columns = tuple(layout.columns[n] for n in places)
    outside = [c for c in carried.plan.columns if c.target in beside]
    if len(outside) < len(beside):
        return []
    if any(column.storage is Storage.REAL for column in outside):
        return []
    sql = _Sql(layout, key, columns, {c.target: c for c in outside}, second=second).text()
    return [
        Question(carried, key, columns, places, beside, part, _asking(sql, part))
        for part in _cut(whole)
    ]


def _asking(sql: str, cells: Sequence[Row]) -> Statement:
    return Statement.of(sql, orjson.dumps(cells).decode())


def _cut(cells: tuple[Cells, ...]) -> list[tuple[Cells, ...]]:
    """`cells` in as few parts as parameters of `ASKED_BYTES` need; none where there are none."""
    parts = 1 + len(orjson.dumps(cells)) // ASKED_BYTES
    length = max(1, -(-len(cells) // parts))
    return [cells[at : at + length] for at in range(0, len(cells), length)]


@frozen
class _Sql:
    """The SQL of one question; `w` is what was sent, `o` the target's row, `p` the parent."""

    layout: Layout
    key: ForeignKeyPlan
    columns: tuple[ColumnPlan, ...]
    outside: Mapping[str, ColumnPlan]
    second: bool

    def text(self) -> str:
        """The number of each row sent without a parent, and the texts of its other columns."""
        beside = [text_of("o", column) for column in self.outside.values()]
        outputs = ", ".join(["w.key", *beside])
        conditions = [f"o.{quote_identifier(name)} IS NOT NULL" for name in self.outside]
        same = " AND ".join(
            f"p.{quote_identifier(theirs)} = {self._value(ours)}"
            for ours, theirs in zip(self.key.columns, self.key.parent_columns, strict=True)
        )
        parent = f"SELECT 1 FROM {quote_identifier(self.key.parent)} AS p WHERE {same}"
        conditions.append(f"NOT EXISTS ({parent})")
        source = f"json_each(?1) AS w{self._join()}"
        return f"SELECT {outputs} FROM {source} WHERE {' AND '.join(conditions)}"

    def _join(self) -> str:
        """Rows that aren't there aren't updated either, so their parents aren't missed."""
        if not self.second:
            return ""
        same = " AND ".join(
            f"o.{quote_identifier(name)} = {self._sent(n)}"
            for n, name in enumerate(self.layout.key)
        )
        return f" JOIN {quote_identifier(self.layout.table)} AS o ON {same}"

    def _value(self, name: str) -> str:
        if name in self.outside:
            return f"o.{quote_identifier(name)}"
        targets = [column.target for column in self.columns]
        return self._sent(targets.index(name))

    def _sent(self, n: int) -> str:
        cell = f"(w.value->>{n})"
        if self.columns[n].storage is Storage.REAL and not self.layout.engine.exact_floats:
            return f"({exact_sql(cell)})"
        return f"unhex{cell}" if self.columns[n].wire is Wire.HEX else cell


def text_of(alias: str, column: ColumnPlan) -> str:
    """SQL for a target's value as the text that PostgreSQL printed.

    D1 would round large integers in its answer.
    """
    name = f"{alias}.{quote_identifier(column.target)}"
    return f"lower(hex({name}))" if column.wire is Wire.HEX else f"CAST({name} AS TEXT)"
