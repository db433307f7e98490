"""Which indexes the target gets, under which names, and when."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from streamer.model import Finding, Index, IndexPlan, IndexTiming, KeyKind, KeyPlan, Severity, Table
from streamer.translate.ddl import create_index
from streamer.translate.keys import key_names
from streamer.translate.names import index_name

# A CREATE INDEX must end within D1's 30 s. Nobody has published its speed; these are a third of
# what 300,000 rows/s (a fifth of a local SQLite) would build, at 22 bytes an integer entry.
LARGE_INDEX_BYTES = 64_000_000
LARGE_TABLE_BYTES = 2_000_000_000  # it reads the whole table

_BTREE_LIKE = frozenset({"btree", "hash"})


@dataclass(frozen=True, slots=True)
class Needed:
    """Column lists (as sets) that must be indexed before rows come.

    `unique` for foreign keys that refer to them, `plain` for tables whose foreign keys are checked
    late.
    """

    unique: frozenset[frozenset[str]] = frozenset()
    plain: tuple[tuple[str, tuple[str, ...]], ...] = ()


def plan_indexes(
    table: Table,
    target: str,
    key: KeyPlan,
    needed: Needed,
    *,
    timing: IndexTiming,
    taken: set[str],
    target_of: Callable[[str], str],
) -> tuple[list[IndexPlan], list[Finding]]:
    """The target's indexes other than its primary key, and what to say about the others.

    `taken` holds the folded names in use, and takes up the new ones. `target_of` gives the target's
    name of a column.
    """
    plans: list[IndexPlan] = []
    findings: list[Finding] = []
    for index in table.indexes:
        if index.primary:
            continue
        where = f"{table.name}.{index.name}"
        objection = _objection(index)
        if objection:
            what = f"the {'unique ' if index.unique else ''}index is left out: {objection}"
            hint = "Uniqueness isn't enforced in D1" if index.unique else ""
            findings.append(Finding(Severity.WARNING, where, what, hint))
            continue
        findings += [Finding(Severity.WARNING, where, what) for what in _changes(index)]
        columns = tuple(map(target_of, key_names(index)))
        name = index_name(target, index.name, taken)
        plans.append(
            IndexPlan(
                name=name,
                table=target,
                sql=create_index(
                    name, target, columns, descending=index.descending, unique=index.unique
                ),
                early=_early(table, index, key, needed, timing),
                unique=index.unique,
                source_bytes=index.bytes,
            )
        )
    added, said = _added(table, target, needed, taken, target_of)
    return plans + added, findings + said


def is_translated(index: Index) -> bool:
    """Whether the target gets this index."""
    return not _objection(index)


def _objection(index: Index) -> str:
    if not index.valid:
        return "it is invalid in PostgreSQL"
    if index.method not in _BTREE_LIKE:
        return f"D1 has no {index.method} indexes"
    if None in index.columns:
        return "expressions aren't translated"
    if index.predicate is not None:
        return "its WHERE isn't translated"
    return ""


def _changes(index: Index) -> list[str]:
    changes: list[str] = []
    if index.method == "hash":
        changes.append("the hash index becomes an ordinary one")
    if not index.operator_classes_default:
        changes.append("the index's operator class or collation becomes D1's own order of bytes")
    if index.nulls_not_distinct:
        changes.append("NULLS NOT DISTINCT isn't known to D1, which allows several NULLs")
    if index.unique and not index.immediate:
        changes.append("DEFERRABLE isn't known to D1, which checks each row at once")
    if any(first != down for first, down in zip(index.nulls_first, index.descending, strict=False)):
        changes.append("NULLS FIRST or LAST isn't kept, D1 sorts NULLs first")
    return changes


def _early(table: Table, index: Index, key: KeyPlan, needed: Needed, timing: IndexTiming) -> bool:
    columns = key_names(index)
    if index.unique and frozenset(columns) in needed.unique:
        return True
    if key.kind is KeyKind.UNIQUE and index.name == key.name:
        return True
    if any(_serves(columns, wanted) for _, wanted in needed.plain):
        return True
    match timing:
        case IndexTiming.BEFORE:
            return True
        case IndexTiming.AFTER:
            return False
        case IndexTiming.AUTO:
            return index.bytes > LARGE_INDEX_BYTES or table.bytes > LARGE_TABLE_BYTES


def _serves(columns: Sequence[str], wanted: Sequence[str]) -> bool:
    return set(columns[: len(wanted)]) == set(wanted)


def _added(
    table: Table, target: str, needed: Needed, taken: set[str], target_of: Callable[[str], str]
) -> tuple[list[IndexPlan], list[Finding]]:
    """Indexes that only the target has: publishing a cycle looks up each parent's children."""
    plans: list[IndexPlan] = []
    findings: list[Finding] = []
    for foreign_key, wanted in needed.plain:
        there = any(
            is_translated(index) and _serves(key_names(index), wanted) for index in table.indexes
        )
        if there:
            continue
        name = index_name(target, foreign_key, taken)
        sql = create_index(name, target, tuple(map(target_of, wanted)))
        plans.append(IndexPlan(name=name, table=target, sql=sql, early=True, unique=False))
        what = f"an index on {', '.join(wanted)} is added: its cycle of foreign keys needs it"
        findings.append(Finding(Severity.WARNING, f"{table.name}.{foreign_key}", what))
    return plans, findings
