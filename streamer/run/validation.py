"""`streamer validate`: whether source and target hold the same rows, from settings to exit code."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from checkpoints import RunRecord
from streamer.config import Config
from streamer.errors import ExitCode, InterruptedRunError, StreamerError
from streamer.model import Consistency, KeyKind, StepId, TablePlan
from streamer.pipeline import Position, Recorder
from streamer.pipeline.transform import Transforming
from streamer.postgres import PostgresSource
from streamer.progress import Events, utc
from streamer.run import steps
from streamer.run.compared import Compared, look, run_of
from streamer.run.identity import (
    source_facts,
    table_facts,
    target_facts,
)
from streamer.run.journal import Journal
from streamer.run.mending import mend, take_marks_away
from streamer.run.recorded import items, members
from streamer.run.start import as_reported, first_cause, target_of
from streamer.run.states import RunState, Start
from streamer.run.validated import Found, Named, Validated, code_of, depth_of, save
from streamer.targets import open_target, prepare
from streamer.validate import (
    Check,
    Comparer,
    Differences,
    Interval,
    Kind,
    Progress,
    Sides,
    Suspects,
    Verdict,
    is_whole,
    read_structure,
)
from streamer.validate import Status as Result
from streamer.validate.repair import to_send
from streamer.validate.report import Repaired, ValidationReport

if TYPE_CHECKING:
    from checkpoints import JSON

REPAIRS = 2  # while the source goes on changing


async def validate(config: Config, events: Events, stop: asyncio.Event) -> Validated:
    """Compare what `config` says, and leave a report.

    Raises:
        StreamerError: with the exit code of its kind.

    """
    target = target_of(config)
    async with AsyncExitStack() as stack:
        moved = await run_of(config, stack)
        state = await Journal.open(state_file(config.run.checkpoint))
        stack.push_async_callback(state.close)
        prepare(target)
        source = await stack.enter_async_context(
            PostgresSource.open(
                config.source,
                # Rows are looked at again anyway; so no snapshot has to be kept for long.
                Consistency.ROLLING,
                events.warning,
                pushdown=config.run.pushdown,
                hash_key=config.shaping.hash_key,
            )
        )
        database = await open_target(
            target, config.pacing, events, writing=config.validation.repair
        )
        stack.push_async_callback(database.aclose)
        ends = await look(config, source, database, events, moved)
        differences = stack.enter_context(Differences())
        job = ValidationJob(
            config, events, state=state, ends=ends, differences=differences, stop=stop
        )
        code = await job.carry_out()
        return Validated(code, job.depth, job.verdicts, job.report)


def state_file(checkpoint: Path) -> Path:
    """Where a validation keeps how far it is: beside the run's checkpoint."""
    return checkpoint.with_name(f"{checkpoint.name}.validate")


