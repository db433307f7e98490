"""How a run starts, goes on, and ends: everything around the job itself.

Nothing is written, neither here nor in D1, before every reason to refuse has been looked at.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from streamer.config import Config, Target, TargetSettings
from streamer.errors import ExitCode, SettingsError, StreamerError, UsageError, leaves
from streamer.plan.digest import sentence
from streamer.progress import Events, utc
from streamer.run import resume
from streamer.run.before import had_before
from streamer.run.beginning import begin
from streamer.run.chosen import check_hash_key, code_of, other_code
from streamer.run.identity import (
    check_settings,
)
from streamer.run.job import Ends, Job
from streamer.run.journal import Journal
from streamer.run.looking import look_at_target, looked_at
from streamer.run.recorded import members
from streamer.run.reporting import recall_report, report_nothing, save_report, take_over_figures
from streamer.run.sources import FROM_POSTGRES, RowsFrom
from streamer.run.states import RunState
from streamer.run.stopping import Stopping
from streamer.targets import identity_of, open_target, prepare

if TYPE_CHECKING:
    from checkpoints import JSON, RunRecord


async def run(
    config: Config,
    events: Events,
    stop: asyncio.Event,
    rows_from: RowsFrom = FROM_POSTGRES,
) -> ExitCode:
    """Carry out a job as `config` says, and leave a report; its rows are `rows_from` there.

    Raises:
        StreamerError: with the exit code of its kind. Where the run had begun, the report tells of
            it, and the checkpoint can be resumed.

    """
    target = target_of(config)
    stopping = Stopping(stop, config.run.max_duration_s, events.note)
    async with AsyncExitStack() as stack:
        stack.enter_context(stopping.timed())
        journal = await Journal.open(config.run.checkpoint)
        stack.push_async_callback(journal.close)
        rebuilt = _is_rebuilt(config, journal, events)
        going_on = not rebuilt and _going_on(config, journal, events)
        if going_on and _is_over(config, journal):
            code = _repeat(config, rows_from, target, journal, events)
            recall_report(config, events, journal)
            return code
        known = going_on or rebuilt
        if not known:
            stack.push_async_exit(partial(_supersede, journal, journal.run))
        prepare(target)
        async with stopping.heeded():
            source = await stack.enter_async_context(rows_from.open(config, events, known))
            async with looked_at(source, config, events.phase, anew=not known) as looking:
                database = await open_target(target, config.pacing, events, stranger=not known)
                stack.push_async_callback(database.aclose)
                stopping.sending = database
                ends, lost = await look_at_target(
                    config,
                    looking,
                    database,
                    events,
                    journal if going_on else None,
                    rebuilt=rebuilt,
                )
            ends = replace(ends, command=rows_from.command)
            if lost is not None:
                from streamer.run.rebuild import rebuild  # noqa: PLC0415 (hardly any run is)

                await rebuild(config, journal, ends, lost, events)
            if not (ends.plan.tables or going_on):
                events.phase("nothing to do: there is no table to move")
                code = ExitCode.INCOMPLETE if ends.plan.refusals else ExitCode.DONE
                report_nothing(events, code, [*map(sentence, ends.plan.refusals)])
                return code
            if known:
                ends = await _continue(config, journal, ends, events)
            else:
                await begin(config, journal, ends, events)
        events.run_known(journal.running.run_id, journal.running.epoch)
        journal.pace = lambda: {"batch_bytes": database.batch_bytes}
        journal.tally = lambda table: _figures(events, table)
        if _is_retry(config, journal):
            from streamer.run.retry import retry_rejects  # noqa: PLC0415 (few runs have that to do)

            async with stopping.heeded():
                return await retry_rejects(config, events, journal, ends)
        return await _carry_out(config, events, journal, ends, stopping)


async def _supersede(
    journal: Journal,
    then: RunRecord | None,
    _kind: object,
    error: BaseException | None,
    _trace: object,
) -> None:
    """Note that a run which ended with `error`, resumably, was to follow the finished run `then`.

    A resume would take that for it. Once the new one has begun it is the checkpoint's.
    """
    if error is None or then is None or then.state != RunState.DONE:
        return
    if journal.running.run_id != then.run_id:
        return
    cause = first_cause(error)
    if not isinstance(cause, StreamerError) or cause.exit_code is ExitCode.RESUMABLE:
        await journal.note(superseded=True)


def _is_rebuilt(config: Config, journal: Journal, events: Events) -> bool:
    """Whether the checkpoint is to be made anew; one that holds a run isn't lost."""
    if not config.run.rebuild_checkpoint:
        return False
    if journal.run is None or journal.run.state == RunState.UNDONE:
        return True
    events.note(f"{config.run.checkpoint} holds a run: it isn't made anew")
    return False


def _is_over(config: Config, journal: Journal) -> bool:
    """Whether nothing is left to do for the checkpoint's run."""
    over = journal.running.state == RunState.DONE
    return over and not (_is_retry(config, journal) and (journal.rejected or journal.retrying))


def _is_retry(config: Config, journal: Journal) -> bool:
    """Whether rejected rows are to be sent again, or a resume goes on with that."""
    return config.run.retry_rejects or (config.run.resume and journal.retrying)


def target_of(config: Config) -> Target:
    """The target that is configured; SettingsError where none is."""
    if config.target is None:
        raise SettingsError(["the target's settings are missing: set CLOUDFLARE_API_TOKEN"])
    return config.target


