"""A whole export: look, decide, write the files, check them, and leave manifest and report."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from streamer.config import Config
from streamer.errors import ExitCode, SourceChangedError, StreamerError, UsageError
from streamer.files.checks import unfit
from streamer.files.export import Exported, Exporter, differing, exported
from streamer.files.manifest import (
    EXPORT,
    ExportManifest,
    ExpressionType,
    Origin,
    table_path,
    without_secrets,
    write_manifest,
)
from streamer.files.names import Compression, Format
from streamer.files.report import StepReport, TableDone
from streamer.files.state import FILE as STATE
from streamer.files.state import ExportState
from streamer.files.writing import make_folder, problems
from streamer.frozen import frozen
from streamer.model import Consistency, Plan
from streamer.model.words import counted
from streamer.plan.digest import sentence
from streamer.postgres import PostgresSource
from streamer.progress import Events, utc
from streamer.run.admission import refuse_what_cannot_move
from streamer.run.identity import source_facts
from streamer.run.looking import warn_of
from streamer.run.planning import Known, plan_job, read_known
from streamer.run.start import first_cause
from streamer.run.stopping import Stopping

if TYPE_CHECKING:
    from checkpoints import JSON

REPORT = "export_report.json"


@frozen
class ExportOptions:
    """What an export was told besides the settings; `validate` reads the files again."""

    folder: Path
    format: Format = Format.JSON
    compression: Compression = Compression.NONE
    validate: bool = False


@frozen
class _Job:
    config: Config
    options: ExportOptions
    source: PostgresSource
    known: Known
    plan: Plan
    tables: Sequence[Exported]
    events: Events


async def export(
    config: Config, options: ExportOptions, events: Events, stop: asyncio.Event
) -> ExitCode:
    """Write the files of the selected tables into a folder.

    A dry run tests the connection and says what would be exported.

    Raises:
        StreamerError: with the exit code of its kind; what was exported so far can be gone on with.

    """
    stopping = Stopping(
        stop, kept="what was exported so far is kept", again="streamer export --resume"
    )
    async with AsyncExitStack() as stack:
        if config.run.dry_run:
            return _dry_run(await _look(config, options, events, stopping, stack))
        make_folder(options.folder)
        state = await ExportState.open(options.folder, resume=config.run.resume)
        stack.push_async_callback(state.close)
        if not config.run.resume:
            # From here on whatever ends this may tell to go on with --resume.
            await state.supersede()
        job = await _look(config, options, events, stopping, stack)
        if (options.folder / STATE.upper()).exists():
            _refuse_same_files(job.tables)
        if _finished(job, state):
            return ExitCode(int(str(state.facts.get("exit_code", 0))))
        await _begin(job, state)
        return await _carry_out(job, state, stopping)


async def _look(
    config: Config,
    options: ExportOptions,
    events: Events,
    stopping: Stopping,
    stack: AsyncExitStack,
) -> _Job:
    """Connect, until `stack` ends, and plan; refuse what can't be exported."""
    source = await stack.enter_async_context(
        PostgresSource.open(
            config.source,
            config.run.consistency,
            events.warning,
            hash_key=config.shaping.hash_key,
        )
    )
    async with stopping.heeded():
        known = await read_known(source, config, events.phase)
        plan = await plan_job(source, config, known=known, say=events.phase)
    refused = [sentence(finding) for finding in plan.refusals]
    refuse_what_cannot_move(refused, skip_refused=config.run.skip_refused)
    version = known.catalog.source.server_version
    tables = [
        exported(table, version, options.format, options.compression) for table in plan.tables
    ]
    warn_of(events, plan.findings)
    return _Job(config, options, source, known, plan, tables, events)


