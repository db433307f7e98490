"""Which tables can move: how their columns are stored, and what identifies their rows."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import orjson

from streamer import limits
from streamer.model import (
    Column,
    ColumnPlan,
    Finding,
    KeyKind,
    KeyPlan,
    PgType,
    QualifiedName,
    Severity,
    Table,
    TypeKind,
)
from streamer.translate.foreign_keys import numeric_text_columns
from streamer.translate.keys import choose_key, unreadable_primary
from streamer.translate.names import (
    ROW_COLUMN,
    collisions,
    column_problems,
    name_problem,
    quote,
    target_name,
)
from streamer.translate.types import Mapping as TypeMapping
from streamer.translate.types import Unsupported, map_type

_EXCLUDE = "Exclude the table, or let the rest move with --skip-refused"


@dataclass(frozen=True, slots=True)
class Draft:
    """A table that can move: how its columns are stored, and what identifies its rows."""

    table: Table
    target: str
    mappings: Mapping[str, TypeMapping]
    columns: tuple[ColumnPlan, ...]
    key: KeyPlan


def make_drafts(tables: Sequence[Table], server_version: int) -> tuple[list[Draft], list[Finding]]:
    """The tables that can move, and the refusals of the others."""
    same_name = collisions(table.name for table in tables)
    as_text = numeric_text_columns(tables)
    drafts: list[Draft] = []
    refusals: list[Finding] = []
    for table in tables:
        problems = _problems(table, same_name.get(table.name, ()))
        mappings: dict[str, TypeMapping] = {}
        for column in table.columns:
            mapped = map_type(
                column.type,
                numeric_text=(table.name, column.name) in as_text,
                server_version=server_version,
            )
            if isinstance(mapped, Unsupported):
                where = f"{table.name}.{column.name}"
                refusals.append(Finding(Severity.REFUSAL, where, mapped.reason, _EXCLUDE))
                problems.append("")
            else:
                mappings[column.name] = mapped
        if not problems:
            draft = _draft(table, mappings)
            keyless = draft.key.kind is KeyKind.PHYSICAL
            if not (keyless and len(table.columns) >= limits.COLUMNS):
                drafts.append(draft)
                continue
            problems.append(
                f"has {len(table.columns)} columns and no key to read by; "
                f"such a table may have {limits.COLUMNS - 1}"
            )
        refusals += [
            Finding(Severity.REFUSAL, str(table.name), problem, _EXCLUDE)
            for problem in problems
            if problem
        ]
    return drafts, refusals


def _problems(table: Table, same_name: Sequence[QualifiedName]) -> list[str]:
    """Why the table can't move whatever its types."""
    problems = column_problems(table.columns)
    target = target_name(table.name)
    problems += [problem] if (problem := name_problem(target)) else []
    if same_name:
        others = ", ".join(str(name) for name in same_name)
        problems.append(
            f"would be called {target}, and so would {others} (D1 ignores the case of names)"
        )
    if not table.readable:
        problems.append("can't be read: the role has no SELECT privilege on it")
    if table.rows_hidden:
        problems.append("can't be read whole: row-level security applies to the role that reads")
    return problems


def _draft(table: Table, mappings: Mapping[str, TypeMapping]) -> Draft:
    return Draft(
        table=table,
        target=target_name(table.name),
        mappings=mappings,
        columns=tuple(_column_plan(column, mappings[column.name]) for column in table.columns),
        key=choose_key(table, mappings.__getitem__),
    )


def _column_plan(column: Column, mapping: TypeMapping) -> ColumnPlan:
    return ColumnPlan(
        source=column.name,
        target=column.name,
        storage=mapping.storage,
        wire=mapping.wire,
        read_sql=mapping.read_sql(f"t.{quote(column.name)}"),
        type_name=column.type.formatted,
        not_null=column.not_null or _domain_not_null(column.type),
        exact_sql=mapping.exact,
        nocase=mapping.nocase,
        note=mapping.note,
    )


def _domain_not_null(kind: PgType | None) -> bool:
    while kind is not None and kind.kind is TypeKind.DOMAIN:
        if kind.not_null:
            return True
        kind = kind.inner
    return False


def about_key(draft: Draft) -> list[Finding]:
    """What to say about a table whose rows aren't read by its primary key."""
    table, said = draft.table, list[str]()
    reason = unreadable_primary(table, draft.mappings.__getitem__)
    if draft.key.kind is KeyKind.PHYSICAL:
        why = reason or "it has no primary key, and no unique index over NOT NULL columns"
        said.append(
            f"{why}: rows are read by their physical position, in one snapshot;"
            " --if-exists upsert is refused, an interrupted load of it may start over"
        )
        if draft.key.rowid == ROW_COLUMN:
            said.append(
                f"a column {ROW_COLUMN} is added, because its columns hide SQLite's row number"
            )
    elif reason:
        said.append(f"{reason}: rows are read by the unique index {draft.key.name}")
    return [Finding(Severity.WARNING, str(table.name), what) for what in said]


def fingerprint(draft: Draft) -> str:
    """A digest of what must stay as it is between a run and its resumption.

    Sizes, indexes, foreign keys and the order of loading aren't part of it: they may change while
    rows already moved stay right.
    """
    facts = {
        "name": str(draft.table.name),
        "target": draft.target,
        "columns": [
            [c.source, c.type_name, c.storage, c.wire, c.read_sql, c.not_null, c.nocase]
            for c in draft.columns
        ],
        "key": [draft.key.kind, draft.key.columns, draft.key.casts, draft.key.rowid],
    }
    return hashlib.sha256(orjson.dumps(facts)).hexdigest()
