"""What a resumed run checks, and what it must do over, before it goes on."""

from __future__ import annotations

from collections.abc import Sequence

from streamer.errors import SourceChangedError, UsageError
from streamer.model import IfExists, TablePlan
from streamer.run.admission import admit, found, listed
from streamer.run.identity import GoOn, check_source, check_table, check_target, table_facts
from streamer.run.journal import Journal, Start, State, Work
from streamer.run.steps import empty_step, named, rows_step
from streamer.run.survey import Survey


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


def verdicts(journal: Journal, tables: Sequence[TablePlan]) -> tuple[list[TablePlan], list[str]]:
    """Tables to move again from their start, and what to warn of.

    Raises:
        SourceChangedError: a table's definition changed; every one is named.

    """
    again: list[TablePlan] = []
    warnings: list[str] = []
    changed: list[str] = []
    for table in tables:
        name = rows_step(table)
        if name not in journal.steps or str(table.name) not in begun(journal):
            continue
        try:
            verdict = check_table(table, journal.steps[name].document)
        except SourceChangedError as error:
            changed.append(error.what)
            continue
        if verdict.warning:
            warnings.append(verdict.warning)
        if verdict.go_on is GoOn.FROM_THE_START:
            again.append(table)
    if changed:
        raise SourceChangedError(
            "\n".join(changed), hint="Change it back, or start over with --restart."
        )
    return again, warnings


async def adopt_new_tables(journal: Journal, tables: Sequence[TablePlan], seen: Survey) -> None:
    """Give the checkpoint the steps of tables that were added since the run began.

    Raises:
        UsageError: an added table holds rows in D1 already.

    """
    fresh = [table for table in tables if rows_step(table) not in journal.steps]
    admit(fresh, seen, if_exists=IfExists.FAIL, create_schema=True)
    start = Start(
        facts={rows_step(t): {**table_facts(t), "found": found(seen, t).value} for t in fresh},
        done=frozenset(map(empty_step, fresh)),
    )
    await journal.add(named(tables), start)


__all__ = [
    "adopt_new_tables",
    "begun",
    "check_source",
    "check_tables_are_there",
    "check_target",
    "verdicts",
]
