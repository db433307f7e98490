"""A whole transformation: exported files into those that D1 is to hold, without PostgreSQL."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from streamer.config import Config, Selection
from streamer.errors import BadFileError, ExitCode, StreamerError, UsageError
from streamer.files.cells import RowMaker, not_made_here
from streamer.files.columns import Cells
from streamer.files.manifest import (
    TRANSFORM,
    ExportedTable,
    ExportManifest,
    FileFacts,
    TransformedTable,
    TransformManifest,
    catalog_of,
    export_time,
    read_export,
    table_path,
    write_manifest,
)
from streamer.files.outputs import JsonOutputs, Outputs
from streamer.files.report import StepReport, TableDone
from streamer.files.sql.output import SqlOutputs, for_wrangler
from streamer.files.stored import transformed_columns
from streamer.files.transform import (
    Job,
    TableTransformer,
    exported_rows,
    name_missing,
    transformed_rows,
)
from streamer.files.trial import Missing, TrialDatabase
from streamer.files.writing import Written, make_folder, problems
from streamer.frozen import frozen
from streamer.model import Plan, QualifiedName, Shaping, TablePlan
from streamer.model.words import counted
from streamer.pipeline.transform import load_transforms
from streamer.pipeline.transform.rows import RowTransform
from streamer.plan.digest import sentence
from streamer.plan.script import schema_script
from streamer.progress import Events, utc, write_whole
from streamer.run.admission import refuse_what_cannot_move
from streamer.run.looking import warn_of
from streamer.run.planning import Known, plan_known
from streamer.run.start import first_cause
from streamer.run.waves import levels

REPORT = "transformation_report.json"
SCHEMA = "schema.sql"
VALIDATION = "validation.db"
TELL_ROWS = 1_000_000
"""After so many rows of a table each, the log says how far it is."""


@frozen
class TransformOptions:
    """What a transformation was told besides the settings.

    `validate` tries the rows in a temporary database, which is kept with `keep_temp_db`. `edited`:
    files may have been changed since they were exported. `sql`: SQL for wrangler is written, not
    files for `streamer import`.
    """

    source: Path
    folder: Path
    validate: bool = False
    keep_temp_db: bool = False
    edited: bool = False
    sql: bool = False


def transform(config: Config, options: TransformOptions, events: Events) -> ExitCode:
    """Write the transformed files; all of them, or none.

    Raises:
        UsageError: what is asked can't be made of these files; nothing was written.
        BadFileError: a file isn't what it should be, or holds what can't be stored.

    """
    manifest = read_export(options.source)
    if options.source.resolve() == options.folder.resolve():
        raise UsageError(
            "the transformed files need a folder of their own: name another --output-dir"
        )
    events.phase("planning")
    shaping = _shaping(config.shaping, manifest)
    plan = plan_files(replace(config, shaping=shaping), manifest)
    refused = [sentence(finding) for finding in plan.refusals]
    refuse_what_cannot_move(refused, skip_refused=config.run.skip_refused)
    jobs = _jobs(options, plan, manifest)
    level = levels(plan.tables)
    jobs.sort(key=lambda job: level[job.plan.name])
    outputs = _outputs(options, plan, manifest)
    make_folder(options.folder)
    warn_of(events, plan.findings)
    report = StepReport(
        "transform",
        uuid.uuid4().hex,
        manifest.origin.catalog.source,
        options.folder,
        snapshots=manifest.origin.snapshots,
        warnings=events.warnings,
        errors=[f"not transformed: {line}" for line in refused],
    )
    return _Transformation(options, manifest, plan, shaping, events, report, outputs).carry_out(
        jobs
    )


def _outputs(options: TransformOptions, plan: Plan, manifest: ExportManifest) -> Outputs:
    if options.sql:
        return SqlOutputs(options.folder, plan, levels(plan.tables))
    return JsonOutputs(options.folder, manifest.format, manifest.compression)


def plan_files(config: Config, manifest: ExportManifest | TransformManifest) -> Plan:
    """The plan of moving the tables that have a file, as `config` shapes them.

    Raises:
        UsageError: there is no table, or what is asked fits nothing.

    """
    known = Known(catalog_of(manifest), manifest.origin.types_of_expressions)
    return plan_known(known, replace(config, selection=selected(manifest)))


def selected(manifest: ExportManifest | TransformManifest) -> Selection:
    """The tables that have a file.

    Raises:
        UsageError: there is none.

    """
    if not manifest.tables:
        raise UsageError("the manifest names no table: there is nothing to do")
    return Selection(exactly=frozenset(table.name for table in manifest.tables))


def _shaping(asked: Shaping, manifest: ExportManifest) -> Shaping:
    """What is asked of tables, columns and types now.

    What PostgreSQL carried out was decided by the export. The rest is what the settings say, or,
    where these say nothing at all, what the export was told.

    Raises:
        UsageError: the settings ask for something else of what the export decided.

    """
    then = manifest.origin.shaping
    if asked in (Shaping(), then):
        return then
    if export_time(asked) != export_time(then):
        raise UsageError(
            "the settings ask for rows, columns, expressions, masks, keys or kinds of tables, for"
            " columns split into several or tables of labels that the files weren't exported with.",
            hint="Use the settings of the export, or export again with these.",
        )
    return replace(asked, hash_key=None)


def _jobs(options: TransformOptions, plan: Plan, manifest: ExportManifest) -> list[Job]:
    """The tables' ways, in load order.

    Raises:
        UsageError: something can't be made of the files.

    """
    exported: Mapping[QualifiedName, ExportedTable] = {t.name: t for t in manifest.tables}
    version = manifest.origin.catalog.source.server_version
    problems = [
        problem
        for table in plan.tables
        for problem in not_made_here(table, exported[table.name], version)
    ]
    if problems:
        raise UsageError("\n".join(problems))
    functions = load_transforms(plan.tables, Path.cwd())

    def job(table: TablePlan) -> Job:
        change = RowTransform(table, functions[table.transform]) if table.transform else None
        known = exported[table.name]
        return Job(
            plan=table,
            table=known,
            maker=RowMaker(table, known, version, change),
            source=table_path(options.source, known.file),
            edited=options.edited,
        )

    return [job(table) for table in plan.tables]


@frozen
class _Transformation:
    """One transformation, ready to begin."""

    options: TransformOptions
    manifest: ExportManifest
    plan: Plan
    shaping: Shaping
    events: Events
    report: StepReport
    outputs: Outputs

    def carry_out(self, jobs: Sequence[Job]) -> ExitCode:
        """Write all files and give them their names at the end; a report comes of it in any case."""
        folder = self.options.folder
        # A manifest tells of files that belong together; those that come now don't.
        for name in (TRANSFORM, SCHEMA, VALIDATION):
            with problems(folder / name):
                (folder / name).unlink(missing_ok=True)
        try:
            code = self._write(jobs)
        except BaseException as error:
            cause = first_cause(error)
            code = ExitCode.FAILED
            if isinstance(cause, StreamerError):
                code = cause.exit_code
                self.report.errors.append(cause.what)
            elif isinstance(cause, KeyboardInterrupt):
                code = ExitCode.RESUMABLE
                self.report.errors.append("stopped by a signal")
            else:
                self.report.errors.append(type(cause).__name__)
            self.report.write(folder / REPORT, code)
            raise
        self.report.write(folder / REPORT, code)
        return code

    def _write(self, jobs: Sequence[Job]) -> ExitCode:
        keep = self.options.keep_temp_db
        trial = self._trial()
        with ExitStack() as stack:
            if trial is not None:
                stack.callback(lambda: trial.close(keep=keep))
            stack.callback(self.outputs.discard)
            done = self._write_all(jobs, trial)
        for job, whole, reported in zip(jobs, done, self.report.tables, strict=True):
            names = self.outputs.files(job.plan)
            reported.file = names[0] if names else ""
            reported.rows, reported.bytes = whole.rows, whole.bytes
            reported.sha256 = whole.sha256
        folder = self.options.folder
        script = schema_script(self.plan, counters=not self.options.sql)
        if self.options.sql:
            self.report.files = (SCHEMA, *self.outputs.in_order)
            script = for_wrangler(script)
        write_whole(folder / SCHEMA, script.encode())
        if not self.options.sql:
            write_manifest(folder, self._manifest(jobs, done))
        return ExitCode.INCOMPLETE if self.report.errors else ExitCode.DONE

    def _write_all(self, jobs: Sequence[Job], trial: TrialDatabase | None) -> list[Written]:
        """Write the files under other names, and rename them once nothing is wrong with any."""
        self.outputs.begin()
        done: list[Written] = []
        problems: list[str] = []
        for job in jobs:
            written, found = self._one(job, trial)
            done.append(written)
            problems += found
        if problems:
            raise _refused(problems)
        self.outputs.give_names()
        if trial is not None:
            self._validate(trial, jobs)
        return done

    def _trial(self) -> TrialDatabase | None:
        if not self.options.validate:
            return None
        return TrialDatabase(self.options.folder / VALIDATION, self.plan)

    def _validate(self, trial: TrialDatabase, jobs: Sequence[Job]) -> None:
        """Look for rows whose parents are missing."""
        by_name = {job.plan.name: job for job in jobs}
        problems = [
            problem
            for missing in trial.missing()
            for problem in self._name_missing(missing, by_name[missing.table.name])
        ]
        for problem in problems:
            self.events.warning(problem)
        self.report.errors += problems
        self.report.validated = not problems
        kept = f"; the database is {trial.path}" if self.options.keep_temp_db else ""
        self.events.phase(f"validated: {counted(len(problems), 'problem')}{kept}")

    def _name_missing(self, missing: Missing, job: Job) -> list[str]:
        if self.options.sql:
            return name_missing(missing, job.source, exported_rows(job))
        path = self.options.folder / self.outputs.files(job.plan)[0]
        return name_missing(missing, path, transformed_rows(job.plan, path))

    def _one(self, job: Job, trial: TrialDatabase | None) -> tuple[Written, list[str]]:
        """Write a table's rows; what is wrong with them."""
        started = time.monotonic()
        output = self.outputs.open(job.plan)
        table = TableTransformer(job, trial)
        output.write(self._telling(job, table.pages()))
        written = output.complete()
        self.report.tables.append(
            TableDone(
                name=str(job.plan.name),
                target_name=job.plan.target,
                skipped=table.skipped,
                seconds=time.monotonic() - started,
                snapshots=job.table.snapshots,
            )
        )
        self.events.phase(f"{job.plan.name}: {counted(output.rows, 'row')}")
        return written, table.problems

    def _telling(self, job: Job, pages: Iterator[Sequence[Cells]]) -> Iterator[Sequence[Cells]]:
        """The same pages; a line is said every so many rows: long files take minutes."""
        rows, told = 0, 0
        for page in pages:
            yield page
            rows += len(page[0])
            if rows - told >= TELL_ROWS:
                self.events.phase(f"{job.plan.name}: {rows:,} rows so far")
                told = rows

    def _manifest(self, jobs: Sequence[Job], written: Sequence[Written]) -> TransformManifest:
        done = {name: replace(asked, transform="") for name, asked in self.shaping.tables.items()}
        return TransformManifest(
            run_id=self.report.run_id,
            created_at=utc(datetime.now(UTC)),
            format=self.manifest.format,
            compression=self.manifest.compression,
            tables=tuple(
                TransformedTable(
                    name=job.plan.name,
                    target=job.plan.target,
                    file=FileFacts(
                        self.outputs.files(job.plan)[0], whole.rows, whole.bytes, whole.sha256
                    ),
                    columns=transformed_columns(job.plan),
                    rows_skipped=table.skipped,
                    snapshots=job.table.snapshots,
                )
                for job, whole, table in zip(jobs, written, self.report.tables, strict=True)
            ),
            origin=replace(
                self.manifest.origin,
                shaping=replace(self.shaping, tables=done, hash_key=None),
                warnings=tuple(self.report.warnings),
            ),
        )


def _refused(problems: Sequence[str]) -> BadFileError:
    return BadFileError(
        "\n".join(problems),
        hint="Mend the files and take them with --edited, or export again; nothing was written.",
    )
