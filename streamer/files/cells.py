"""Rows of exported files as D1's cells, and these as lines of transformed files."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet

import orjson

from streamer import limits
from streamer.errors import BadRowsError
from streamer.files import columns
from streamer.files.columns import Cells, Quick
from streamer.files.derived import Derivation, WrongValueError, is_number
from streamer.files.manifest import ExportedTable
from streamer.files.reading import Page, Row
from streamer.files.values import Form, derivation
from streamer.frozen import frozen
from streamer.model import (
    ColumnPlan,
    KeyKind,
    Pack,
    PgType,
    StepKind,
    Storage,
    TablePlan,
    TypeKind,
)
from streamer.model.words import counted
from streamer.pack import Layout
from streamer.pack.fat import record_bytes
from streamer.pipeline.transform.rows import RowTransform

_INTEGER = re.compile(r"-?(0|[1-9]\d{0,18})", re.ASCII)
_INT64 = 1 << 63
_LONG = limits.VALUE_BYTES // 8  # characters; what is shorter can't be too long for D1


class WrongRowError(Exception):
    """Why a row can't be stored, as a part of a sentence; `column` is '' where it isn't about one."""

    def __init__(self, column: str, why: str) -> None:
        super().__init__(why)
        self.column = column
        self.why = why


@frozen
class _Cell:
    """One column's way: from a member of the row to a cell."""

    name: str
    make: Derivation
    many: Quick
    not_null: bool
    is_json: bool


def not_made_here(plan: TablePlan, table: ExportedTable, server_version: int) -> list[str]:
    """What is asked of columns and only PostgreSQL can do, a sentence each."""
    known = {column.name: column for column in table.columns}
    said: list[str] = []
    for column in plan.columns:
        where = f"{plan.name}.{column.source}"
        found = known.get(column.source)
        if found is None:
            said.append(f"{where} isn't in {table.file.name}.")
        elif _made(plan, column, table, server_version) is None:
            said.append(
                f"{where}: what is asked of it can only be made by PostgreSQL, and it was exported"
                " otherwise; export again with the same settings."
            )
    return said


def _made(
    plan: TablePlan, column: ColumnPlan, table: ExportedTable, server_version: int
) -> Derivation | None:
    found = next(known for known in table.columns if known.name == column.source)
    if found.form is Form.CELL and found.sql != column.read_sql:
        return None
    kind = plan.table.column(column.source).type
    return derivation(column, kind, found.form, server_version)


class RowMaker:
    """Makes the cells of one table's rows, in the order of `plan.columns`.

    `change` is the user's function, None for none.
    """

    def __init__(
        self,
        plan: TablePlan,
        table: ExportedTable,
        server_version: int,
        change: RowTransform | None = None,
    ) -> None:
        self._names = [column.name for column in table.columns]
        self._known = frozenset(self._names)
        self._cells = [
            _Cell(
                column.source,
                make,
                columns.many(make),
                column.not_null,
                is_json=_is_json(plan.table.column(column.source).type) and not column.made,
            )
            for column in plan.columns
            if (make := _made(plan, column, table, server_version)) is not None
        ]
        assert len(self._cells) == len(plan.columns), "not_made_here says so first"
        self._change = change
        self._layout = Layout.of(plan, StepKind.ROWS, Pack.JSON, into_stage=False)
        self._rowid = int(plan.key.kind is KeyKind.PHYSICAL)

    def cells(self, row: Row) -> list[str | None] | None:
        """A row's cells; None where the user's function leaves it out.

        Raises:
            WrongRowError: it can't be stored.
            BadRowsError: the user's function failed.

        """
        values = row.values
        if row.twice or frozenset(values) != self._known:
            raise not_the_members(self._known, row)
        made = [_cell(cell, values[cell.name]) for cell in self._cells]
        if self._change is not None:
            changed = self._change.apply(made, None)
            if changed is None:
                return None
            made = changed
        if sum(len(cell) for cell in made if cell is not None) > _LONG:
            self._refuse_oversized(made)
        return made

    def many(self, page: Page) -> list[Cells] | None:
        """The cells of all of a page's rows, column by column; None where `cells` is to make them.

        What comes back is what `cells` would give.
        """
        rows, width = page.rows, len(self._names)
        if self._change is not None or page.twice or not {width}.issuperset(map(len, rows)):
            return None
        try:
            values = {name: [row[name] for row in rows] for name in self._names}
        except KeyError:
            return None
        made: list[Cells] = []
        for cell in self._cells:
            cells = _column(cell, values[cell.name])
            if cells is None:
                return None
            made.append(cells)
        # Some row is too long only if all of them are.
        return made if sum(len("".join(filter(None, cells))) for cells in made) <= _LONG else None

    def _refuse_oversized(self, made: Sequence[str | None]) -> None:
        size = record_bytes(self._layout, ["1"] * self._rowid + list(made))
        if size > limits.VALUE_BYTES:
            raise WrongRowError("", f"it takes {size:,} bytes, and D1 takes {limits.VALUE_BYTES:,}")


