"""Decides, before anything is written, whether a run may start on this target."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from enum import StrEnum

from streamer.errors import RefusedError, UsageError
from streamer.frozen import frozen
from streamer.model import IfExists, KeyKind, TablePlan
from streamer.run.survey import FoundTable, Survey

MOST_LINES, MOST_NAMES = 20, 12  # in a message; a database may have thousands of tables

CHOOSE = (
    "Use --if-exists upsert to update and add, --if-exists replace to empty first, "
    "or another database as the target."
)
EMPTY_THEM = "Empty it, or use --if-exists replace."
MOVE_TOO = "Move that table too, or drop its foreign key in D1."
MAKE_THEM = "Make the tables (`streamer schema` prints their SQL), or leave out --no-schema."
CHANGE_THEM = "Drop or change it in D1, exclude it, or use another database."


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


@frozen
class _Objection:
    """Why a run must not write to the target table `name`, and what to do about that."""

    name: str
    what: str
    advice: str


def admit(
    tables: Sequence[TablePlan],
    survey: Survey,
    *,
    if_exists: IfExists,
    create_schema: bool,
    ours: Collection[str] = (),
    remade: Collection[str] = (),
) -> None:
    """Refuse, with every reason at once, a target that this run must not write to.

    `ours` are target tables whose rows an earlier, abandoned run of this checkpoint wrote: they
    count as empty. Those in `remade` it made itself, and they will be made anew.

    Raises:
        UsageError: nothing was touched; the message names the tables and what to do.

    """
    objections: list[_Objection] = []
    for table in tables:
        there = survey.find(table.target)
        if there is None:
            if not create_schema:
                objections.append(_Objection(table.target, "not in D1", MAKE_THEM))
            continue
        if table.target in remade:
            continue
        objections += _mismatch(table, there)
        if there.holds_rows and table.target not in ours:
            objections += _occupied(table, there, survey, tables, if_exists)
    if objections:
        names: dict[str, list[str]] = {}
        for objection in objections:
            names.setdefault(objection.what, []).append(objection.name)
        lines = [f"{listed(same)}: {what}" for what, same in names.items()]
        advice = dict.fromkeys(objection.advice for objection in objections)
        raise UsageError(shortened(lines), hint=" ".join(advice))


def _mismatch(table: TablePlan, there: FoundTable) -> list[_Objection]:
    found_wrong = unlike(table, there)
    return [_Objection(there.name, found_wrong, CHANGE_THEM)] if found_wrong else []


def unlike(table: TablePlan, there: FoundTable) -> str:
    """How the table in D1 differs from the planned one; '' where rows can go into it."""
    if there.is_view:
        return "a view in D1"
    wanted = {c.target.lower(): c.storage.value for c in table.columns}
    if lacking := _lacking(table, there, wanted):
        return lacking
    other = [
        f"{name} is {there.columns[name] or 'untyped'}, planned {declared}"
        for name, declared in wanted.items()
        if there.columns[name] != declared
    ]
    if other:
        return f"in D1 with columns of another type: {'; '.join(other)}"
    key = tuple(name.lower() for name in table.key.targets)
    if table.key.kind is KeyKind.PRIMARY and there.key != key:
        was = f"the primary key ({', '.join(there.key)})" if there.key else "no primary key"
        return f"in D1 with {was}, planned ({', '.join(key)})"
    return _loose(table, there)


def _loose(table: TablePlan, there: FoundTable) -> str:
    """By which collation D1 takes rows for the same whose keys differ in PostgreSQL; '' for none.

    An upsert would write the one into the other.
    """
    key = {name.lower() for name in table.key.targets}
    ignoring_case = {column.target.lower() for column in table.columns if column.nocase}
    for index in there.loose:
        if {name for name, _ in index} != key:
            continue
        for name, collation in sorted(index):
            if collation not in {"BINARY", "NOCASE" if name in ignoring_case else "BINARY"}:
                return f"in D1 with a key that compares {name} by {collation}, planned BINARY"
    return ""


def _lacking(table: TablePlan, there: FoundTable, wanted: Collection[str]) -> str:
    """Which columns the table in D1 hasn't got, or not in the way that is planned; '' for none."""
    computed = [name for name in wanted if name in there.generated]
    if computed:
        return f"in D1 with columns that it computes, planned to be written: {', '.join(computed)}"
    plain = [n.lower() for n in table.generated if n.lower() not in there.generated]
    if plain:
        return f"in D1 without the generated columns {', '.join(plain)}"
    missing = [name for name in wanted if name not in there.columns]
    return f"in D1 without the columns {', '.join(missing)}" if missing else ""


def _occupied(
    table: TablePlan,
    there: FoundTable,
    survey: Survey,
    tables: Sequence[TablePlan],
    if_exists: IfExists,
) -> list[_Objection]:
    match if_exists:
        case IfExists.FAIL:
            return [_Objection(there.name, "already in D1, with rows", CHOOSE)]
        case IfExists.UPSERT if table.key.kind is KeyKind.PHYSICAL:
            what = "already in D1, with rows that can't be matched: PostgreSQL has no key for them"
            return [_Objection(there.name, what, EMPTY_THEM)]
        case IfExists.UPSERT:
            return []
        case IfExists.REPLACE:
            planned = {other.target.lower() for other in tables}
            outside = sorted(c for c in survey.children_of(there.name) if c.lower() not in planned)
            what = f"can't be emptied, {listed(outside)} outside this run refers to it"
            return [_Objection(there.name, what, MOVE_TOO)] if outside else []


def listed(names: Sequence[str]) -> str:
    """The names, or the first of many and how many more there are."""
    more = len(names) - MOST_NAMES
    return ", ".join(names[:MOST_NAMES]) + (f" and {more:,} more" if more > 0 else "")


def shortened(lines: Sequence[str]) -> str:
    """The lines, or the first of many and how many more there are."""
    more = len(lines) - MOST_LINES
    return "\n".join([*lines[:MOST_LINES], *([f"... and {more:,} more"] if more > 0 else [])])


def refuse_what_cannot_move(refusals: Sequence[str], *, skip_refused: bool) -> None:
    """Stop a run that would leave something out, unless the user said so.

    Raises:
        RefusedError: with the refusals, one line each; `streamer plan` lists all of many.

    """
    if refusals and not skip_refused:
        raise RefusedError(
            shortened(refusals),
            hint="Exclude them, or let the rest move with --skip-refused (the run then exits 3).",
        )
