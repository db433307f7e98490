"""What transformed files hold: D1's cells, as they are to be stored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from streamer.errors import BadFileError
from streamer.files.cells import WrongRowError, not_the_members
from streamer.files.derived import is_decimal
from streamer.files.manifest import TransformedColumn, TransformManifest
from streamer.files.reading import Row
from streamer.model import ColumnPlan, Storage, TablePlan, Wire
from streamer.plan.promises import ALWAYS_NUMBERS

_INT64 = 1 << 63


def transformed_columns(plan: TablePlan) -> tuple[TransformedColumn, ...]:
    """The columns of a transformed file."""
    return tuple(
        TransformedColumn(
            column.target,
            column.storage,
            column.wire,
            not_null=column.not_null,
            only=_only(plan, column),
        )
        for column in plan.columns
    )


def _only(plan: TablePlan, column: ColumnPlan) -> Literal["", "integers", "booleans"]:
    kind = plan.table.column(column.source).type.base
    if column.made or column.storage is not Storage.INTEGER or kind.schema != "pg_catalog":
        return ""
    if kind.name == "bool" and not plan.transform:  # a function may return other numbers
        return "booleans"
    return "integers" if kind.name in ALWAYS_NUMBERS else ""


def stored_cells(columns: Sequence[TransformedColumn], row: Row) -> list[str | None]:
    """The cells of a row of a transformed file.

    Raises:
        WrongRowError: it isn't such a row.

    """
    values = row.values
    names = {column.name for column in columns}
    if row.twice or set(values) != names:
        raise not_the_members(names, row)
    return [_stored(column, values[column.name]) for column in columns]


def _stored(column: TransformedColumn, value: object) -> str | None:
    if value is None:
        return None
    if isinstance(value, str):
        return _stored_text(column, value)
    if column.storage is Storage.INTEGER and isinstance(value, int) and not isinstance(value, bool):
        if -_INT64 <= value < _INT64 and (column.only != "booleans" or value in {0, 1}):
            return str(value)
    elif column.storage is Storage.REAL and isinstance(value, float):
        return repr(value)
    elif column.storage is Storage.REAL and isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise _unwanted(column)


def _stored_text(column: TransformedColumn, value: str) -> str:
    if column.only or (column.storage is Storage.REAL and not is_decimal(value)):
        raise _unwanted(column)
    if column.wire is Wire.HEX and not _is_hex(value):
        raise WrongRowError(column.name, "it isn't hex digits, two a byte")
    if "\0" in value:
        raise WrongRowError(column.name, "it holds the character NUL")
    return value


def _unwanted(column: TransformedColumn) -> WrongRowError:
    wanted = "0 or 1" if column.only == "booleans" else _WANTED[column.storage]
    return WrongRowError(column.name, f"{wanted} is wanted")


_WANTED = {
    Storage.INTEGER: "a whole number of 64 bits",
    Storage.REAL: "a number",
    Storage.TEXT: "a string",
    Storage.BLOB: "a string of hex digits",
}


def _is_hex(text: str) -> bool:
    try:
        bytes.fromhex(text)
    except ValueError:
        return False
    return len(text) % 2 == 0 and " " not in text


def refuse_other_columns(
    folder: Path, manifest: TransformManifest, plans: Sequence[TablePlan]
) -> None:
    """Refuse files of other columns than `plans`, made of the manifest's catalog, would have.

    Raises:
        BadFileError: a table's are others.

    """
    found = {table.name: table.columns for table in manifest.tables}
    for plan in plans:
        if _plain(found[plan.name]) != _plain(transformed_columns(plan)):
            raise BadFileError(
                f"{folder}: the manifest's columns of {plan.name} aren't those that its catalog"
                " makes.",
                hint="Make the files again with this version of `streamer transform`.",
            )


def _plain(columns: Sequence[TransformedColumn]) -> list[TransformedColumn]:
    """Columns without what not every version said of them."""
    return [replace(column, only="") for column in columns]