def _going_on(config: Config, journal: Journal, events: Events) -> bool:
    """Whether the checkpoint's run is continued; refuses what the user has to decide."""
    if config.run.retry_rejects:
        from streamer.run.retry import check_retry  # noqa: PLC0415 (few runs have that to do)

        check_retry(config, journal)
        return True
    if config.run.resume:
        run = journal.run
        if run is None or run.state == RunState.UNDONE or run.document.get("superseded"):
            events.warning("there is no run to resume in the checkpoint; a new one starts")
            return False
        if run.state == RunState.UNDOING:
            raise UsageError(
                f"the run in {config.run.checkpoint} is being taken back",
                hint="Finish that with `streamer rollback`, or start over with --restart.",
            )
        return True
    if (journal.unfinished or journal.retrying) and not config.run.restart:
        raise UsageError(
            f"{config.run.checkpoint} holds a run that isn't finished "
            f"(begun {journal.running.document.get('started_at')}).",
            hint="Go on with --resume, or start over with --restart.",
        )
    return False


def _repeat(
    config: Config, rows_from: RowsFrom, target: Target, journal: Journal, events: Events
) -> ExitCode:
    """The exit code of the run that is finished; nobody is asked, so that it can't fail now."""
    meant = target if isinstance(target, TargetSettings) else identity_of(target)
    check_settings(rows_from.database(config), meant, journal.running.document)
    if not _is_retry(config, journal):
        resume.check_files(rows_from.files, members(journal.running.document.get("source")))
    events.phase("nothing to do: the run in the checkpoint is finished")
    return ExitCode(int(str(journal.running.document.get("exit_code", 0))))


async def _continue(config: Config, journal: Journal, ends: Ends, events: Events) -> Ends:
    """Check that the run may go on, raise its epoch, and take its figures over."""
    facts = journal.running.document
    tables = resume.with_indexes_as_begun(journal, ends.plan.tables)
    then_source, then_target = facts.get("source"), facts.get("target")
    assert isinstance(then_source, dict)
    assert isinstance(then_target, dict)
    resume.check_target(ends.database.identity, then_target)
    if warning := resume.check_source(ends.source.identity, then_source):
        events.warning(warning)
    if not _is_retry(config, journal):  # that is what files are mended for
        resume.check_files(ends.source.identity.files, then_source)
    check_hash_key(config.shaping.hash_key, journal.running.run_id, facts)
    code = code_of(ends.transforms)
    for changed in other_code(code, facts.get("transforms")):
        events.warning(changed)
    resume.check_tables_are_there(journal, tables)
    if journal.running.state == RunState.RUNNING:
        again, warnings = resume.verdicts(journal, tables)
        for warning in warnings:
            events.warning(warning)
        resume.check_there_as_planned(journal, tables, ends.survey)
        await resume.renew_facts(journal, tables)
        views = ends.plan.views
        before = await had_before(ends.database, ends.survey, tables)
        await resume.adopt_new_tables(
            journal, tables, ends.survey, config.run, views=views, before=before
        )
        await resume.start_over(journal, tables, again)
    else:
        tables, warning = resume.without_new(journal, tables)
        if warning:
            events.warning(warning)
    await journal.note(epoch=journal.running.epoch + 1, transforms=code)
    take_over_figures(journal, [str(table.name) for table in tables], events)
    if isinstance(learned := facts.get("batch_bytes"), int):
        ends.database.start_batches_at(learned)
    return replace(ends, plan=replace(ends.plan, tables=tuple(tables)))


def _figures(events: Events, table: str) -> dict[str, JSON]:
    tally = events.tally
    return dict(tally.of(table).to_json() if table else tally.traffic.to_json())


async def _carry_out(
    config: Config, events: Events, journal: Journal, ends: Ends, stopping: Stopping
) -> ExitCode:
    """Do the job, and leave a report whatever comes of it."""
    job = Job(config, events, journal, ends, stopping)
    job.shortcomings += [f"not moved: {sentence(f)}" for f in ends.plan.refusals]
    try:
        async with stopping.heeded():
            code = await job.carry_out()
        # The report first: a run that is done isn't resumed, and so never written about again.
        save_report(config, events, journal, ends.plan, code=code, errors=job.shortcomings)
        await journal.note(
            RunState.DONE,
            exit_code=int(code),
            lacking=job.lacking,
            errors=list(job.shortcomings),
            ended_at=utc(datetime.now(UTC)),
            tally=_figures(events, ""),
        )
    except BaseException as error:
        cause = first_cause(error)
        stopped, problem = as_reported(cause)
        save_report(config, events, journal, ends.plan, code=stopped, errors=[problem])
        if isinstance(cause, StreamerError):
            raise cause from None
        raise
    return code


def first_cause(error: BaseException) -> BaseException:
    """The most telling of several errors: one that the user must act on, else the first."""
    causes = [*leaves(error)]
    ours = [cause for cause in causes if isinstance(cause, StreamerError)]
    must_act = [cause for cause in ours if cause.exit_code is not ExitCode.RESUMABLE]
    return next(iter([*must_act, *ours, *causes]))


def as_reported(cause: BaseException) -> tuple[ExitCode, str]:
    """The code and the words by which a report tells what ended its job early."""
    if isinstance(cause, StreamerError):
        return cause.exit_code, cause.what
    return ExitCode.RESUMABLE, type(cause).__name__
