"""Table plans made straight from the catalog, for tests of the reader alone."""

from __future__ import annotations

from streamer.model import (
    Catalog,
    Column,
    ColumnPlan,
    KeyKind,
    KeyPlan,
    Storage,
    Table,
    TablePlan,
    Wire,
)
from streamer.model.sql import quote_identifier

# What types.md prints in a way that doesn't cast back to the very same key.
_INEXACT = {
    "timestamptz": "({c} AT TIME ZONE 'UTC')::text",
    "bool": "{c}::int::text",
    "bytea": "encode({c}, 'hex')",
    "inet": "textin(inet_out({c}))",
}


def plan_column(column: Column) -> ColumnPlan:
    """A column as text; the target's name is the source's with `_d1` behind it."""
    template = _INEXACT.get(column.type.name, "{c}::text")
    return ColumnPlan(
        source=column.name,
        target=f"{column.name}_d1",
        storage=Storage.TEXT,
        wire=Wire.TEXT,
        read_sql=template.format(c=f"t.{quote_identifier(column.name)}"),
        type_name=column.type.formatted,
        not_null=column.not_null,
        exact_sql=column.type.name not in _INEXACT,
        operators=column.type.base.schema if column.type.base.extension else "",
    )


def plan_key(table: Table) -> KeyPlan:
    """The primary key, or the position where there is none."""
    for index in table.indexes:
        if index.primary:
            names = [name for name in index.columns if name is not None]
            return KeyPlan(
                KeyKind.PRIMARY,
                tuple(names),
                tuple(f"{name}_d1" for name in names),
                tuple(table.column(name).type.base.formatted for name in names),
                index.name,
            )
    return KeyPlan(KeyKind.PHYSICAL)


def plan_table(table: Table, *, deferred: tuple[str, ...] = ()) -> TablePlan:
    """Everything the reader needs; `deferred` are source names."""
    return TablePlan(
        table=table,
        target=table.name.name,
        columns=tuple(plan_column(column) for column in table.columns),
        key=plan_key(table),
        create_sql="",
        indexes=(),
        foreign_keys=(),
        parents=(),
        without_rowid=False,
        fingerprint="",
        deferred=tuple(f"{name}_d1" for name in deferred),
    )


def table_of(catalog: Catalog, name: str, schema: str = "public") -> Table:
    """The table called `name`."""
    for table in catalog.tables:
        if (table.name.schema, table.name.name) == (schema, name):
            return table
    raise KeyError(name)
