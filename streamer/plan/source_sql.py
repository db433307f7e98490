"""Pieces of SQL over the rows that are moved, for questions to PostgreSQL.

A row is always called `t`, as in the user's own SQL.
"""

from __future__ import annotations

from collections.abc import Iterable

from streamer.model import KeyKind, Table, TableKind, TablePlan
from streamer.model.sql import printed, quote_identifier


def column_sql(name: str) -> str:
    """A column of the row."""
    return f"t.{quote_identifier(name)}"


def from_sql(table: Table) -> str:
    """The FROM item: a parent by inheritance without its children, a partitioned root with all."""
    if table.kind is TableKind.LABELS:
        return f"({table.definition}) AS t"
    only = "ONLY " if table.has_children and table.kind is TableKind.TABLE else ""
    name = f"{quote_identifier(table.name.schema)}.{quote_identifier(table.name.name)}"
    return f"{only}{name} AS t"


def rows_sql(table: Table, where: str, conditions: Iterable[str] = ()) -> str:
    """FROM and WHERE: the table's own rows for which the user's `where` ('' for all) is true."""
    # A comment at the end of the user's SQL must not hide what follows.
    given = [*([f"({where}\n)"] if where.strip() else []), *(f"({c}\n)" for c in conditions)]
    return f"FROM {from_sql(table)}" + (f" WHERE {' AND '.join(given)}" if given else "")


def key_order(plan: TablePlan) -> tuple[str, ...]:
    """What orders rows as they are named; empty where rows have neither key nor position."""
    if not _is_named_by_place(plan):
        return tuple(column_sql(name) for name in plan.key.columns)
    if plan.table.kind in {TableKind.VIEW, TableKind.FOREIGN}:
        return ()
    return ("t.tableoid", "t.ctid")


def name_sql(plan: TablePlan) -> str:
    """A row as messages name it: `id=2`, `(a=1, b=2)`, or by its position; '' where it has none.

    A key that is hidden from the target is hidden from messages too.
    """
    order = key_order(plan)
    if not order:
        return ""
    if _is_named_by_place(plan):
        place = "'row at position ' || t.ctid::text"
        of_leaf = " || ' of ' || t.tableoid::regclass::text"
        return place + (of_leaf if len(plan.table.leaves) > 1 else "")
    pairs = [
        f"{text_sql(f'{name}=')} || coalesce({_key_text(plan, name, key)}, 'NULL')"
        for name, key in zip(plan.key.columns, order, strict=True)
    ]
    return pairs[0] if len(pairs) == 1 else f"'(' || {' || $$, $$ || '.join(pairs)} || ')'"


def _key_text(plan: TablePlan, name: str, value: str) -> str:
    return printed(f"{value}::text", value, plan.table.column(name).type)


def text_sql(text: str) -> str:
    """`text` as an SQL string, however the server reads backslashes."""
    quoted = text.replace("'", "''")
    return f"E'{quoted.replace(chr(92), chr(92) * 2)}'" if "\\" in text else f"'{quoted}'"


def _is_named_by_place(plan: TablePlan) -> bool:
    return plan.key.kind is KeyKind.PHYSICAL or plan.hides_key