def _column(cell: _Cell, values: Sequence[object]) -> Cells | None:
    """A column's cells; None where something may be wrong with one."""
    made = cell.many(values)
    if made is None or (cell.not_null and None in made):
        return None
    return made if not cell.is_json or columns.all_json(made) else None


def _cell(cell: _Cell, value: object) -> str | None:
    if value is None:
        made = None
    else:
        try:
            made = cell.make(value)
        except WrongValueError as error:
            raise WrongRowError(cell.name, str(error)) from None
        if cell.is_json and made is not None and not _parses(made):
            raise WrongRowError(cell.name, "it isn't valid JSON")
    if made is None and cell.not_null:
        raise WrongRowError(cell.name, "it is null, and the column is NOT NULL")
    return made


def not_the_members(known: AbstractSet[str], row: Row) -> WrongRowError:
    """Why a row's members aren't those that are known, each once."""
    names = frozenset(row.values)
    if missing := sorted(known - names):
        return WrongRowError("", f"it has no member {', '.join(missing)}")
    if others := len(names - known):
        what = counted(others, "member that is no column", "members that are no columns")
        return WrongRowError("", f"it has {what} of the table")
    return WrongRowError(row.twice, "it is given twice, and which value is meant can't be told")


def _is_json(kind: PgType) -> bool:
    base = kind.base
    return (
        base.kind is TypeKind.BASE
        and base.schema == "pg_catalog"
        and base.name in {"json", "jsonb"}
    )


def _refuse(_: str) -> object:
    raise ValueError


def _parses(text: str) -> bool:
    """Whether a text is JSON as PostgreSQL takes it: of any depth, with numbers of any size."""
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        try:
            json.loads(text, parse_int=str, parse_float=str, parse_constant=_refuse)
        except RecursionError:
            return True
        except ValueError:
            return False
    return True


def line_template(plan: TablePlan) -> str:
    """A row's line in a transformed file, with a place for each token."""
    names = [orjson.dumps(column.target).decode() for column in plan.columns]
    return "{" + ",".join(f"{name.replace('%', '%%')}:%s" for name in names) + "}"


def lines_of(plan: TablePlan) -> columns.Lines:
    """What makes the lines of a transformed file of rows' cells."""
    names = [column.target for column in plan.columns]
    return columns.Lines(names, [column.storage for column in plan.columns], tokens(plan))


def tokens(plan: TablePlan) -> Sequence[Callable[[str | None], str]]:
    """What makes JSON tokens of cells, column by column.

    A number is one where D1 stores one; bytes are hex digits in a string.
    """
    return [_TOKENS[column.storage] for column in plan.columns]


def _integer_token(cell: str | None) -> str:
    if cell is None:
        return "null"
    if _INTEGER.fullmatch(cell) and -_INT64 <= int(cell) < _INT64:
        return cell
    return orjson.dumps(cell).decode()


def _real_token(cell: str | None) -> str:
    if cell is None:
        return "null"
    return cell if is_number(cell) else orjson.dumps(cell).decode()


def _text_token(cell: str | None) -> str:
    return "null" if cell is None else orjson.dumps(cell).decode()


_TOKENS: dict[Storage, Callable[[str | None], str]] = {
    Storage.INTEGER: _integer_token,
    Storage.REAL: _real_token,
    Storage.TEXT: _text_token,
    Storage.BLOB: _text_token,
}


def key_of(plan: TablePlan, row: Row, *, by_target: bool = False) -> str:
    """How messages name a row: ` (id=5)`, '' where its key must not be told, or isn't there."""
    names = plan.key.targets if by_target else plan.key.columns
    if plan.hides_key or not names or any(name not in row.values for name in names):
        return ""
    return f" ({', '.join(f'{name}={row.values[name]}' for name in names)})"


def told(error: WrongRowError | BadRowsError) -> str:
    """What is wrong with a row, behind its place."""
    if isinstance(error, BadRowsError):
        return error.what
    return f"{error.column}: {error.why}" if error.column else error.why
