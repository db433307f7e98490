"""The key that a user names where PostgreSQL knows none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from streamer.model import Index, KeyKind, Table
from streamer.plan.shape import ShapedTable
from streamer.translate.keys import choose_key
from streamer.translate.types import Mapping as TypeMapping


def with_key(shaped: ShapedTable, mappings: Mapping[str, TypeMapping]) -> tuple[ShapedTable, str]:
    """The table with the key that the user gave as a unique index, its columns NOT NULL.

    Whether its rows obey that is for a question to find out. The text is a usage problem, '' where
    there is none; the table is then as it was.
    """
    table, wanted = shaped.table, shaped.options.key
    if not wanted:
        return shaped, ""
    own = choose_key(table, mappings.__getitem__, shaped.target_of)
    if own.kind is not KeyKind.PHYSICAL:
        same = set(own.columns) == set(wanted)
        known = f"{table.name}: it has a key already, {', '.join(own.columns)} ({own.name})."
        return shaped, "" if same else known
    unfit = [name for name in wanted if not mappings[name].keyable]
    if unfit:
        types = ", ".join(f"{name} ({table.column(name).type.formatted})" for name in unfit)
        return shaped, f"{table.name}: rows can't be read in the order of {types}."
    columns = tuple(
        replace(column, not_null=True) if column.name in wanted else column
        for column in table.columns
    )
    index = given_index(table, wanted)
    return replace(
        shaped, table=replace(table, columns=columns, indexes=(*table.indexes, index))
    ), ""


def given_index(table: Table, columns: tuple[str, ...]) -> Index:
    """The index that stands for a key in the target that the source doesn't have."""
    name, taken = "key", {index.name for index in table.indexes}
    while name in taken:
        name += "_"
    return Index(
        name=name,
        oid=0,
        columns=columns,
        unique=True,
        primary=False,
        valid=True,
        immediate=True,
        method="btree",
        definition="",
        descending=(False,) * len(columns),
        nulls_first=(False,) * len(columns),
        expressions=(None,) * len(columns),
    )
