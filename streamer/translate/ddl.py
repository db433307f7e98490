"""The target's CREATE TABLE and CREATE INDEX statements."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from streamer.model import ColumnPlan, ForeignKey, ForeignKeyAction, Storage
from streamer.translate.names import ROW_COLUMN, quote

_INDENT = ",\n  "


@dataclass(frozen=True, slots=True)
class TableShape:
    """All that makes a target table, foreign keys aside.

    `primary` are the primary key's columns in key order, empty where there is none; `alias`: it is
    `INTEGER PRIMARY KEY`. `unique` are further keys that must stand in the table itself.
    `row_column`: a column is added for the row number, because the others hide its names.
    """

    columns: tuple[ColumnPlan, ...]
    primary: tuple[str, ...]
    alias: bool = False
    unique: tuple[tuple[str, ...], ...] = ()
    without_rowid: bool = False
    row_column: bool = False


def create_table(
    name: str, shape: TableShape, foreign_keys: Sequence[tuple[ForeignKey, str]] = ()
) -> str:
    """CREATE TABLE for `shape`; each foreign key comes with its parent's target name."""
    lines = [f"{quote(ROW_COLUMN)} {Storage.INTEGER} PRIMARY KEY"] if shape.row_column else []
    lines += [_column(column, shape) for column in shape.columns]
    if shape.primary and not shape.alias:
        lines.append(f"PRIMARY KEY {column_list(shape.primary)}")
    lines += [f"UNIQUE {column_list(columns)}" for columns in shape.unique]
    lines += [_foreign_key(key, parent) for key, parent in foreign_keys]
    ending = " WITHOUT ROWID" if shape.without_rowid else ""
    return f"CREATE TABLE {quote(name)} (\n  {_INDENT.join(lines)}\n){ending}"


def create_index(
    name: str,
    table: str,
    columns: Sequence[str],
    *,
    descending: Sequence[bool] = (),
    unique: bool = False,
) -> str:
    """CREATE INDEX over plain columns; `descending` runs beside `columns`, or is empty."""
    directions = [*descending, *[False] * (len(columns) - len(descending))]
    parts = [
        quote(column) + (" DESC" if down else "")
        for column, down in zip(columns, directions, strict=True)
    ]
    kind = "UNIQUE INDEX" if unique else "INDEX"
    return f"CREATE {kind} {quote(name)} ON {quote(table)} ({', '.join(parts)})"


def column_list(names: Sequence[str]) -> str:
    """Quoted names in parentheses."""
    return f"({', '.join(quote(name) for name in names)})"


def _column(column: ColumnPlan, shape: TableShape) -> str:
    text = f"{quote(column.target)} {column.storage}"
    if shape.alias and column.target == shape.primary[0]:
        return f"{text} PRIMARY KEY"
    # SQLite lets a primary key's columns be NULL unless it is told otherwise.
    if column.not_null or column.target in shape.primary:
        text += " NOT NULL"
    return f"{text} COLLATE NOCASE" if column.nocase else text


def _foreign_key(key: ForeignKey, parent: str) -> str:
    text = (
        f"FOREIGN KEY {column_list(key.columns)}"
        f" REFERENCES {quote(parent)} {column_list(key.parent_columns)}"
    )
    for event, action in (("DELETE", key.on_delete), ("UPDATE", key.on_update)):
        if action is not ForeignKeyAction.NO_ACTION:
            text += f" ON {event} {action}"
    if key.deferrable and key.initially_deferred:
        text += " DEFERRABLE INITIALLY DEFERRED"
    return text