def _refuse_same_files(tables: Sequence[Exported]) -> None:
    """Refuse names that differ in case only: in this folder they are one file."""
    seen: dict[str, Exported] = {}
    for table in tables:
        other = seen.setdefault(table.file.casefold(), table)
        if other is not table:
            raise UsageError(
                f"{other.plan.name} and {table.plan.name} would share the file {table.file}: the file"
                " system ignores case.",
                hint="Export one of them by itself, into another --output-dir.",
            )


def _dry_run(job: _Job) -> ExitCode:
    facts = job.known.catalog.source
    job.events.phase(
        f"the connection works: database {facts.database}, PostgreSQL {facts.server_version}"
    )
    for table in job.tables:
        rows = table.plan.table.rows
        about = f"about {counted(rows, 'row')}" if rows >= 0 else "rows not estimated"
        print(f"{table.plan.name} → {job.options.folder / table.file} ({about})")  # noqa: T201 (the result)
    return ExitCode.INCOMPLETE if job.plan.refusals else ExitCode.DONE


def _finished(job: _Job, state: ExportState) -> bool:
    """Whether there is nothing left to do; refuses what the user has to decide."""
    run = job.config.run
    if run.resume:
        if state.run is None or state.superseded:
            job.events.warning("there is no export to go on with; a new one starts")
        elif not state.unfinished:
            if (job.options.folder / EXPORT).is_file():
                job.events.phase("nothing to do: the export in this folder is finished")
                return True
            job.events.warning(f"the finished export has no {EXPORT} any more; a new one starts")
        return False
    if state.unfinished and not run.restart:
        raise UsageError(
            f"{job.options.folder} holds an export that isn't finished.",
            hint="Go on with --resume, or start over with --restart.",
        )
    return False


async def _begin(job: _Job, state: ExportState) -> None:
    """Write down a new export, or check that the unfinished one may go on; no manifest is left."""
    facts: dict[str, JSON] = {
        "source": source_facts(job.known.catalog.source),
        "format": job.options.format.value,
        "compression": job.options.compression.value,
    }
    if job.config.run.resume and state.unfinished:
        _check(job, state, facts)
    else:
        await state.begin(
            uuid.uuid4().hex,
            {**facts, "started_at": utc(datetime.now(UTC))},
            {str(table.plan.name): table.facts for table in job.tables},
        )
    # A manifest tells of files that belong together; those that come now don't. It goes once the new
    # export is written down: where that fails, the old one is as it was.
    manifest = job.options.folder / EXPORT
    with problems(manifest):
        manifest.unlink(missing_ok=True)


def _check(job: _Job, state: ExportState, facts: dict[str, JSON]) -> None:
    hint = "Change it back, or start over with --restart."
    changed = [
        f"the {name} was {state.facts.get(name)}, and is {value} now"
        for name, value in facts.items()
        if name != "source" and state.facts.get(name) != value
    ]
    then = state.facts.get("source")
    known = then if isinstance(then, dict) else {}
    now = job.known.catalog.source
    if (known.get("system_identifier"), known.get("database")) != (
        now.system_identifier,
        now.database,
    ):
        changed.append(f"the source was database {known.get('database')} of another server")
    if changed:
        raise UsageError("\n".join(changed), hint=hint)
    if said := differing(state.tables, job.tables):
        raise SourceChangedError("\n".join(said), hint=hint)


async def _carry_out(job: _Job, state: ExportState, stopping: Stopping) -> ExitCode:
    """Write the files, and leave a report whatever comes of it."""
    assert state.run is not None
    options = job.options
    report = StepReport(
        "export",
        state.run.run_id,
        job.known.catalog.source,
        options.folder,
        started_at=datetime.fromisoformat(str(state.facts["started_at"])),
        warnings=job.events.warnings,
        errors=[f"not exported: {sentence(finding)}" for finding in job.plan.refusals],
    )
    try:
        async with stopping.heeded():
            code = await _export(job, state, report, stopping)
    except BaseException as error:
        cause = first_cause(error)
        code = cause.exit_code if isinstance(cause, StreamerError) else ExitCode.RESUMABLE
        report.errors.append(
            cause.what if isinstance(cause, StreamerError) else type(cause).__name__
        )
        _fill(report, job, state)
        report.write(options.folder / REPORT, code)
        if isinstance(cause, StreamerError):
            raise cause from None
        raise
    report.write(options.folder / REPORT, code)
    await state.finish(int(code))
    return code


