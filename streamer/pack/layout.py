"""One step of one table, precomputed: which cells a page holds, and the SQL that writes them.

Every statement is an upsert that costs nothing where the target holds the row already. Its rows come
as one JSON parameter, or as parameters of a VALUES list. In the SQL, `o` is the target's row, `s` a row
sent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Self

from streamer import limits
from streamer.errors import RefusedError
from streamer.frozen import frozen
from streamer.model import (
    ColumnPlan,
    Key,
    KeyKind,
    Loading,
    Pack,
    StepKind,
    Storage,
    TablePlan,
    Wire,
)
from streamer.model.sql import quote_identifier
from streamer.pack.doubles import exact_sql
from streamer.pack.engine import CURRENT, ROWS, Engine

PARAMETER_BYTES = limits.VALUE_BYTES - 1_024
"""How long the JSON parameter may be: SQLite's binary form of a row can be a bit longer than its
text, and must stay within the limit of a value too."""

_NULL = "NULL"


def step_columns(plan: TablePlan, kind: StepKind) -> tuple[ColumnPlan, ...]:
    """The columns that a page's cells must hold for this step, in this order.

    ROWS: all columns that are written. EDGES: the key's, then the deferred ones. A table without a key
    has its rowid in front of either.
    """
    if kind is StepKind.ROWS:
        columns = plan.columns
    else:
        by_target = {column.target: column for column in plan.columns}
        columns = tuple(by_target[name] for name in (*plan.key.targets, *plan.deferred))
    if plan.key.kind is KeyKind.PHYSICAL:
        return (_rowid_column(plan), *columns)
    return columns


def by_number(plan: TablePlan) -> TablePlan:
    """A table whose rows are told apart in the target: one without a key by their rowid."""
    if plan.key.kind is not KeyKind.PHYSICAL:
        return plan
    key = replace(plan.key, kind=KeyKind.UNIQUE, targets=(plan.key.rowid,))
    return replace(plan, key=key, columns=(_rowid_column(plan), *plan.columns))


@frozen
class Layout:
    """What packing must know of one step of one table.

    `name` is the source table, for messages. `columns` are a page's cells, in order; `sent` the
    indexes of those that the step stores or looks up (a deferred column's cell isn't, in the first
    pass). `real_cells` are the indexes of cells that must be made exact one by one: none where the
    engine reads decimal text exactly. `rowid_cell` is the index of the cell that is SQLite's row
    number (None: no cell is). `json_sql` expands one JSON parameter; `rows_per_statement` is how many
    rows a VALUES list takes. `key` holds target names; for EDGES they are those of the first columns.
    With `hides_key`, no message may name a row's key.
    """

    name: str
    kind: StepKind
    form: Pack
    table: str
    columns: tuple[ColumnPlan, ...]
    key: tuple[str, ...]
    deferred: frozenset[str]
    sent: tuple[int, ...]
    real_cells: tuple[int, ...]
    rowid_cell: int | None
    engine: Engine
    rows_per_statement: int
    json_sql: str
    hides_key: bool = False

    @property
    def stores(self) -> bool:
        """Whether rows are written, and must fit into D1."""
        return True

    @classmethod
    def of(
        cls,
        plan: TablePlan,
        kind: StepKind,
        pack: Pack,
        *,
        into_stage: bool,
        engine: Engine = CURRENT,
    ) -> Self:
        """The layout of a step; `into_stage` writes to the table's staging table.

        Raises:
            RefusedError: a statement for this table would be too long.
        """
        columns = step_columns(plan, kind)
        physical = plan.key.kind is KeyKind.PHYSICAL
        key = (columns[0].target,) if physical else plan.key.targets
        first_pass = kind is StepKind.ROWS and plan.loading is Loading.TWO_PASS
        deferred = frozenset(plan.deferred if first_pass else ())
        if physical and deferred:
            # A rejected row is sent again as it was sent, and only JSON holds its deferred cells.
            pack = Pack.JSON
        sent = tuple(n for n, column in enumerate(columns) if column.target not in deferred)
        reals = tuple(n for n in sent if columns[n].storage is Storage.REAL)
        most = limits.PARAMETERS // len(sent)
        draft = cls(
            name=str(plan.name),
            kind=kind,
            form=Pack.JSON if pack is Pack.AUTO else pack,
            table=plan.stage if into_stage else plan.target,
            columns=columns,
            key=key,
            deferred=deferred,
            sent=sent,
            real_cells=() if engine.exact_floats else reals,
            rowid_cell=_rowid_cell(plan, columns, key),
            engine=engine,
            rows_per_statement=1 if pack is Pack.ROWS else most,
            json_sql="",
            hides_key=plan.hides_key,
        )
        return draft.with_sql()

    def row_named(self, key: Key) -> str:
        """The row with this key, for a message."""
        row = "a row whose key is hidden" if self.hides_key else f"key {', '.join(key)}"
        return f"{self.name}, {row}"

    def rows_named(self, first: Key, last: Key) -> str:
        """The rows between these keys, for a message."""
        keys = f"keys {', '.join(first)} to {', '.join(last)}"
        return f"{self.name}, {'rows whose keys are hidden' if self.hides_key else keys}"

    def with_sql(self) -> Self:
        """The same layout with its SQL made; RefusedError where that is too long."""
        sql = self.json_statement({})
        if max(len(sql.encode()), len(self.values_statement(1).encode())) > limits.STATEMENT_BYTES:
            raise RefusedError(
                f"{self.name}: the statement that writes a row is longer than D1's "
                f"{limits.STATEMENT_BYTES:,} bytes.",
                hint="Shorten the column names in PostgreSQL, or leave the table out with --exclude.",
            )
        return replace(self, json_sql=sql)

    def json_statement(self, bound: Mapping[int, str]) -> str:
        """SQL whose rows are the JSON arrays in ?1, save that the cells of `bound` have their own SQL."""
        cells = [bound.get(n) or self.stored(n, f"(s.v->>{n})") for n in range(len(self.columns))]
        if self.kind is StepKind.EDGES:
            return f"{self.engine.stored()} {self._update(cells)}"
        rows = f"SELECT {','.join(cells)} FROM {self.engine.streamed()} WHERE true"
        return f"{self._insert()} {rows} {self._on_conflict()}"

    def values_statement(self, rows: int) -> str:
        """SQL whose rows are bound one parameter a sent cell, row by row."""
        width = len(self.sent)
        parameter = {cell: place + 1 for place, cell in enumerate(self.sent)}
        edges = self.kind is StepKind.EDGES
        tuples = ",".join(
            _tuple(
                [
                    text if edges else self.stored(n, text)
                    for n in range(len(self.columns))
                    for text in (f"?{row * width + parameter.get(n, 0)}",)
                ]
            )
            for row in range(rows)
        )
        before, behind = self.values_frame()
        return f"{before}{tuples}{behind}"

    def values_frame(self) -> tuple[str, str]:
        """The SQL before and behind a VALUES list, whose rows hold a value a column.

        ROWS: the values as they are stored. EDGES: the cells, for `stored`.
        """
        if self.kind is StepKind.EDGES:
            names = ",".join(f"c{n}" for n in range(len(self.columns)))
            cells = [self.stored(n, f"s.c{n}") for n in range(len(self.columns))]
            return f"WITH {ROWS}({names}) AS (VALUES ", f") {self._update(cells)}"
        return f"{self._insert()} VALUES ", f" {self._on_conflict()}"

    def copy_sql(self, source: str) -> str:
        """SQL that upserts all rows of the table `source`, whose columns have the same names."""
        names = ",".join(quote_identifier(column.target) for column in self.columns)
        rows = f"SELECT {names} FROM {quote_identifier(source)} WHERE true"
        return f"{self._insert()} {rows} {self._on_conflict()}"

    def changing(self) -> tuple[int, ...]:
        """The indexes of the columns that a row which is there already may get other values in."""
        if self.kind is StepKind.EDGES:
            return tuple(range(len(self.key), len(self.columns)))
        return tuple(n for n, column in enumerate(self.columns) if self._may_change(column))

    def stored(self, n: int, text: str) -> str:
        """SQL for what column `n` stores, where `text` is the SQL of its cell."""
        column = self.columns[n]
        if column.target in self.deferred:
            return _NULL
        if column.wire is Wire.HEX:
            return f"unhex({text})"
        if column.storage is Storage.REAL and not self.engine.exact_floats:
            return exact_sql(text)
        return text

    def _insert(self) -> str:
        names = ",".join(quote_identifier(column.target) for column in self.columns)
        return f"INSERT INTO {quote_identifier(self.table)} AS o({names})"

    def _on_conflict(self) -> str:
        key = ",".join(map(quote_identifier, self.key))
        changing = [self.columns[n] for n in self.changing()]
        if not changing:
            return f"ON CONFLICT({key}) DO NOTHING"
        names = [quote_identifier(column.target) for column in changing]
        assignments = ",".join(f"{name}=excluded.{name}" for name in names)
        guard = differs(changing, lambda n: f"excluded.{names[n]}")
        return f"ON CONFLICT({key}) DO UPDATE SET {assignments} WHERE {guard}"

    def _may_change(self, column: ColumnPlan) -> bool:
        """Can a conflicting row differ in this column? In a key's, only where case is ignored."""
        if column.target in self.deferred:
            return False
        return column.nocase or column.target not in self.key

    def _update(self, cells: list[str]) -> str:
        width = len(self.key)
        changing, values = self.columns[width:], cells[width:]
        assignments = ",".join(
            f"{quote_identifier(column.target)}={value}"
            for column, value in zip(changing, values, strict=True)
        )
        same = " AND ".join(
            f"o.{quote_identifier(name)}={cell}"
            for name, cell in zip(self.key, cells, strict=False)
        )
        guard = differs(changing, lambda n: values[n])
        return (
            f"UPDATE {quote_identifier(self.table)} AS o SET {assignments} FROM {ROWS} AS s "
            f"WHERE {same} AND {guard}"
        )