class ValidationJob:
    """Compares what was looked at; `state` says how far an earlier start came.

    `beside` are other comparisons that belong into the same report.
    """

    def __init__(
        self,
        config: Config,
        events: Events,
        *,
        state: Journal,
        ends: Compared,
        differences: Differences,
        stop: asyncio.Event,
        beside: Found = (),
    ) -> None:
        self._config = config
        self._events = events
        self._state = state
        self._ends = ends
        self._differences = differences
        self._stop = stop
        self._beside = beside
        self._tables = [table for table in ends.tables if str(table.name) not in ends.unfit]
        self.depth = depth_of(config.validation)
        self._source = Transforming(ends.source, self._tables, ends.transforms)
        self._sides = Sides(
            self._source, ends.questions, ends.database, ends.survey.engine, ends.between
        )
        self._progress: dict[str, Progress] = {}
        self.verdicts: list[Verdict] = []
        self.report: ValidationReport | None = None
        self._repaired: Repaired | None = None
        self._earlier: set[str] = set()

    async def carry_out(self) -> ExitCode:
        """Compare, and say what came of it."""
        await self._begin()
        try:
            await self._compare()
            if self._config.validation.repair:
                await self._repair()
            code = self._code()
            self._save(code, [])
            await self._state.note(
                RunState.DONE, exit_code=int(code), ended_at=utc(datetime.now(UTC))
            )
        except BaseException as error:
            cause = first_cause(error)
            stopped, problem = as_reported(cause)
            self._save(stopped, [problem])
            if isinstance(cause, StreamerError):
                raise cause from None
            raise
        return code

    async def _begin(self) -> None:
        if self._state.run is not None:
            self._earlier.add(self._state.run.run_id)
        facts: dict[str, JSON] = {
            "depth": self.depth.value,
            "whole": [str(table.name) for table in self._tables if is_whole(table, self.depth)],
            "source": source_facts(self._ends.source.identity),
            "target": target_facts(self._ends.database.identity),
            "tables": {str(table.name): table.fingerprint for table in self._tables},
            # Of what another run has moved since, nothing has been compared yet.
            "moved_by": self._ends.moved_by,
        }
        names = [steps.rows_step(table) for table in self._tables]
        if self._config.run.resume and self._goes_on(facts):
            await self._state.note(epoch=self._state.running.epoch + 1)
            await self._begin_anew_without_keys()
        else:
            if self._config.run.resume:
                self._events.warning("there is no such validation to resume; a new one starts")
            begun: dict[str, JSON] = {"started_at": utc(datetime.now(UTC)), "snapshots": []}
            run = RunRecord(uuid.uuid4().hex, RunState.RUNNING, 1, {**facts, **begun})
            described = {steps.rows_step(table): table_facts(table) for table in self._tables}
            await self._state.begin(run, names, Start(described, frozenset()))
        for table, name in zip(self._tables, names, strict=True):
            step = self._state.steps[name]
            known = items(members(step.document.get("tally")).get("suspects"))
            position = self._state.position(name)
            suspects = Suspects(filter(None, map(_interval, known)) if position.last else ())
            self._progress[str(table.name)] = Progress(StepId(step.step_id), position, suspects)
            self._show_rows(str(table.name))
        self._state.tally = self._tally

    async def _begin_anew_without_keys(self) -> None:
        """Tables whose rows are told by their place are compared in one moment, or from the beginning."""
        places = [table for table in self._tables if table.key.kind is KeyKind.PHYSICAL]
        names = [steps.rows_step(table) for table in places]
        if any(self._state.position(name).last for name in names):
            listed = ", ".join(str(table.name) for table in places)
            self._events.note(f"without a key, and so compared from the beginning: {listed}")
        await self._state.start_over(names)

    def _show_rows(self, table: str) -> None:
        """Let the display begin with the rows that were compared already."""
        rows = self._progress[table].position.rows
        self._events.tally.settle(table, rows_written=rows, bytes_sent=0)

    def _goes_on(self, facts: Mapping[str, JSON]) -> bool:
        if not self._state.unfinished:
            return False
        known = self._state.running.document
        return all(known.get(name) == fact for name, fact in facts.items())

    def _tally(self, table: str) -> Mapping[str, JSON]:
        if not table:
            return {}
        suspects = self._progress[table].suspects.in_order()
        return {
            "suspects": [
                [i.first, i.next, list(i.after) if i.after else None, list(i.last)]
                for i in suspects
            ]
        }

    def _heed_stop(self) -> None:
        if self._stop.is_set():
            raise InterruptedRunError(
                "stopped by a signal; what was compared is written down.",
                hint="Go on with `streamer validate --resume`.",
            )

    async def _compare(self) -> None:
        comparer = await self._comparer()
        self._number_leaves()
        self._events.phase("comparing rows")
        done = await comparer.pass_over(
            self._tables,
            self._progress,
            recorder=Recorder(self._state.save_loads),
            observer=self._events,
            stop=self._stop,
        )
        if not done:
            self._heed_stop()
        self._events.phase("checking")
        self.verdicts = [
            self._unfit(table) for table in self._ends.tables if str(table.name) in self._ends.unfit
        ]
        self.verdicts += await comparer.judge(self._tables, self._progress)

    async def _repair(self) -> None:
        """Mend what differs, and compare again, until it is equal or nothing helps any more."""
        for number in range(1, REPAIRS + 1):
            if not any(self._differs(table) for table in self._tables):
                if number == 1:
                    repairs = {self._state.running.run_id, *self._earlier}
                    await take_marks_away(self._ends, repairs)
                return  # what else isn't equal, no row can mend
            self._heed_stop()
            self._events.phase("repairing")
            done = await mend(
                self._ends,
                self._sides,
                self._source,
                self._differences,
                self._tables,
                run=self._state.running.run_id,
                epoch=self._state.running.epoch * REPAIRS + number,
                earlier=self._earlier,
                events=self._events,
                heed_stop=self._heed_stop,
            )
            before = self._repaired or Repaired()
            self._repaired = Repaired(
                before.sent + done.sent, before.deleted + done.deleted, before.rounds + 1
            )
            await self._start_over()
            await self._compare()

    def _differs(self, table: TablePlan) -> bool:
        extra = self._differences.count(str(table.name), Kind.EXTRA)
        return bool(extra) or any(True for _ in to_send(table, self._differences))

    async def _start_over(self) -> None:
        """Compare everything again: what was sent, and whatever that may have changed."""
        names = [steps.rows_step(table) for table in self._tables]
        for table, progress in self._progress.items():
            progress.position, progress.suspects = Position(), Suspects()
            self._show_rows(table)
        await self._state.start_over(names)

    async def _comparer(self) -> Comparer:
        ends = self._ends
        tables = ends.survey.tables.values()
        return Comparer(
            self._sides,
            ends.database,
            await read_structure(ends.database, {table.name: table.key for table in tables}),
            self._differences,
            depth=self.depth,
            sample_rows=self._config.validation.sample_rows,
            uploaders=self._config.pacing.concurrency,
            heed_stop=self._heed_stop,
        )

    def _number_leaves(self) -> None:
        for table in self._tables:
            if table.key.kind is KeyKind.PHYSICAL:
                known = self._ends.leaves.get(str(table.name), {})
                self._ends.source.number_leaves(table.table, known)

    def _unfit(self, table: TablePlan) -> Verdict:
        why = self._ends.unfit[str(table.name)]
        checks = [Check("table", Result.DIFFERS, note=why)]
        return Verdict(str(table.name), table.target, checks, between=self._ends.between)

    def _code(self) -> ExitCode:
        every = [*(verdict for verdict, _ in self._beside), *self.verdicts]
        return code_of(every, self._ends.not_moved)

    def _save(self, code: ExitCode, errors: Sequence[str]) -> None:
        """Write the report, and all differences where they are wanted."""
        run = self._state.running
        self.report = save(
            self._config,
            self._events,
            Named(
                run.run_id,
                datetime.fromisoformat(str(run.document.get("started_at"))),
                members(run.document.get("source")),
                members(run.document.get("target")),
            ),
            [*self._beside, *((verdict, self._differences) for verdict in self.verdicts)],
            code=code,
            repaired=self._repaired,
            errors=[*(f"not moved: {what}" for what in self._ends.not_moved), *errors],
        )


def _interval(known: JSON) -> Interval | None:
    parts = items(known)
    if len(parts) != 4:
        return None
    first, following, after, last = parts
    behind = tuple(map(str, items(after))) if after is not None else None
    return Interval(int(str(first)), int(str(following)), behind, tuple(map(str, items(last))))
