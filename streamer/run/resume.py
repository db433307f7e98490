"""What a resumed run checks, and what it must do over, before it goes on."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from streamer.config import RunSettings
from streamer.errors import SettingsChangedError, SourceChangedError, UsageError
from streamer.model import IfExists, IndexPlan, Loading, TablePlan
from streamer.model.plan import ViewPlan
from streamer.run.admission import Found, admit, found, listed, shortened, unlike
from streamer.run.identity import (
    GoOn,
    check_files,
    check_loading,
    check_source,
    check_table,
    check_target,
    table_facts,
)
from streamer.run.journal import Journal
from streamer.run.recorded import items
from streamer.run.states import Start, State, StepName, Work
from streamer.run.steps import (
    after_step,
    check_step,
    edges_step,
    empty_step,
    index_step,
    named,
    publish_step,
    rows_are_there,
    rows_step,
    schema_step,
    view_step,
)
from streamer.run.survey import Survey

if TYPE_CHECKING:
    from checkpoints import JSON


def begun(journal: Journal) -> set[str]:
    """Tables whose rows began to move."""
    return {
        name.table
        for name, step in journal.steps.items()
        if name.work is Work.ROWS and (step.state != State.TODO or step.next_number > 0)
    }


def check_tables_are_there(journal: Journal, tables: Sequence[TablePlan]) -> None:
    """Refuse to go on without a table of the run: it stands in D1 already, and others need it.

    Raises:
        UsageError: the selection leaves it out, or it is gone from the source.

    """
    recorded = {name.table for name in journal.steps if name.work is Work.ROWS}
    missing = sorted(recorded - {str(table.name) for table in tables})
    if missing:
        raise UsageError(
            f"the run was begun with {listed(missing)}: not selected, or not there, now",
            hint="Select the same tables, or start over with --restart.",
        )


def _made_or_begun(journal: Journal, table: TablePlan) -> bool:
    """Whether anything in the target follows from what the table was when the run began."""
    return journal.is_done(schema_step(table)) or str(table.name) in begun(journal)


async def renew_facts(journal: Journal, tables: Sequence[TablePlan]) -> None:
    """Remember tables of which nothing was made yet as they are now."""
    known = [table for table in tables if rows_step(table) in journal.steps]
    untouched = [table for table in known if not _made_or_begun(journal, table)]
    if untouched:
        await journal.describe({rows_step(table): table_facts(table) for table in untouched})


def verdicts(journal: Journal, tables: Sequence[TablePlan]) -> tuple[list[TablePlan], list[str]]:
    """Tables to move again from their start, and what to warn of.

    Raises:
        SourceChangedError: a table's definition changed; every one is named.
        SettingsChangedError: nothing but settings did.

    """
    again: list[TablePlan] = []
    warnings: list[str] = []
    changed: list[str] = []
    problem: type[SourceChangedError | SettingsChangedError] = SettingsChangedError
    for table in tables:
        name = rows_step(table)
        if name not in journal.steps:
            continue
        try:
            check_loading(table, journal.steps[name].document)
            if not _made_or_begun(journal, table):
                continue
            verdict = check_table(
                table, journal.steps[name].document, done=rows_are_there(table, journal)
            )
        except SettingsChangedError as error:
            changed.append(error.what)
            continue
        except SourceChangedError as error:
            changed.append(error.what)
            problem = SourceChangedError
            continue
        if verdict.warning:
            warnings.append(verdict.warning)
        if verdict.go_on is GoOn.FROM_THE_START:
            again.append(table)
    if changed:
        raise problem("\n".join(changed), hint="Change it back, or start over with --restart.")
    return again, warnings


def with_indexes_as_begun(journal: Journal, tables: Sequence[TablePlan]) -> list[TablePlan]:
    """`tables`, each index early or late as it was when its table was made.

    A source's sizes, and settings, may say otherwise by now: then nobody would build it. One that came
    since is late.
    """
    return [
        replace(table, indexes=tuple(_as_begun(journal, table, index) for index in table.indexes))
        for table in tables
    ]


def _as_begun(journal: Journal, table: TablePlan, index: IndexPlan) -> IndexPlan:
    if index_step(table, index) in journal.steps:
        return replace(index, early=False)
    if rows_step(table) not in journal.steps or not journal.is_done(schema_step(table)):
        return index
    known = journal.steps[rows_step(table)].document.get("indexes")
    return index if known is None else replace(index, early=index.name in items(known))


def check_there_as_planned(journal: Journal, tables: Sequence[TablePlan], seen: Survey) -> None:
    """Refuse tables in D1 of which nothing is written down yet, and into which other rows would go now.

    An earlier start may have made them as its settings said, and have ended before it noted that; or
    they were there, and were looked at for those.

    Raises:
        UsageError: there are such tables.

    """
    lines: list[str] = []
    for table in tables:
        if rows_step(table) not in journal.steps or _made_or_begun(journal, table):
            continue
        there = seen.find(table.target)
        remade = journal.is_remade(rows_step(table)) and not journal.is_done(empty_step(table))
        if there is not None and not remade and (wrong := unlike(table, there)):
            lines.append(f"{table.target}: {wrong}")
    if lines:
        raise UsageError(
            shortened(lines),
            hint="Change back what is asked otherwise than when the run began, or start over with --restart.",
        )


async def adopt_new_tables(
    journal: Journal,
    tables: Sequence[TablePlan],
    seen: Survey,
    settings: RunSettings,
    *,
    views: Sequence[ViewPlan] = (),
    before: Mapping[str, Mapping[str, JSON]] | None = None,
) -> None:
    """Give the checkpoint the steps of tables and views that were added since the run began.

    `before` tells what belonged to tables that are there already (`had_before`).

    Raises:
        UsageError: an added table must not be written to, see `admit`.

    """
    fresh = [table for table in tables if rows_step(table) not in journal.steps]
    admit(fresh, seen, if_exists=settings.if_exists, create_schema=settings.create_schema)
    replaces = settings.if_exists is IfExists.REPLACE
    emptied = {t.target for t in fresh if replaces and found(seen, t) is Found.ROWS}
    start = Start(
        facts={
            rows_step(table): {
                **table_facts(table),
                **(before or {}).get(table.target, {}),
                "found": found(seen, table).value,
                "emptied": table.target in emptied,
            }
            for table in fresh
        }
        | view_facts([view for view in views if view_step(view) not in journal.steps], seen),
        done=frozenset(empty_step(table) for table in fresh if table.target not in emptied),
    )
    await journal.add(named(tables, views), start)


async def start_over(
    journal: Journal, tables: Sequence[TablePlan], again: Sequence[TablePlan]
) -> None:
    """Have the rows of `again` moved from their start, with all that follows from rows.

    A cycle goes as a whole: its staging tables may hold old rows, or be gone.
    """
    names: dict[StepName, None] = {}
    facts: dict[StepName, Mapping[str, JSON]] = {}
    for table in again:
        members = [t for t in tables if t.cycle >= 0 and t.cycle == table.cycle] or [table]
        for member in members:
            names[rows_step(member)] = names[check_step(member)] = None
            facts[rows_step(member)] = {"again": True}
            if after_step(member) in journal.steps:
                names[after_step(member)] = None
            if member.loading is Loading.TWO_PASS:
                names[edges_step(member)] = None
            if member.loading is Loading.STAGED:
                names[schema_step(member)] = names[publish_step(members)] = None
    for table in again:
        facts[rows_step(table)] = {**table_facts(table), "again": True}
    await journal.start_over(names, facts)


def view_facts(
    views: Sequence[ViewPlan], seen: Survey, earlier: Collection[str] = ()
) -> dict[StepName, Mapping[str, JSON]]:
    """What a run remembers of the views that it is to make: what stood in their places.

    Those in `earlier` (target names) were made by the run before this one, and are made anew.
    """
    facts: dict[StepName, Mapping[str, JSON]] = {}
    for view in views:
        there = seen.find(view.target)
        remade = there is not None and there.is_view and view.target in earlier
        found_there = (
            Found.ABSENT if there is None or remade else "view" if there.is_view else "table"
        )
        facts[view_step(view)] = {
            "target": view.target,
            "found": str(found_there),
            "remade": remade,
        }
    return facts


def without_new(journal: Journal, tables: Sequence[TablePlan]) -> tuple[list[TablePlan], str]:
    """The tables of a run that only has to finish, and a warning (or '') that names the others."""
    known = [table for table in tables if rows_step(table) in journal.steps]
    fresh = [str(table.name) for table in tables if table not in known]
    if not fresh:
        return known, ""
    return known, (
        f"the run has moved all of its tables and finishes without {listed(fresh)}, which came "
        "later: move them by a run of their own"
    )


__all__ = [
    "adopt_new_tables",
    "begun",
    "check_files",
    "check_source",
    "check_tables_are_there",
    "check_target",
    "check_there_as_planned",
    "renew_facts",
    "start_over",
    "verdicts",
    "view_facts",
    "with_indexes_as_begun",
    "without_new",
]