async def _export(
    job: _Job, state: ExportState, report: StepReport, stopping: Stopping
) -> ExitCode:
    options = job.options
    rolling = job.config.run.consistency is Consistency.ROLLING
    await job.source.begin()
    exporter = Exporter(
        options.folder,
        job.source,
        state,
        form=options.format,
        compression=options.compression,
        rolling=rolling,
        say=job.events.phase,
        stop=stopping.stop,
    )
    stopping.sending = exporter
    await exporter.export(job.tables)
    stopping.heed()
    done = [exporter.result(table) for table in job.tables]
    several = [table.name for table in done if len(set(table.snapshots)) > 1]
    if several:
        job.events.warning(
            f"read in more than one snapshot: {', '.join(map(str, several))}: rows that changed"
            " in between may not fit together"
        )
    if options.validate:
        report.errors += await _validate(job, exporter, stopping.heed)
        report.validated = not report.errors or bool(job.plan.refusals)
    manifest = ExportManifest(
        run_id=report.run_id,
        created_at=utc(datetime.now(UTC)),
        format=options.format,
        compression=options.compression,
        tables=tuple(done),
        origin=Origin(
            catalog=job.known.catalog,
            shaping=without_secrets(job.config.shaping),
            expression_types=tuple(
                ExpressionType(table, column, kind)
                for (table, column), kind in job.known.expression_types.items()
            ),
            snapshots=exporter.snapshots,
            warnings=tuple(report.warnings),
        ),
    )
    write_manifest(options.folder, manifest)
    _fill(report, job, state)
    return ExitCode.INCOMPLETE if report.errors else ExitCode.DONE


async def _validate(job: _Job, exporter: Exporter, heed: Callable[[], None]) -> list[str]:
    """Read the files again, and count in the snapshot that they were read in: what isn't so.

    Those of an earlier start are gone, as are those of rolling consistency: nothing is counted then.
    """
    problems: list[str] = []
    uncounted = 0
    rolling = job.config.run.consistency is Consistency.ROLLING
    version = job.known.catalog.source.server_version
    for table in job.tables:
        done = exporter.result(table)
        path = table_path(job.options.folder, done.file)
        source = table.plan.table
        if problem := await asyncio.to_thread(unfit, path, done, source, version, heed):
            problems.append(problem)
            continue
        if rolling or not exporter.began(table):
            uncounted += 1
        else:
            there = await job.source.count(table.plan.table, table.plan.where)
            if there != done.file.rows:
                problems.append(
                    f"{done.name}: {counted(done.file.rows, 'row')} in {path.name}, {there:,} in PostgreSQL"
                )
    for problem in problems:
        job.events.warning(problem)
    gone = f"; {uncounted:,} not counted in PostgreSQL: their snapshot is gone" if uncounted else ""
    job.events.phase(
        f"validated {counted(len(job.tables), 'file')}: {counted(len(problems), 'problem')}{gone}"
    )
    return problems


def _fill(report: StepReport, job: _Job, state: ExportState) -> None:
    """Put what came of each table into the report."""
    report.snapshots = state.snapshots
    report.tables = [
        TableDone(
            name=str(table.plan.name),
            target_name=table.plan.target,
            file=table.file if at.done else "",
            rows=at.done.rows if at.done else at.rows,
            bytes=at.done.bytes if at.done else 0,
            sha256=at.done.sha256 if at.done else "",
            seconds=at.seconds,
            snapshots=at.snapshots,
        )
        for table in job.tables
        for at in (state.position(str(table.plan.name)),)
    ]
