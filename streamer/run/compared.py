"""What a validation compares: the tables of the run in the checkpoint, by the settings it had."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from streamer.config import Config, Selection
from streamer.d1 import D1Database
from streamer.errors import ExitCode, SourceChangedError, UsageError
from streamer.frozen import frozen
from streamer.model import KeyKind, QualifiedName, SourceIdentity, Table, TablePlan
from streamer.pipeline.transform import Function, load_transforms
from streamer.pipeline.transform import Source as Rows
from streamer.plan import estimated_rows
from streamer.plan.digest import sentence
from streamer.plan.labels import label_tables
from streamer.plan.select import matching
from streamer.postgres import PostgresSource
from streamer.postgres.keys import Keys
from streamer.progress import Events
from streamer.run import planning, steps
from streamer.run.admission import refuse_what_cannot_move, unlike
from streamer.run.chosen import check_hash_key, chosen_facts, differing
from streamer.run.identity import check_source, check_table, check_target
from streamer.run.journal import Journal
from streamer.run.planning import plan_job, refused_then
from streamer.run.recorded import members
from streamer.run.states import Work
from streamer.run.survey import Survey, survey
from streamer.validate.sides import Questions

_NONE_MOVED = "none of the selected tables were moved by the run in the checkpoint"
_SELECT = "Select others, or name another --checkpoint."


async def run_of(config: Config, stack: AsyncExitStack) -> Journal | None:
    """The run whose rows are compared, from its checkpoint; None where there is no checkpoint.

    Raises:
        UsageError: it isn't finished.

    """
    if not config.run.checkpoint.exists():
        return None
    journal = await Journal.open(config.run.checkpoint)
    stack.push_async_callback(journal.close)
    if journal.unfinished:
        raise UsageError(
            f"{config.run.checkpoint} holds a run that isn't finished.",
            hint="Finish it first, with `streamer run --resume`; or name another --checkpoint.",
        )
    return journal if journal.run is not None else None


class Source(Rows, Protocol):
    """Reads tables, and knows which source it is."""

    @property
    def identity(self) -> SourceIdentity:
        """Which source this is."""
        ...

    def number_leaves(self, table: Table, known: Mapping[int, int] | None = None) -> dict[int, int]:
        """Numbers for the leaves of a table without a key, those `known` kept."""
        ...


@frozen
class Compared:
    """Both ends, open, and what is compared of them.

    `unfit` are tables that can't be compared, by source name: why not. `leaves` are the numbers of
    leaves that the run gave to those of tables without a key. `between` names the ends where they
    aren't the databases. `moved_by` is the run that moved the rows, and its last start; '' where none is known.
    """

    source: Source
    questions: Questions
    database: D1Database
    survey: Survey
    tables: Sequence[TablePlan]
    unfit: Mapping[str, str]
    not_moved: Sequence[str]
    transforms: Mapping[str, Function]
    leaves: Mapping[str, Mapping[int, int]]
    between: tuple[str, str] | None = None
    moved_by: str = ""


async def look(
    config: Config,
    source: PostgresSource,
    database: D1Database,
    events: Events,
    moved: Journal | None,
) -> Compared:
    """Read both ends; refuse other settings than the run had."""
    if moved is not None:
        _check_ends(config, source, database, events, moved)
    seen = await survey(database)
    known = await planning.read_known(source, config, events.phase)
    there = (*known.catalog.tables, *label_tables(known.catalog.tables, config.shaping))
    names = _still_there(_moved_tables(moved), there, config.selection)
    if moved is not None and moved.steps and not names:
        raise UsageError(_NONE_MOVED, hint=_SELECT)
    plan = await plan_job(
        source,
        replace(config, selection=Selection(exactly=names)) if names else config,
        known=known,
        existing_parents=seen.names,
        refused=refused_then(moved.running.document.get("refused")) if moved else None,
        ask=False,
        say=events.phase,
    )
    tables = list(plan.tables)
    refusals: list[str] = []
    if moved is not None:
        tables = [table for table in tables if matching(table.name, config.selection)]
        if not tables:
            raise UsageError(_NONE_MOVED, hint=_SELECT)
        _check_tables(tables, moved)
        if moved.running.document.get("exit_code") == ExitCode.INCOMPLETE:
            events.warning("the run left something out; its report names it")
    else:
        refusals = [sentence(finding) for finding in plan.refusals]
        refuse_what_cannot_move(refusals, skip_refused=config.run.skip_refused)
    for table in tables:
        events.table_expected(str(table.name), estimated_rows(table.table, table.columns))
    return Compared(
        source=source,
        questions=Keys(source),
        database=database,
        survey=seen,
        tables=tables,
        unfit=unfit_tables(tables, seen),
        not_moved=refusals,
        transforms=load_transforms(tables, Path.cwd()),
        leaves=_leaves(tables, moved),
        moved_by=f"{moved.running.run_id}, start {moved.running.epoch}"
        if moved is not None
        else "",
    )


def _check_ends(
    config: Config,
    source: PostgresSource,
    database: D1Database,
    events: Events,
    moved: Journal,
) -> None:
    facts = moved.running.document
    check_target(database.identity, members(facts.get("target")))
    if warning := check_source(source.identity, members(facts.get("source"))):
        events.warning(warning)
    check_hash_key(config.shaping.hash_key, moved.running.run_id, facts)


def _moved_tables(moved: Journal | None) -> list[str]:
    return [n.table for n in moved.steps if n.work is Work.ROWS] if moved else []


def _still_there(
    moved: Sequence[str], tables: Sequence[Table], selection: Selection
) -> frozenset[QualifiedName]:
    """The tables of the run that the source has; those that aren't selected may be gone.

    Raises:
        SourceChangedError: others are gone.

    """
    names = frozenset(moved)
    there = {str(table.name) for table in tables}
    gone = [name for name in moved if name not in there]
    missed = [name for name in gone if matching(QualifiedName(*name.split(".", 1)), selection)]
    if missed:
        listed = ", ".join(missed)
        raise SourceChangedError(
            f"the run moved {listed}, which PostgreSQL hasn't got any more, or doesn't show this user.",
            hint=f"Bring back what was dropped or renamed, or compare the rest with"
            f" {' '.join(f'--exclude {name}' for name in missed)}.",
        )
    return frozenset(table.name for table in tables if str(table.name) in names)


def _check_tables(tables: Sequence[TablePlan], moved: Journal) -> None:
    """Refuse other settings than those that the rows were moved by, and tables that changed."""
    changed: list[str] = []
    for table in tables:
        facts = moved.steps[steps.rows_step(table)].document
        if settings := differing(chosen_facts(table), facts.get("chosen")):
            changed.append(f"settings of {table.name} aren't the run's: {', '.join(settings)}")
    if changed:
        raise UsageError(
            "\n".join(changed), hint="Validate with the settings that the run was begun with."
        )
    for table in tables:
        check_table(table, moved.steps[steps.rows_step(table)].document, done=True)


def unfit_tables(tables: Sequence[TablePlan], seen: Survey) -> dict[str, str]:
    """Tables that the target lacks, or holds in another shape, by source name: why."""
    found: dict[str, str] = {}
    for table in tables:
        there = seen.find(table.target)
        problem = "not in D1" if there is None else unlike(table, there)
        if problem:
            found[str(table.name)] = problem
    return found


def _leaves(tables: Sequence[TablePlan], moved: Journal | None) -> dict[str, Mapping[int, int]]:
    if moved is None:
        return {}
    keyless = [table for table in tables if table.key.kind is KeyKind.PHYSICAL]
    return {str(table.name): moved.leaves(steps.rows_step(table)) for table in keyless}
