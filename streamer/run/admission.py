"""Decides, before anything is written, whether a run may start on this target."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from enum import StrEnum

from streamer.errors import RefusedError, UsageError
from streamer.model import IfExists, KeyKind, TablePlan
from streamer.run.survey import FoundTable, Survey


class Found(StrEnum):
    """What stood in a planned table's place before the run's first write."""

    ABSENT = "absent"
    EMPTY = "empty"
    ROWS = "rows"


def found(survey: Survey, table: TablePlan) -> Found:
    """What the target holds in `table`'s place."""
    there = survey.find(table.target)
    if there is None:
        return Found.ABSENT
    return Found.ROWS if there.holds_rows else Found.EMPTY


def admit(
    tables: Sequence[TablePlan],
    survey: Survey,
    *,
    if_exists: IfExists,
    create_schema: bool,
    ours: Collection[str] = (),
) -> None:
    """Refuse, with every reason at once, a target that this run must not write to.

    `ours` are target tables whose rows an earlier, abandoned run of this checkpoint wrote: they
    count as empty.

    Raises:
        UsageError: nothing was touched; the message lists each table and what to do.

    """
    problems: list[str] = []
    for table in tables:
        there = survey.find(table.target)
        if there is None:
            if not create_schema:
                problems.append(
                    f"{table.target}: no such table in D1, and --no-schema says not to make it"
                )
            continue
        problems += _mismatch(table, there)
        if there.holds_rows and table.target not in ours:
            problems += _occupied(table, there, survey, tables, if_exists)
    if problems:
        raise UsageError("\n".join(problems), hint=_hint(if_exists, survey, tables))


def _mismatch(table: TablePlan, there: FoundTable) -> list[str]:
    if there.is_view:
        return [f"{table.target}: D1 has a view of this name; drop it or exclude the table"]
    wanted = {c.target.lower(): c.storage.value for c in table.columns}
    missing = [name for name in wanted if name not in there.columns]
    if missing:
        return [f"{table.target}: the table in D1 lacks the columns {', '.join(missing)}"]
    other = [
        f"{name} is {there.columns[name] or 'untyped'}, planned {declared}"
        for name, declared in wanted.items()
        if there.columns[name] != declared
    ]
    if other:
        return [f"{table.target}: columns of another type in D1: {'; '.join(other)}"]
    key = tuple(name.lower() for name in table.key.targets)
    if table.key.kind is KeyKind.PRIMARY and there.key != key:
        return [
            (
                f"{table.target}: the primary key in D1 is ({', '.join(there.key)}), planned "
                f"({', '.join(key)})"
            )
        ]
    return []


def _occupied(
    table: TablePlan,
    there: FoundTable,
    survey: Survey,
    tables: Sequence[TablePlan],
    if_exists: IfExists,
) -> list[str]:
    match if_exists:
        case IfExists.FAIL:
            return [f"{there.name}: the table in D1 already holds rows"]
        case IfExists.UPSERT:
            if table.key.kind is KeyKind.PHYSICAL:
                return [
                    (
                        f"{there.name}: already holds rows, and without a key in PostgreSQL they "
                        "can't be matched; empty it or use --if-exists replace"
                    )
                ]
            return []
        case IfExists.REPLACE:
            planned = {other.target.lower() for other in tables}
            outside = sorted(c for c in survey.children_of(there.name) if c.lower() not in planned)
            return [
                f"{there.name}: can't be emptied, {child} refers to it and isn't part of this run"
                for child in outside
            ]


def _hint(if_exists: IfExists, survey: Survey, tables: Sequence[TablePlan]) -> str:
    occupied = any(found(survey, table) is Found.ROWS for table in tables)
    if if_exists is IfExists.FAIL and occupied:
        return (
            "Use --if-exists upsert to update and add, --if-exists replace to empty first, "
            "or another D1 database."
        )
    return "Nothing was written."


def refuse_what_cannot_move(refusals: Sequence[str], *, skip_refused: bool) -> None:
    """Stop a run that would leave something out, unless the user said so.

    Raises:
        RefusedError: with every refusal, one line each.

    """
    if refusals and not skip_refused:
        raise RefusedError(
            "\n".join(refusals),
            hint="Exclude them, or let the rest move with --skip-refused (the run then exits 3).",
        )
