"""Which foreign keys the target keeps, and why the others are left out."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from streamer.model import (
    Finding,
    ForeignKey,
    ForeignKeyAction,
    ForeignKeyPlan,
    QualifiedName,
    Severity,
    Storage,
    Table,
)
from streamer.translate.names import fold, target_name
from streamer.translate.types import Mapping as TypeMapping
from streamer.translate.types import is_numeric, numeric_storage

ColumnId = tuple[QualifiedName, str]
MappingOf = Callable[[ColumnId], TypeMapping]

_NUMBERS = frozenset({"integer", "numeric", "numeric real"})
# (child, parent): PostgreSQL compares them, and SQLite's affinity of the parent does the same.
_ALIKE = frozenset(
    {("integer", "float8"), ("integer", "float4"), ("bpchar", "text"), ("name", "text")}
)


@dataclass(frozen=True, slots=True)
class Kept:
    """A foreign key that the target keeps; `moved`: the parent is among the tables moved."""

    source: ForeignKey
    plan: ForeignKeyPlan
    moved: bool


@dataclass(frozen=True, slots=True)
class Parents:
    """The tables that foreign keys may refer to.

    `moved` are moved in the same run, `known` is all of the catalog, `existing` are folded names of
    tables that the target holds already.
    """

    moved: Collection[QualifiedName]
    known: Mapping[QualifiedName, Table]
    existing: Collection[str] = ()


def numeric_text_columns(tables: Sequence[Table]) -> frozenset[ColumnId]:
    """Numeric columns whose equal values must be equal text: stored as text, in a key.

    A numeric that would be a REAL becomes text too where a foreign key ties it to such a column.
    """
    by_name = {table.name: table for table in tables}
    pairs = [
        ((table.name, child), (key.parent, parent))
        for table in tables
        for key in table.foreign_keys
        if key.parent in by_name
        for child, parent in zip(key.columns, key.parent_columns, strict=True)
    ]
    in_keys = {
        (table.name, name)
        for table in tables
        for index in table.indexes
        if index.unique
        for name in index.columns
        if name is not None
    }

    def storage(column: ColumnId) -> Storage | None:
        kind = by_name[column[0]].column(column[1]).type
        return numeric_storage(kind.base.modifier) if is_numeric(kind) else None

    tied = {column: storage(column) for column in {*in_keys, *chain.from_iterable(pairs)}}
    found = {column for column, stored in tied.items() if stored is Storage.TEXT}
    changing = True
    while changing:
        before = len(found)
        for child, parent in pairs:
            both = {child, parent}
            if both & found:
                found |= {column for column in both if tied[column] is Storage.REAL}
        changing = len(found) > before
    return frozenset(found)


def keep(
    table: Table, parents: Parents, mapping_of: MappingOf, left_out: Collection[str] = ()
) -> tuple[list[Kept], list[Finding]]:
    """The foreign keys of `table` that the target can hold, and what to say about the rest.

    `left_out` names foreign keys (`schema.table.name`) that the user gave up.
    """
    kept: list[Kept] = []
    findings: list[Finding] = []
    for key in table.foreign_keys:
        why, hint = _objection(table, key, parents, mapping_of, left_out)
        where = f"{table.name}.{key.name}"
        if why:
            what = f"the foreign key to {key.parent} is left out: {why}"
            findings.append(Finding(Severity.WARNING, where, what, hint))
            continue
        findings += [Finding(Severity.WARNING, where, what) for what in _changes(key)]
        plan = ForeignKeyPlan(key.columns, target_name(key.parent), key.parent_columns, key.name)
        kept.append(Kept(key, plan, moved=key.parent in parents.moved))
    return kept, findings


def _objection(
    table: Table,
    key: ForeignKey,
    parents: Parents,
    mapping_of: MappingOf,
    left_out: Collection[str],
) -> tuple[str, str]:
    """Why `key` can't be kept and what to do about it; two empty texts if it can."""
    if f"{table.name}.{key.name}" in left_out:
        return "as asked", ""
    if not key.validated:
        return (
            "it is NOT VALID in PostgreSQL, so rows without a parent may exist",
            f"ALTER TABLE … VALIDATE CONSTRAINT {key.name} in the source, then it is kept",
        )
    if key.parent not in parents.moved:
        there = fold(target_name(key.parent)) in parents.existing and key.parent in parents.known
        if not there:
            return (
                "that table isn't moved, and D1 would refuse every row that refers to it",
                "Move that table too, or before this one",
            )
    else:
        for child, parent in zip(key.columns, key.parent_columns, strict=True):
            ours, theirs = mapping_of((table.name, child)), mapping_of((key.parent, parent))
            if not _alike(ours.family, theirs.family):
                return f"equal values of {child} and {parent} may be stored differently", ""
    return "", ""


def _alike(child: str, parent: str) -> bool:
    if child in _NUMBERS and parent in _NUMBERS:
        return True
    return (child == parent and child != "") or (child, parent) in _ALIKE


def _changes(key: ForeignKey) -> list[str]:
    """What a kept foreign key does differently in the target."""
    changes: list[str] = []
    if key.match_full and len(key.columns) > 1:
        changes.append("MATCH FULL becomes MATCH SIMPLE: partly NULL references are accepted")
    if key.set_columns:
        changes.append("ON DELETE SET NULL or SET DEFAULT of some columns sets all of them")
    if ForeignKeyAction.SET_DEFAULT in (key.on_delete, key.on_update):
        changes.append("SET DEFAULT sets NULL, because defaults aren't carried over")
    return changes