def differs(columns: list[ColumnPlan] | tuple[ColumnPlan, ...], new: Callable[[int], str]) -> str:
    """SQL that is true where the target's row holds other values; one row value, not 99 deep ORs."""
    old = [held(column) for column in columns]
    return f"{_tuple(old)} IS NOT {_tuple([new(n) for n in range(len(columns))])}"


def held(column: ColumnPlan) -> str:
    """SQL of what the target's row holds, to be compared with: texts byte by byte.

    A table of another hand may give any column a collation, for which unequal texts are equal; one that
    is named counts instead of it (sqlite.org/datatype3.html, 7.1, 2026-11-30).
    """
    collation = " COLLATE BINARY" if column.storage is Storage.TEXT else ""
    return f"o.{quote_identifier(column.target)}{collation}"


def _tuple(cells: list[str]) -> str:
    return f"({','.join(cells)})"


def _rowid_cell(
    plan: TablePlan, columns: tuple[ColumnPlan, ...], key: tuple[str, ...]
) -> int | None:
    """Which cell is stored as the row number: the physical position, or an INTEGER PRIMARY KEY."""
    if plan.key.kind is KeyKind.PHYSICAL:
        return 0
    if plan.key.kind is KeyKind.UNIQUE or plan.without_rowid:
        return None
    cells = [n for n, column in enumerate(columns) if (column.target,) == key]
    integers = [n for n in cells if columns[n].storage is Storage.INTEGER]
    return integers[0] if integers else None


def _rowid_column(plan: TablePlan) -> ColumnPlan:
    """The row number as a column, by the name that the plan found free."""
    return ColumnPlan(
        source="",
        target=plan.key.rowid,
        storage=Storage.INTEGER,
        wire=Wire.TEXT,
        read_sql="",
        type_name="bigint",
        not_null=True,
        exact_sql=True,
        note="row number made from the physical position",
    )
