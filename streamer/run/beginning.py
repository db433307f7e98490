"""How a new run begins: what the target holds is written down before the run's first write."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from checkpoints import RunRecord
from streamer.config import Config
from streamer.model import IfExists, TablePlan
from streamer.model.words import counted
from streamer.pack import OWNER_TABLE, Facts, facts_of, owners_of, read_facts, read_owners
from streamer.progress import Events, utc
from streamer.run import resume, steps
from streamer.run.admission import Found, admit, found
from streamer.run.before import had_before
from streamer.run.chosen import code_of, hash_key_facts
from streamer.run.identity import same_target, source_facts, table_facts, target_facts
from streamer.run.job import Ends
from streamer.run.journal import Journal
from streamer.run.planning import refusal_facts
from streamer.run.recorded import items
from streamer.run.rejects import Rejects, beside
from streamer.run.states import RunState, Start, Work
from streamer.run.survey import Survey
from streamer.version import VERSION

if TYPE_CHECKING:
    from checkpoints import JSON


async def begin(config: Config, journal: Journal, ends: Ends, events: Events) -> None:
    """Write down a new run, with what the target holds now, before its first write."""
    tables = ends.plan.tables
    abandoned = await _abandoned(config, journal, ends, events)
    remade = _made_by_abandoned(config, journal, ends.survey, abandoned)
    admit(
        tables,
        ends.survey,
        if_exists=config.run.if_exists,
        create_schema=config.run.create_schema,
        ours=abandoned,
        remade=remade,
    )
    run_id = uuid.uuid4().hex
    facts: dict[str, JSON] = {
        "tool_version": VERSION,
        "command": ends.command,
        "started_at": utc(datetime.now(UTC)),
        "source": source_facts(ends.source.identity),
        "target": target_facts(ends.database.identity),
        "refused": refusal_facts(ends.plan.refused),
        "settings": {"if_exists": config.run.if_exists.value},
        "takes_over": config.run.restart,
        "abandoned": _abandoned_runs(config, journal),
        "abandoned_tables": sorted(abandoned & {table.target for table in tables}),
        **hash_key_facts(config.shaping.hash_key, run_id),
        "transforms": code_of(ends.transforms),
        "bookmark": await ends.database.bookmark(),
        "snapshots": [],
    }
    emptied = _to_empty(config, tables, ends.survey, abandoned) | remade
    before = await had_before(ends.database, ends.survey, tables)
    start = Start(
        facts={
            steps.rows_step(table): {
                **table_facts(table),
                **before.get(table.target, {}),
                "found": _found_before(table, ends.survey, abandoned, remade).value,
                "emptied": table.target in emptied,
                "remade": table.target in remade,
            }
            for table in tables
        }
        | resume.view_facts(ends.plan.views, ends.survey, _views_of(journal, ends)),
        done=frozenset(steps.empty_step(t) for t in tables if t.target not in emptied),
    )
    run = RunRecord(run_id, RunState.RUNNING, 1, facts)
    before = journal.run
    await journal.begin(run, steps.named(tables, ends.plan.views), start)
    if before is not None:  # its rejected rows mean nothing any more
        folder = beside(config.run.checkpoint)
        await Rejects(folder, before.run_id, (), (), most=0).forget_unknown(())


def _views_of(journal: Journal, ends: Ends) -> frozenset[str]:
    """The views (target names) that the checkpoint's abandoned run had made, or was about to."""
    if not journal.unfinished:
        return frozenset()
    if not same_target(ends.database.identity, journal.running.document.get("target")):
        return frozenset()
    return frozenset(
        str(step.document.get("target"))
        for name, step in journal.steps.items()
        if name.work is Work.VIEW and step.document.get("found") == Found.ABSENT
    )


async def _abandoned(
    config: Config, journal: Journal, ends: Ends, events: Events
) -> frozenset[str]:
    """Target tables that hold only what the checkpoint's earlier, unfinished run wrote."""
    if not (config.run.restart and journal.unfinished):
        return frozenset()
    then = journal.running.document.get("target")
    if not same_target(ends.database.identity, then):
        return frozenset()
    ours = {
        str(step.document.get("target"))
        for step in journal.steps.values()
        if step.document.get("found") in {Found.ABSENT, Found.EMPTY}
    } & await _claimed(journal, ends)  # others it never made or wrote to: they are somebody else's
    # But for what the run had written that it abandoned itself.
    ours |= {*map(str, items(journal.running.document.get("abandoned_tables")))}
    if ours:
        events.warning(
            f"--restart: empties, or makes anew, {counted(len(ours), 'table')} of the earlier run"
        )
    return frozenset(ours)


async def _claimed(journal: Journal, ends: Ends) -> frozenset[str]:
    """The target tables that the checkpoint's run had made its own.

    It may have ended between its claim, with which tables are made, and writing that down; its marks say so then.
    So do those of a run that it had abandoned itself, whose claim came later than it looked. Facts come with
    each such claim; marks without them are those of a rollback that was killed.
    """
    if journal.claimed or ends.survey.find(OWNER_TABLE) is None:
        return journal.claimed
    answer = await ends.database.execute([read_owners(), read_facts()])
    facts = facts_of(answer.results[1])
    runs = {journal.running.run_id, *map(str, items(journal.running.document.get("abandoned")))}
    return frozenset(
        owner.table
        for owner in owners_of(answer.results[0])
        if owner.run in runs and owner.table in facts.get(owner.run, Facts()).texts
    )


def _abandoned_runs(config: Config, journal: Journal) -> list[JSON]:
    """The runs whose marks may be in the target still, and that are over.

    Beside the checkpoint's, those that it had abandoned itself, unless it claimed their tables.
    """
    if journal.run is None or not config.run.restart:
        return []
    earlier = () if journal.claimed else items(journal.run.document.get("abandoned"))
    return [*earlier, journal.run.run_id]


def _made_by_abandoned(
    config: Config, journal: Journal, seen: Survey, abandoned: frozenset[str]
) -> frozenset[str]:
    """Those of the abandoned tables that the earlier run made: what they are like may have changed.

    One that others refer to by now stays as it is, and is emptied.
    """
    made = {
        str(step.document.get("target"))
        for step in journal.steps.values()
        if config.run.create_schema and step.document.get("found") == Found.ABSENT
    }
    made = {name for name in made & abandoned if seen.find(name) is not None}
    while kept := {name for name in made if not seen.children_of(name) <= made}:
        made -= kept
    return frozenset(made)


def _found_before(
    table: TablePlan, seen: Survey, abandoned: frozenset[str], remade: frozenset[str]
) -> Found:
    if table.target in remade:
        return Found.ABSENT
    return Found.EMPTY if table.target in abandoned else found(seen, table)


def _to_empty(
    config: Config, tables: Sequence[TablePlan], seen: Survey, abandoned: frozenset[str]
) -> frozenset[str]:
    replaces = config.run.if_exists is IfExists.REPLACE
    return frozenset(
        table.target
        for table in tables
        if found(seen, table) is Found.ROWS and (replaces or table.target in abandoned)
    )
