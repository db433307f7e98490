"""Which foreign keys the target keeps, and why the others are left out."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import field
from itertools import chain

from streamer.frozen import frozen
from streamer.model import (
    Finding,
    ForeignKey,
    ForeignKeyPlan,
    QualifiedName,
    Severity,
    Storage,
    Table,
)
from streamer.translate.names import fold
from streamer.translate.types import Mapping as TypeMapping
from streamer.translate.types import is_numeric, numeric_storage
from streamer.translate.types.containers import POSITIONS

ColumnId = tuple[QualifiedName, str]
MappingOf = Callable[[ColumnId], TypeMapping]

# (child, parent): PostgreSQL compares them, and SQLite's affinity of the parent does the same. Not
# doubles with decimal text, though: a double's text is 1.0 where the numeric's is 1.
_ALIKE = frozenset(
    {
        ("integer", "numeric"),
        ("numeric", "integer"),
        ("integer", "numeric real"),
        ("numeric real", "integer"),
        ("integer", "float8"),
        ("integer", "float4"),
        ("bpchar", "text"),
        ("name", "text"),
    }
)


@frozen
class Kept:
    """A foreign key that the target keeps; `moved`: the parent is among the tables moved."""

    source: ForeignKey
    plan: ForeignKeyPlan
    moved: bool


@frozen
class Parents:
    """The tables that foreign keys may refer to.

    `moved` are those moved in the same run, with the sets of columns by which the target tells
    their rows apart. `targets` is what all tables of the catalog are called in the target,
    `existing` are folded names of tables that the target holds already. `columns` are target names
    of columns that aren't called as in the source, `nulls` are columns that hold nothing but NULL.
    """

    moved: Mapping[QualifiedName, Collection[frozenset[str]]]
    targets: Mapping[QualifiedName, str]
    existing: Collection[str] = ()
    columns: Mapping[ColumnId, str] = field(default_factory=dict[ColumnId, str])
    nulls: Collection[ColumnId] = ()

    def column(self, table: QualifiedName, name: str) -> str:
        """The target's name of a column."""
        return self.columns.get((table, name), name)


def numeric_text_columns(
    tables: Sequence[Table],
    options: Mapping[ColumnId, str] | None = None,
    given: Collection[ColumnId] = (),
) -> frozenset[ColumnId]:
    """Numeric columns whose equal values must be equal text: stored as text, in a key.

    A numeric that would be a REAL becomes text too where a foreign key ties it to such a column.
    `options` is what the user wants of a column (TypeOptions.numeric); without it `auto` applies.
    `given` are columns that users call keys.
    """
    types = {(table.name, column.name): column.type for table in tables for column in table.columns}
    pairs = [
        ((table.name, child), (key.parent, parent))
        for table in tables
        for key in table.foreign_keys
        for child, parent in zip(key.columns, key.parent_columns, strict=True)
        if (key.parent, parent) in types
    ]
    in_keys = {column for column in given if column in types} | {
        (table.name, name)
        for table in tables
        for index in table.indexes
        if index.unique
        for name in index.columns
        if name is not None
    }

    def storage(column: ColumnId) -> Storage | None:
        wanted = (options or {}).get(column, "auto")
        if not is_numeric(types[column]) or wanted == "real":
            return None
        return numeric_storage(types[column].base.modifier, wanted)

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

    `left_out` names foreign keys of this table that the user gave up.
    """
    kept: list[Kept] = []
    findings: list[Finding] = []
    for key in table.foreign_keys:
        why, hint = ("as asked", "") if key.name in left_out else _objection(key, parents)
        # A reference that is NULL in part is none.
        compared = not any((table.name, name) in parents.nulls for name in key.columns)
        if not why and compared and key.parent in parents.moved:
            why, hint = _unlike(table, key, mapping_of)
        where = f"{table.name}.{key.name}"
        if why:
            what = f"the foreign key to {key.parent} is left out: {why}"
            findings.append(Finding(Severity.WARNING, where, what, hint))
            continue
        nocase = key.parent in parents.moved and any(
            mapping_of((key.parent, name)).nocase for name in key.parent_columns
        )
        findings += [
            Finding(Severity.WARNING, where, what) for what in _changes(key, nocase=nocase)
        ]
        plan = ForeignKeyPlan(
            tuple(parents.column(table.name, name) for name in key.columns),
            parents.targets[key.parent],
            tuple(parents.column(key.parent, name) for name in key.parent_columns),
            key.name,
        )
        kept.append(Kept(key, plan, moved=key.parent in parents.moved))
    return kept, findings


def _objection(key: ForeignKey, parents: Parents) -> tuple[str, str]:
    """Why `key` can't be kept and what to do about it; two empty texts if it can."""
    if key.unproven:
        return (
            f"it is {key.unproven} in PostgreSQL, so rows without a parent may exist",
            f"{key.to_prove} in the source, then it is kept",
        )
    if key.period:
        return "D1 doesn't know PERIOD, references to a time that several rows cover", ""
    if key.parent not in parents.moved:
        there = fold(parents.targets.get(key.parent, "")) in parents.existing
        return (
            ("", "")
            if there
            else (
                "that table isn't moved, and D1 would refuse every row that refers to it",
                "Move that table too, or before this one",
            )
        )
    if frozenset(key.parent_columns) not in parents.moved[key.parent]:
        names = ", ".join(key.parent_columns)
        return (
            f"{names} of {key.parent} is no key in D1 any more",
            "Move its columns as they are, or with the mask hash",
        )
    return "", ""


def _unlike(table: Table, key: ForeignKey, mapping_of: MappingOf) -> tuple[str, str]:
    """Why references can't be told from the stored values, and what to do about it."""
    for child, parent in zip(key.columns, key.parent_columns, strict=True):
        ours, theirs = mapping_of((table.name, child)), mapping_of((key.parent, parent))
        if not _alike(ours.family, theirs.family):
            hint = (
                f"Store both alike: the same options, the same mask for {table.name}.{child}"
                f" and {key.parent}.{parent}"
            )
            return f"equal values of {child} and {parent} may be stored differently", hint
    return "", ""


def _alike(child: str, parent: str) -> bool:
    # No integer of PostgreSQL's is referred to by an enum: it is a table of labels that is meant.
    labels = child.startswith(POSITIONS) and parent == "integer"
    return labels or (child == parent and child != "") or (child, parent) in _ALIKE


def _changes(key: ForeignKey, *, nocase: bool) -> list[str]:
    """What a kept foreign key does differently in the target; `nocase`: to a key that ignores case."""
    changes: list[str] = []
    if nocase:
        changes.append(
            "D1 ignores the case of ASCII letters alone: it takes no row that refers to another"
            " spelling of letters like É"
        )
    if key.match_full and len(key.columns) > 1:
        changes.append("MATCH FULL becomes MATCH SIMPLE: partly NULL references are accepted")
    if key.set_columns:
        changes.append("ON DELETE SET NULL or SET DEFAULT of some columns sets all of them")
    return changes
