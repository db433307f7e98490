"""The tables that say which label of an enum stands at which position. Pure.

Such a table is one like others: it is read from PostgreSQL, which makes it of the labels themselves,
written, compared, put into files and taken back; columns that hold positions refer to it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TypeVar

from streamer.model import (
    Column,
    ForeignKey,
    Index,
    PgType,
    QualifiedName,
    Shaping,
    Table,
    TableKind,
    TypeKind,
)
from streamer.plan.draft import Draft
from streamer.plan.shape import ShapedTable
from streamer.plan.source_sql import text_sql

LOOKUP = "lookup"
"""The choice of the option `enums` that asks for them."""

_POSITION, _LABEL = "position", "label"
_INT4 = PgType(23, "pg_catalog", "int4", "integer", TypeKind.BASE)
_TEXT = PgType(25, "pg_catalog", "text", "text", TypeKind.BASE)
_T = TypeVar("_T", ShapedTable, Draft)
_ROW_BYTES = 64  # a guess: labels have up to 63 bytes


def label_tables(tables: Iterable[Table], shaping: Shaping) -> list[Table]:
    """One for each enum that a column of `tables` may hold, where any is asked for.

    They are called as the enums are, which no table is: a table's row type has its name.
    """
    if not _asked(shaping):
        return []
    enums = {
        (kind.schema, kind.name): kind
        for table in tables
        for column in table.columns
        for kind in _enums(column.type)
    }
    return [_table(kind) for kind in enums.values()]


def with_labels(tables: Sequence[ShapedTable]) -> list[ShapedTable]:
    """`tables`, of those of labels the ones that are referred to; others get their foreign keys."""
    return without_idle_labels([_referring(shaped) for shaped in tables])


def without_idle_labels(tables: Sequence[_T]) -> list[_T]:
    """`tables` less those of labels that none of them refers to."""
    wanted = {key.parent for one in tables for key in one.table.foreign_keys}
    return [
        one for one in tables if one.table.kind is not TableKind.LABELS or one.table.name in wanted
    ]


def _asked(shaping: Shaping) -> bool:
    types = [{"enums": shaping.types.enums}]
    for table in shaping.tables.values():
        types += [dict(table.types), *(dict(column.types) for column in table.column.values())]
    return any(chosen.get("enums") == LOOKUP for chosen in types)


def _enums(kind: PgType) -> Iterator[PgType]:
    base = kind.base
    if base.kind is TypeKind.ENUM:
        yield base
    for field in base.fields:
        yield from _enums(field.type)


def _table(kind: PgType) -> Table:
    labels = ", ".join(map(text_sql, kind.labels))
    rows = f"unnest(ARRAY[{labels}]::text[]) WITH ORDINALITY AS u (label, n)"
    return Table(
        oid=kind.oid,
        name=QualifiedName(kind.schema, kind.name),
        kind=TableKind.LABELS,
        columns=(
            Column(_POSITION, 1, _INT4, not_null=True),
            Column(_LABEL, 2, _TEXT, not_null=True),
        ),
        indexes=(_unique(kind, _POSITION, primary=True), _unique(kind, _LABEL)),
        foreign_keys=(),
        checks=(),
        leaves=(),
        rows=len(kind.labels),
        bytes=_ROW_BYTES * len(kind.labels),
        definition=f'SELECT u.n::int4 AS "{_POSITION}", u.label AS "{_LABEL}" FROM {rows}',
    )


def _unique(kind: PgType, column: str, *, primary: bool = False) -> Index:
    return Index(
        name=f"{kind.name}_{column}_key",
        oid=kind.oid,
        columns=(column,),
        unique=True,
        primary=primary,
        valid=True,
        immediate=True,
        method="btree",
        definition="",
        descending=(False,),
        nulls_first=(False,),
        expressions=(None,),
    )


def _referring(shaped: ShapedTable) -> ShapedTable:
    keys = [
        ForeignKey(
            name=f"{column.name}_label",
            columns=(column.name,),
            parent=QualifiedName(column.type.base.schema, column.type.base.name),
            parent_columns=(_POSITION,),
        )
        for column in shaped.table.columns
        if column.type.base.kind is TypeKind.ENUM
        and column.type.base.labels
        and shaped.columns[column.name].types.enums == LOOKUP
        and not shaped.columns[column.name].mask
    ]
    if not keys:
        return shaped
    table = shaped.table
    return replace(shaped, table=replace(table, foreign_keys=(*table.foreign_keys, *keys)))
