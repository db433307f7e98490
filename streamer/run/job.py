"""A whole job: look, decide, claim the target, make tables, move rows, finish; resumable anywhere.

Every part writes down that it is done only after the target has it. So a run that ends at any
moment goes on from there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field, replace

from streamer import limits
from streamer.config import Config
from streamer.d1 import D1Database
from streamer.errors import ExitCode, InterruptedRunError
from streamer.frozen import frozen
from streamer.model import (
    Consistency,
    Loading,
    OnError,
    Pack,
    Page,
    Plan,
    Reject,
    StepId,
    StepKind,
    TablePlan,
)
from streamer.model.words import counted
from streamer.pack import (
    LEDGER_TABLE,
    Layout,
    LedgerStep,
    Oversized,
    create_ledger,
    facts_of,
    read_facts,
)
from streamer.pipeline import Limits, Load, Mover, Recorder, Sink
from streamer.pipeline.transform import Function, Transforming
from streamer.progress import Events
from streamer.run import steps
from streamer.run.claiming import Claiming
from streamer.run.ending import Ending
from streamer.run.journal import Journal
from streamer.run.keyless import Keyless
from streamer.run.proof import Begun, check_there, prove
from streamer.run.reading import RunSource
from streamer.run.rejects import beside
from streamer.run.schema import create, create_stages, empty, remove, schema_statements
from streamer.run.sources import JobSource
from streamer.run.states import RunState, State, Work
from streamer.run.stopping import Stopping
from streamer.run.survey import Survey
from streamer.run.waves import Wave, waves
from streamer.run.writing import Writing
from streamer.sinks import BadRow, Carried

FIXED_UPLOADERS = 16  # with automatic concurrency: as many as the adaptive limit may ever allow


@frozen
class Ends:
    """Both ends of a run, open, and what was seen there before the first write.

    `transforms` are the users' functions, as the plan calls them; `command` is the job's name.
    """

    source: JobSource
    database: D1Database
    survey: Survey
    plan: Plan
    transforms: Mapping[str, Function] = field(default_factory=dict[str, Function])
    command: str = "run"


class Job:
    """Carries out a plan, step by step; the journal says which steps are behind.

    `stopping` may ask it to end early: it raises InterruptedRunError once what is in flight is recorded.
    """

    def __init__(
        self, config: Config, events: Events, journal: Journal, ends: Ends, stopping: Stopping
    ) -> None:
        self._config = config
        self._events = events
        self._journal = journal
        self._ends = ends
        self._stopping = stopping
        self._database = ends.database
        self._tables = ends.plan.tables
        self._source = Transforming(
            RunSource(ends.source, config.run.consistency, journal.see_snapshot),
            ends.plan.tables,
            ends.transforms,
        )
        self._writing = Writing(
            config, journal, ends.database, self._source, engine=ends.survey.engine
        )
        self._ownership = self._writing.ownership
        self._ending = Ending(
            ends.database,
            self._ownership,
            journal,
            events,
            tables=ends.plan.tables,
            views=ends.plan.views,
            create_schema=config.run.create_schema,
            heed_stop=stopping.heed,
            duplicates=self._writing.duplicates,
        )
        self._claiming = Claiming(
            ends.database, self._ownership, journal, ends.survey, ends.plan.tables
        )
        self._keyless = Keyless(
            ends.plan.tables,
            ends.source,
            journal,
            self._ownership,
            events,
            rejects=self._writing.rejects,
            make_tables=self._make_tables,
            is_one_moment=config.run.consistency is Consistency.SNAPSHOT
            and journal.running.epoch == 1,
        )
        self.shortcomings: list[str] = []
        self.lacking = False  # anything but rows that were rejected

    async def carry_out(self) -> ExitCode:
        """Do what is left to do; DONE, or INCOMPLETE where something couldn't be done as planned.

        Raises:
            StreamerError: of any kind; the checkpoint says how far the run came.

        """
        if self._journal.running.state == RunState.RUNNING:
            await self._claim()
            await self._writing.rejects.forget_unknown(self._journal.rejected)
            await self._prepare_tables()
            await self._move_rows()
            await self._ending.carry_out()
            await self._journal.note(RunState.FINISHING)
        elif not self._journal.retrying:
            await self._look_again()
        await self._ending.finish()
        self._recall_problems()
        return ExitCode.INCOMPLETE if self.shortcomings else ExitCode.DONE

    async def _look_again(self) -> None:
        """Stop where the target was restored or emptied after all was moved; its marks may be gone.

        A late claim may have brought back who owned the tables, but no entry of the ledger.
        """
        marked = False
        if self._ends.survey.find(LEDGER_TABLE) is not None:
            answer = await self._database.execute([*create_ledger(), read_facts()])
            facts = facts_of(answer.results[-1]).get(self._journal.running.run_id)
            marked = facts is not None and bool(facts.begun)
        begun = self._begun()
        check_there(begun, self._ends.survey)
        await prove(self._database, self._ownership, begun, marked=marked)

    async def _claim(self) -> None:
        """Make this run, at this epoch, the only one that may write to its tables."""
        self._events.phase("claiming the target")
        making = [one for table in self._tables for one in schema_statements(table)]
        if await self._claiming.claim(making):
            await self._journal.mark_all(map(steps.schema_step, self._tables), State.DONE)
        begun = self._begun()
        check_there(begun, self._ends.survey)
        await prove(self._database, self._ownership, begun)

    def _begun(self) -> list[Begun]:
        found: list[Begun] = []
        for table in self._tables:
            for name, kind in steps.of_rows(table):
                position = self._journal.position(name)
                if position.last is not None:
                    deleted = self._journal.count(steps.rows_step(table), "deleted")
                    found.append(Begun(table, kind, position, deleted))
        return found

    async def _prepare_tables(self) -> None:
        self._stopping.heed()
        self._events.phase("preparing tables")
        to_empty = [t for t in self._tables if self._is_open(steps.empty_step(t))]
        there = [table for table in to_empty if self._ends.survey.find(table.target)]
        # As late as after the first rows, these requests would take them away: then they fail.
        preparing = self._ownership.preparing([table.target for table in self._tables])
        remade = [t for t in there if self._journal.is_remade(steps.rows_step(t))]
        if remade:
            await remove(preparing, self._ends.survey, [table.target for table in remade])
        if emptied := [table for table in there if table not in remade]:
            await empty(preparing, emptied)
        if there:
            await preparing.execute([self._ownership.emptied([table.target for table in there])])
        await self._journal.mark_all(map(steps.empty_step, to_empty), State.DONE)
        await self._make_tables()

    async def _make_tables(self) -> None:
        preparing = self._ownership.preparing([table.target for table in self._tables])
        to_make = [t for t in self._tables if self._is_to_make(t)]
        if self._config.run.create_schema:
            await create(preparing, to_make)
        else:
            await create_stages(preparing, to_make)
        await self._journal.mark_all(map(steps.schema_step, to_make), State.DONE)

    def _is_to_make(self, table: TablePlan) -> bool:
        """Whether a table isn't made yet, or is gone again: by a request of an earlier start, executed late."""
        missing = self._journal.running.epoch > 1 and self._ends.survey.find(table.target) is None
        untouched = self._journal.position(steps.rows_step(table)).last is None
        return self._is_open(steps.schema_step(table)) or (missing and untouched)

    def _is_open(self, step: steps.StepName) -> bool:
        return not self._journal.is_done(step)

    async def _move_rows(self) -> None:
        if not any(self._is_open(step) for step in self._row_steps()):
            return
        self._stopping.heed()
        await self._ends.source.begin()
        self._warn_of_hidden_rows()
        await self._keyless.restart_moved()
        self._events.phase("moving rows")
        for wave in waves(self._tables, self._load):
            await self._move_wave(wave)
            for cycle in wave.cycles:
                await self._publish(cycle)
        self._ends.source.rest()  # its server takes some time for that, and D1 for what follows

    def _warn_of_hidden_rows(self) -> None:
        """Name tables whose count can't tell of rows that an earlier start sent and that are gone since."""
        resumed = self._journal.running.epoch > 1
        names = [steps.rows_step(table) for table in self._tables]
        for name in names if resumed else ():
            if self._journal.held_rows(name) and self._is_open(name):
                self._events.warning(
                    f"{name.table}: D1 held rows before the run, which stay; so may rows that were "
                    "sent before this resume and are deleted since: `streamer validate --full` names "
                    "both as extra"
                )

    def _row_steps(self) -> list[steps.StepName]:
        wanted = {Work.ROWS, Work.EDGES, Work.PUBLISH}
        return [name for name in steps.named(self._tables) if name.work in wanted]

    def _load(self, table: TablePlan, kind: StepKind) -> Load:
        name = steps.rows_step(table) if kind is StepKind.ROWS else steps.edges_step(table)
        if kind is StepKind.EDGES and self._journal.may_hold_older(steps.rows_step(table)):
            table = replace(table, null_edges=True)
        return Load(
            step=StepId(self._journal.steps[name].step_id),
            kind=kind,
            plan=table,
            layout=Layout.of(
                table,
                kind,
                self._config.run.pack,
                engine=self._ends.survey.engine,
                into_stage=table.loading is Loading.STAGED and kind is StepKind.ROWS,
            ),
            position=self._journal.position(name),
        )

    async def _move_wave(self, wave: Wave) -> None:
        if all(load.done.is_set() for load in wave.loads):
            return
        mover = Mover(
            source=self._source,
            sink=self._sink(wave),
            recorder=Recorder(self._journal.save_loads),
            observer=self._events,
            sizes=self._sizes(),
            stop=self._stopping.stop,
            set_aside=self._set_aside if self._rejects_rows else None,
            send_no_more=self._send_no_more,
        )
        if not await mover.move(wave.loads):
            self._stopping.heed()

    def _send_no_more(self) -> None:
        """Let only what is in flight end: the run has failed, and says why."""
        self._database.stop_sending(InterruptedRunError("another part of the run failed"))

    def _sink(self, wave: Wave) -> Sink:
        return self._writing.sink(
            {
                load.step: (Carried(load.plan, load.layout), _ledger_step(load))
                for load in wave.loads
            },
            self._writing.rejects.record if self._rejects_rows else None,
        )

    @property
    def _rejects_rows(self) -> bool:
        return self._config.run.on_error is OnError.REJECT

    async def _set_aside(
        self, load: Load, page: Page, oversized: Sequence[Oversized]
    ) -> list[Reject]:
        carried = Carried(load.plan, load.layout)
        rows = [BadRow.oversized(carried, load.step, page, row) for row in oversized]
        return await self._writing.rejects.record(rows) if rows else []

    async def _set_aside_moved(self, table: TablePlan, rows: Sequence[BadRow]) -> None:
        known = {row.reject.line for row in self._journal.rejected}
        rejects = await self._writing.rejects.record(rows)
        fresh = [reject for reject in rejects if reject.line not in known]
        self._events.rows_rejected(str(table.name), len(fresh), written=True)
        await self._journal.reject_moved(steps.rows_step(table), fresh)

    def _sizes(self) -> Limits:
        packs_json = self._config.run.pack in {Pack.AUTO, Pack.JSON}
        fixed = self._config.pacing.concurrency
        return Limits(
            batch_statements=min(self._config.run.batch_size, limits.BATCH_STATEMENTS - 1),
            chunk_bytes=limits.CHUNK_BYTES if packs_json else limits.BATCH_BYTES_START,
            uploaders=fixed or FIXED_UPLOADERS,
        )

    async def _publish(self, cycle: Sequence[TablePlan]) -> None:
        from streamer.run.publish import drop_stages  # noqa: PLC0415 (few runs have cycles)

        name = steps.publish_step(cycle)
        if self._journal.is_done(name):
            return
        self._stopping.heed()
        self._events.phase(f"publishing {', '.join(str(t.name) for t in cycle)}")
        if self._journal.steps[name].state == State.TODO:
            await self._publish_whole(cycle)
            await self._journal.mark(name, State.DOING)
        await drop_stages(self._database, self._ownership, cycle)
        await self._journal.mark(name, State.DONE)

    async def _publish_whole(self, cycle: Sequence[TablePlan]) -> None:
        from streamer.run.publish import FixedPlacesError, settle_and_publish  # noqa: PLC0415 (as above)

        try:
            aside = self._set_aside_moved if self._rejects_rows else None
            stages = self._writing.stages(cycle, aside, self._keyless.can_be_read_again)
            await settle_and_publish(self._database, self._ownership, cycle, stages)
        except FixedPlacesError as fixed:
            raise await self._keyless.read_again(fixed) from None

    def _recall_problems(self) -> None:
        """Name what couldn't be done as planned, in this process or before a resume."""
        for step in self._journal.steps.values():
            if problem := str(step.document.get("problem", "")):
                self.shortcomings.append(problem)
                self._events.warning(problem)
        self.lacking = bool(self.shortcomings)
        if count := len(self._journal.rejected):
            problem = f"rejected: {counted(count, 'row')}, in {beside(self._config.run.checkpoint)}"
            self.shortcomings.append(problem)
            self._events.warning(f"{problem}: mend their cause, then run --retry-rejects")


def _ledger_step(load: Load) -> LedgerStep:
    return LedgerStep(load.plan.target, load.kind, keys_hidden=load.plan.hides_key)
