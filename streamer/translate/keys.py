"""Which key a table's rows are read by, resumed by and upserted by."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from streamer.model import Column, Index, KeyKind, KeyPlan, Storage, Table
from streamer.translate.names import ROW_COLUMN, rowid_name
from streamer.translate.types import Mapping


def primary_index(table: Table) -> Index | None:
    """The table's primary key, whether or not rows can be read by it."""
    return next((index for index in table.indexes if index.primary and index.valid), None)


def choose_key(
    table: Table,
    mapping_of: Callable[[str], Mapping],
    target_of: Callable[[str], str],
    wanted: Sequence[str] = (),
) -> KeyPlan:
    """The primary key; else a unique index that can stand in for it; else the physical row.

    Of several unique indexes one over the columns that are `wanted`, else the one with the fewest
    columns, integers first, serves. `target_of` gives the target's name of a column.
    """
    usable = [index for index in table.indexes if _usable(table, index, mapping_of)]
    for index in usable:
        if index.primary:
            return _plan(table, index, KeyKind.PRIMARY, target_of)

    def cost(index: Index) -> tuple[bool, int, int, str]:
        names = key_names(index)
        wide = sum(mapping_of(name).storage is not Storage.INTEGER for name in names)
        return (set(names) != set(wanted), len(names), wide, index.name)

    if usable:
        return _plan(table, min(usable, key=cost), KeyKind.UNIQUE, target_of)
    rowid = rowid_name(target_of(column.name) for column in table.columns)
    return KeyPlan(KeyKind.PHYSICAL, rowid=rowid or ROW_COLUMN)


def key_names(index: Index) -> tuple[str, ...]:
    """The index's key columns that are plain columns."""
    return tuple(name for name in index.columns if name is not None)


def told_apart_by(table: Table) -> frozenset[frozenset[str]]:
    """The sets of columns by which the target tells all rows of `table` apart."""
    return frozenset(
        frozenset(key_names(index))
        for index in table.indexes
        if index.unique and index.valid and index.predicate is None and None not in index.columns
    )


def unreadable_primary(table: Table, mapping_of: Callable[[str], Mapping]) -> str:
    """Why a primary key can't be read by, for a warning; '' where there is none or it can."""
    index = primary_index(table)
    if index is None or _usable(table, index, mapping_of):
        return ""
    if not index.immediate:
        return f"its primary key {index.name} is DEFERRABLE"
    names = [name for name in key_names(index) if not mapping_of(name).keyable]
    types = sorted({table.column(name).type.formatted for name in names})
    return f"rows can't be read in the order of its primary key's type {', '.join(types)}"


def is_rowid_alias(table: Table, key: KeyPlan, storage_of: Callable[[str], Storage]) -> bool:
    """Whether the primary key becomes `INTEGER PRIMARY KEY`, SQLite's own row number.

    Not where the rowid is the physical position.
    """
    index = primary_index(table)
    if index is None or key.kind is KeyKind.PHYSICAL or len(index.columns) != 1:
        return False
    return storage_of(key_names(index)[0]) is Storage.INTEGER


def _usable(table: Table, index: Index, mapping_of: Callable[[str], Mapping]) -> bool:
    if not (index.unique and index.valid and index.immediate and index.method == "btree"):
        return False
    if index.predicate is not None or None in index.columns or any(index.descending):
        return False
    columns: list[Column] = [table.column(name) for name in key_names(index)]
    return (
        index.operator_classes_default
        and all(index.primary or column.not_null for column in columns)
        and all(mapping_of(column.name).keyable for column in columns)
    )


def _plan(table: Table, index: Index, kind: KeyKind, target_of: Callable[[str], str]) -> KeyPlan:
    names = key_names(index)
    return KeyPlan(
        kind=kind,
        columns=names,
        targets=tuple(map(target_of, names)),
        # Not to a domain: its collation would come before the column's "default", and its CHECKs needn't
        # hold for rows that were there before them.
        casts=tuple(table.column(name).type.base.formatted for name in names),
        name=index.name,
    )
