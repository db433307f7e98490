"""The target's CREATE TABLE, CREATE INDEX and CREATE VIEW statements."""

from __future__ import annotations

from collections.abc import Sequence

from streamer.frozen import frozen
from streamer.model import ForeignKey, ForeignKeyAction, ForeignKeyPlan, Storage
from streamer.translate.names import ROW_COLUMN, quote


@frozen
class TableColumn:
    """A column of a target table; `default`, `check` and `generated` are SQL, '' for none.

    `default` is a literal, or an expression in parentheses.

    A generated column is computed by D1, at each read where it is `virtual`. `comment` may be any
    text.
    """

    name: str
    storage: Storage
    not_null: bool = False
    nocase: bool = False
    default: str = ""
    check: str = ""
    generated: str = ""
    virtual: bool = False
    comment: str = ""


@frozen
class TableShape:
    """All that makes a target table, foreign keys aside.

    `primary` are the primary key's columns in key order, empty where there is none; `alias`: it is
    `INTEGER PRIMARY KEY`, with `autoincrement` one that never gives a number twice. `unique` are
    further keys that must stand in the table itself. `row_column`: a column is added for the row
    number, because the others hide its names. `checks` are names and conditions.
    """

    columns: tuple[TableColumn, ...]
    primary: tuple[str, ...]
    alias: bool = False
    unique: tuple[tuple[str, ...], ...] = ()
    without_rowid: bool = False
    row_column: bool = False
    autoincrement: bool = False
    strict: bool = False
    checks: tuple[tuple[str, str], ...] = ()
    comment: str = ""


def create_table(
    name: str, shape: TableShape, foreign_keys: Sequence[tuple[ForeignKey, ForeignKeyPlan]] = ()
) -> str:
    """CREATE TABLE for `shape`; each foreign key comes with its plan, which has target names."""
    parts = [f"{quote(ROW_COLUMN)} {Storage.INTEGER} PRIMARY KEY"] if shape.row_column else []
    parts += [_comment(column.comment) + _column(column, shape) for column in shape.columns]
    if shape.primary and not shape.alias:
        parts.append(f"PRIMARY KEY {column_list(shape.primary)}")
    parts += [f"UNIQUE {column_list(columns)}" for columns in shape.unique]
    parts += [table_check(*check) for check in shape.checks]
    parts += [_foreign_key(key, plan) for key, plan in foreign_keys]
    options = ["WITHOUT ROWID"] * shape.without_rowid + ["STRICT"] * shape.strict
    ending = f" {', '.join(options)}" if options else ""
    body = ",\n  ".join(parts)
    return f"CREATE TABLE {quote(name)} (\n  {_comment(shape.comment)}{body}\n){ending}"


def create_index(
    name: str,
    table: str,
    keys: Sequence[str],
    *,
    descending: Sequence[bool] = (),
    unique: bool = False,
    where: str = "",
) -> str:
    """CREATE INDEX over `keys`, which are SQL; `descending` runs beside them, or is empty."""
    directions = [*descending, *[False] * (len(keys) - len(descending))]
    parts = [key + (" DESC" if down else "") for key, down in zip(keys, directions, strict=True)]
    kind = "UNIQUE INDEX" if unique else "INDEX"
    ending = f" WHERE {where}" if where else ""
    return f"CREATE {kind} {quote(name)} ON {quote(table)} ({', '.join(parts)}){ending}"


def create_view(name: str, columns: Sequence[str], select: str) -> str:
    """CREATE VIEW with the names of its columns."""
    return f"CREATE VIEW {quote(name)} {column_list(columns)} AS {select}"


def column_list(names: Sequence[str]) -> str:
    """Quoted names in parentheses."""
    return f"({', '.join(quote(name) for name in names)})"


def generated_clause(sql: str, *, virtual: bool = False) -> str:
    """What makes a column computed."""
    return f"GENERATED ALWAYS AS ({sql}) {'VIRTUAL' if virtual else 'STORED'}"


def table_check(name: str, condition: str) -> str:
    """A CHECK as a constraint of the table; `name` may be ''."""
    return (f"CONSTRAINT {quote(name)} " if name else "") + f"CHECK ({condition})"


def _comment(text: str) -> str:
    """`text` as lines of comment, whatever it holds; '' for none."""
    return "".join(f"-- {line.strip()}\n  " for line in text.splitlines() if line.strip())


def _column(column: TableColumn, shape: TableShape) -> str:
    text = f"{quote(column.name)} {column.storage}"
    if shape.alias and column.name == shape.primary[0]:
        text += " PRIMARY KEY" + " AUTOINCREMENT" * shape.autoincrement
    # SQLite lets a primary key's columns be NULL unless it is told otherwise.
    elif column.not_null or column.name in shape.primary:
        text += " NOT NULL"
    if column.nocase:
        text += " COLLATE NOCASE"
    if column.generated:
        text += f" {generated_clause(column.generated, virtual=column.virtual)}"
    if column.default:
        text += f" DEFAULT {column.default}"
    return text + (f" CHECK ({column.check})" if column.check else "")


def _foreign_key(key: ForeignKey, plan: ForeignKeyPlan) -> str:
    text = (
        f"FOREIGN KEY {column_list(plan.columns)}"
        f" REFERENCES {quote(plan.parent)} {column_list(plan.parent_columns)}"
    )
    for event, action in (("DELETE", key.on_delete), ("UPDATE", key.on_update)):
        if action is not ForeignKeyAction.NO_ACTION:
            text += f" ON {event} {action}"
    if key.deferrable and key.initially_deferred:
        text += " DEFERRABLE INITIALLY DEFERRED"
    return text
