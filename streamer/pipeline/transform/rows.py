"""One row through the user's function: cells become values, values become cells again, exactly."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias, cast

from streamer.errors import BadRowsError
from streamer.model import ColumnPlan, Key, Storage, TablePlan, Wire
from streamer.pipeline.transform.where import tell_where

Value: TypeAlias = int | float | str | bytes | None
Function: TypeAlias = Callable[[dict[str, Value]], object]
Cells: TypeAlias = Sequence[str | None]

SPECIAL = {"NaN", "Infinity", "-Infinity"}
_INT64 = 1 << 63


class _UnfitError(Exception):
    """Why what came back can't be stored, as the end of a sentence; never with a value."""


class RowTransform:
    """A table's function, and what its rows are made of.

    INTEGER columns are given as int, REAL as float, TEXT as str, BLOB as bytes, NULL as None; what
    isn't a number in a column of numbers (NaN, Infinity) as str. Cells of values that come back
    as they were given stay as PostgreSQL printed them.
    """

    def __init__(self, plan: TablePlan, function: Function) -> None:
        self._plan = plan
        self._function = function
        self._names = tuple(column.source for column in plan.columns)
        self._values = tuple(_reader(column) for column in plan.columns)
        self._key = frozenset(plan.key.columns)

    def apply(self, cells: Cells, key: Key | None) -> list[str | None] | None:
        """A row's cells (those of the table's columns) as the function makes them; None: left out.

        `key` is the row's, for messages; None where it has no name.

        Raises:
            BadRowsError: the function failed, or what it returned can't be stored.

        """
        given = [
            None if cell is None else value(cell)
            for cell, value in zip(cells, self._values, strict=True)
        ]
        try:
            made = self._function(dict(zip(self._names, given, strict=True)))
        except Exception as error:  # noqa: BLE001 (the user's code may raise anything)
            tell_where(error)
            raise self._bad(key, f"failed with {type(error).__name__}") from None
        if made is None:
            return None
        try:
            return self._stored(made, given, cells)
        except _UnfitError as error:
            raise self._bad(key, f"returned {error}") from None

    def _stored(self, made: object, given: Sequence[Value], cells: Cells) -> list[str | None]:
        row = self._checked(made)
        stored: list[str | None] = []
        for column, was, cell in zip(self._plan.columns, given, cells, strict=True):
            value = row[column.source]
            if value is was:
                stored.append(cell)
            elif column.source in self._key:
                stored.append(_same_key(column, value, was, cell))
            else:
                stored.append(_cell(column, value))
        return stored

    def _checked(self, made: object) -> Mapping[str, object]:
        if not isinstance(made, Mapping):
            raise _UnfitError(f"{type(made).__name__}, not a dict or None")
        row = cast("Mapping[str, object]", made)
        missing = [name for name in self._names if name not in row]
        if missing:
            raise _UnfitError(f"a row without the columns {', '.join(missing)}")
        if len(row) > len(self._names):
            known = set(self._names)
            # Text that isn't a column's name may be a value of the row's.
            raise _UnfitError(f"{sum(name not in known for name in row)} columns that aren't there")
        return row

    def _bad(self, key: Key | None, what: str) -> BadRowsError:
        named = f", key {', '.join(key)}" if key is not None and not self._plan.hides_key else ""
        return BadRowsError(
            f"{self._plan.name}{named}: the transform {self._plan.transform} {what}",
            hint="Mend the function, then go on with --resume; -vv logs where it failed.",
        )


def _reader(column: ColumnPlan) -> Callable[[str], Value]:
    """What makes a value of a cell that isn't NULL."""
    if column.wire is Wire.HEX:
        return bytes.fromhex
    match column.storage:
        case Storage.INTEGER:
            return _whole
        case Storage.REAL:
            return _real
        case Storage.TEXT | Storage.BLOB:
            return str


def _whole(cell: str) -> int | str:
    try:
        return int(cell)
    except ValueError:
        return cell


def _real(cell: str) -> float | str:
    if cell in SPECIAL:
        return cell
    try:
        return float(cell)
    except ValueError:
        return cell


def _same_key(column: ColumnPlan, value: object, was: Value, cell: str | None) -> str | None:
    if type(value) is type(was) and value == was:
        return cell
    raise _UnfitError(f"another value in the key column {column.source}")


def _cell(column: ColumnPlan, value: object) -> str | None:
    """The cell that stores `value`."""
    if value is None:
        if column.not_null:
            raise _UnfitError(f"None in the column {column.source}, which is NOT NULL")
        return None
    if column.wire is Wire.HEX:
        if isinstance(value, bytes | bytearray):
            return bytes(value).hex()
        raise _wrong(column, value, "bytes")
    match column.storage:
        case Storage.INTEGER:
            return _integer_cell(column, value)
        case Storage.REAL:
            return _real_cell(column, value)
        case Storage.TEXT | Storage.BLOB:
            return _text_cell(column, value)


def _integer_cell(column: ColumnPlan, value: object) -> str:
    if not isinstance(value, int):
        raise _wrong(column, value, "int")
    if not -_INT64 <= value < _INT64:
        raise _UnfitError(f"an int in the column {column.source} that takes more than 64 bits")
    return str(int(value))


def _real_cell(column: ColumnPlan, value: object) -> str:
    if isinstance(value, str) and value in SPECIAL:
        return value
    if isinstance(value, int):
        if abs(value) > 1 << 1023 or int(float(value)) != value:
            raise _UnfitError(f"an int in the column {column.source} that no double holds exactly")
        return str(int(value))
    if not isinstance(value, float):
        raise _wrong(column, value, "float")
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return repr(float(value))


def _text_cell(column: ColumnPlan, value: object) -> str:
    if not isinstance(value, str):
        raise _wrong(column, value, "str")
    if "\0" in value:
        raise _UnfitError(f"a text with a NUL in the column {column.source}")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise _UnfitError(
                f"a text in the column {column.source} that isn't valid Unicode"
            ) from None
    return str.__str__(value)  # the str() of an enum's member is its name


def _wrong(column: ColumnPlan, value: object, wanted: str) -> _UnfitError:
    return _UnfitError(
        f"{type(value).__name__} in the column {column.source}, which takes {wanted}"
    )
