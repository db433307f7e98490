"""Which indexes the target gets, under which names, and when."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from streamer import limits
from streamer.frozen import frozen
from streamer.model import Finding, Index, IndexPlan, IndexTiming, KeyKind, KeyPlan, Severity, Table
from streamer.translate.carried import Carried
from streamer.translate.ddl import create_index
from streamer.translate.index_sql import IndexSql, index_changes
from streamer.translate.keys import key_names
from streamer.translate.names import index_name, quote

# A CREATE INDEX must end within D1's 30 s. Nobody has published its speed; these are a third of
# what 300,000 rows/s (a fifth of a local SQLite) would build, at 22 bytes an integer entry.
LARGE_INDEX_BYTES = 64_000_000
LARGE_TABLE_BYTES = 2_000_000_000  # it reads the whole table
REPEATABLE_BYTES = len("IF NOT EXISTS ")  # what a statement grows by when it may be sent again


@frozen
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
    carried: Carried,
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
    same: dict[tuple[object, ...], str] = {}
    for index in table.indexes:
        if index.primary:
            continue
        where = f"{table.name}.{index.name}"
        made = carried.indexes.get(index.name)
        if made is None:
            findings.append(_left_out(index, where, carried.objections[index.name]))
            continue
        changes = [*index_changes(table, index), *made.notes]
        findings += [Finding(Severity.WARNING, where, what) for what in changes]
        alike = same.setdefault(_alike(index, made), index.name)
        if index.name not in {alike, key.name}:
            what = f"in D1 it would be the same as {alike}"
            findings.append(_left_out(replace(index, unique=False), where, what))
            continue
        name = index_name(target, index.name, taken)
        sql = create_index(
            name,
            target,
            made.keys,
            descending=index.descending,
            unique=index.unique,
            where=made.where,
        )
        if len(sql.encode()) > limits.STATEMENT_BYTES - REPEATABLE_BYTES:
            too_long = f"D1 takes statements of {limits.STATEMENT_BYTES:,} bytes"
            findings.append(_left_out(index, where, too_long))
            continue
        plans.append(
            IndexPlan(
                name=name,
                table=target,
                sql=sql,
                early=_early(table, index, key, needed, timing),
                unique=index.unique,
                source_bytes=index.bytes,
                object=where,
                keys=made.keys,
                where=made.where,
            )
        )
    added, said = _added(table, target, carried, needed, taken=taken, target_of=target_of)
    return plans + added, findings + said


def _alike(index: Index, made: IndexSql) -> tuple[object, ...]:
    """What two indexes share that are the same in D1; NULLs first or last is lost anyway."""
    return (
        index.unique,
        made.keys,
        made.where,
        tuple(index.descending) or (False,) * len(made.keys),
    )


def _left_out(index: Index, where: str, objection: str) -> Finding:
    what = f"the {'unique ' if index.unique else ''}index is left out: {objection}"
    hint = "Uniqueness isn't enforced in D1" if index.unique else ""
    return Finding(Severity.WARNING, where, what, hint)


def _early(table: Table, index: Index, key: KeyPlan, needed: Needed, timing: IndexTiming) -> bool:
    columns = key_names(index)
    if index.unique and frozenset(columns) in needed.unique:
        return True
    if key.kind is KeyKind.UNIQUE and index.name == key.name:
        return True
    if any(_serves(index, wanted) for _, wanted in needed.plain):
        return True
    match timing:
        case IndexTiming.BEFORE:
            return True
        case IndexTiming.AFTER:
            return False
        case IndexTiming.AUTO:
            return index.bytes > LARGE_INDEX_BYTES or table.bytes > LARGE_TABLE_BYTES


def _serves(index: Index, wanted: Sequence[str]) -> bool:
    """Whether rows are found through `index` by the columns `wanted`."""
    return index.predicate is None and set(index.columns[: len(wanted)]) == set(wanted)


def _added(
    table: Table,
    target: str,
    carried: Carried,
    needed: Needed,
    *,
    taken: set[str],
    target_of: Callable[[str], str],
) -> tuple[list[IndexPlan], list[Finding]]:
    """Indexes that only the target has: publishing a cycle looks up each parent's children."""
    plans: list[IndexPlan] = []
    findings: list[Finding] = []
    for foreign_key, wanted in needed.plain:
        there = any(
            index.name in carried.indexes and _serves(index, wanted) for index in table.indexes
        )
        if there:
            continue
        name = index_name(target, foreign_key, taken)
        keys = [quote(target_of(column)) for column in wanted]
        sql = create_index(name, target, keys)
        plans.append(IndexPlan(name=name, table=target, sql=sql, early=True, unique=False))
        what = f"an index on {', '.join(wanted)} is added: its cycle of foreign keys needs it"
        findings.append(Finding(Severity.WARNING, f"{table.name}.{foreign_key}", what))
    return plans, findings
