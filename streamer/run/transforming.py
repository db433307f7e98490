"""A whole transformation: exported files into those that D1 is to hold, without PostgreSQL."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from streamer.config import Config, Selection
from streamer.errors import BadFileError, ExitCode, StreamerError, UsageError
from streamer.files.cells import RowMaker, not_made_here, transformed_columns
from streamer.files.manifest import (
    TRANSFORM,
    ExportedTable,
    ExportManifest,
    FileFacts,
    TransformedTable,
    TransformManifest,
    export_time,
    read_export,
    table_path,
    write_manifest,
)
from streamer.files.names import file_name
from streamer.files.report import StepReport, TableDone
from streamer.files.transform import Job, TableTransformer, name_missing
from streamer.files.trial import TrialDatabase
from streamer.files.writing import TableWriter, Written, make_folder, write_whole
from streamer.model import Plan, QualifiedName, Shaping, TablePlan
from streamer.pipeline.transform import load_transforms
from streamer.pipeline.transform.rows import RowTransform
from streamer.plan.digest import sentence
from streamer.plan.script import schema_script
from streamer.progress import Events, utc
from streamer.run.admission import refuse_what_cannot_move
from streamer.run.planning import Known, plan_known
from streamer.run.start import first_cause, warn_of

REPORT = "transformation_report.json"
SUFFIX = "_transformed"


@dataclass(frozen=True, slots=True)
class TransformOptions:
    """What a transformation was told besides the settings.

    `validate` tries the rows in a temporary database, which is kept with `keep_temp_db`. `edited`:
    files may have been changed since they were exported.
    """

    source: Path
    folder: Path
    validate: bool = False
    keep_temp_db: bool = False
    edited: bool = False


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
    return _Transformation(options, manifest, plan, shaping, events, report).carry_out(jobs)


def plan_files(config: Config, manifest: ExportManifest | TransformManifest) -> Plan:
    """The plan of moving the tables that have a file, as `config` shapes them.

    Raises:
        UsageError: there is no table, or what is asked fits nothing.

    """
    origin = manifest.origin
    known = Known(origin.catalog, origin.types_of_expressions)
    return plan_known(known, replace(config, selection=selected(manifest)))


def selected(manifest: ExportManifest | TransformManifest) -> Selection:
    """The tables that have a file.

    Raises:
        UsageError: there is none.

    """
    if not manifest.tables:
        raise UsageError("the manifest names no table: there is nothing to do")
    return Selection(
        tables=tuple(_exactly(table.name) for table in manifest.tables), schemas=("*",)
    )


def _exactly(name: QualifiedName) -> str:
    """A pattern of the selection that means one table."""

    def escaped(text: str) -> str:
        return "".join("?" if letter in "*?[]." else letter for letter in text)

    return f"{escaped(name.schema)}.{escaped(name.name)}"


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
            "the settings ask for rows, columns, expressions, masks, keys or kinds of tables that"
            " the files weren't exported with.",
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


@dataclass(frozen=True, slots=True)
class _Transformation:
    """One transformation, ready to begin."""

    options: TransformOptions
    manifest: ExportManifest
    plan: Plan
    shaping: Shaping
    events: Events
    report: StepReport

    def carry_out(self, jobs: Sequence[Job]) -> ExitCode:
        """Write all files and give them their names at the end; a report comes of it in any case."""
        folder = self.options.folder
        # A manifest tells of files that belong together; those that come now don't.
        (folder / TRANSFORM).unlink(missing_ok=True)
        try:
            code = self._write(jobs)
        except BaseException as error:
            cause = first_cause(error)
            known = isinstance(cause, StreamerError)
            self.report.errors.append(cause.what if known else type(cause).__name__)
            self.report.write(folder / REPORT, cause.exit_code if known else ExitCode.FAILED)
            raise
        self.report.write(folder / REPORT, code)
        return code

    def _write(self, jobs: Sequence[Job]) -> ExitCode:
        keep = self.options.keep_temp_db
        trial = self._trial()
        with ExitStack() as stack:
            if trial is not None:
                stack.callback(lambda: trial.close(keep=keep))
            done = self._write_all(jobs, trial, stack)
        tables = [
            TransformedTable(
                name=job.plan.name,
                target=job.plan.target,
                file=FileFacts(self._file(job.plan), whole.rows, whole.bytes, whole.sha256),
                columns=transformed_columns(job.plan),
                rows_skipped=table.skipped,
                snapshots=job.table.snapshots,
            )
            for job, whole, table in zip(jobs, done, self.report.tables, strict=True)
        ]
        for table, reported in zip(tables, self.report.tables, strict=True):
            reported.file, reported.rows = table.file.name, table.file.rows
            reported.bytes, reported.sha256 = table.file.bytes, table.file.sha256
        folder = self.options.folder
        write_whole(folder / "schema.sql", schema_script(self.plan).encode())
        write_manifest(folder, self._manifest(tables))
        return ExitCode.INCOMPLETE if self.report.errors else ExitCode.DONE

    def _write_all(
        self, jobs: Sequence[Job], trial: TrialDatabase | None, stack: ExitStack
    ) -> list[Written]:
        """Write the files under other names, and rename them once nothing is wrong with any."""
        writers: list[TableWriter] = []
        done: list[Written] = []
        problems: list[str] = []
        for job in jobs:
            writer = self._writer(job.plan)
            stack.callback(writer.discard)
            problems += self._one(job, writer, trial)
            done.append(writer.complete())
            writers.append(writer)
        if problems:
            raise _refused(problems)
        for writer in writers:
            writer.give_name()
        if trial is not None:
            self._validate(trial, jobs)
        return done

    def _trial(self) -> TrialDatabase | None:
        if not self.options.validate:
            return None
        return TrialDatabase(self.options.folder / "validation.db", self.plan)

    def _validate(self, trial: TrialDatabase, jobs: Sequence[Job]) -> None:
        """Look for rows whose parents are missing."""
        paths = {job.plan.name: self.options.folder / self._file(job.plan) for job in jobs}
        problems = [
            problem
            for missing in trial.missing()
            for problem in name_missing(missing, paths[missing.table.name])
        ]
        for problem in problems:
            self.events.warning(problem)
        self.report.errors += problems
        self.report.validated = not problems
        kept = f"; the database is {trial.path}" if self.options.keep_temp_db else ""
        self.events.phase(f"validated: {len(problems)} problems{kept}")

    def _one(self, job: Job, writer: TableWriter, trial: TrialDatabase | None) -> list[str]:
        started = time.monotonic()
        writer.begin()
        table = TableTransformer(job, trial)
        table.write(writer)
        self.report.tables.append(
            TableDone(
                name=str(job.plan.name),
                target_name=job.plan.target,
                skipped=table.skipped,
                seconds=time.monotonic() - started,
                snapshots=job.table.snapshots,
            )
        )
        self.events.phase(f"{job.plan.name}: {writer.rows:,} rows")
        return table.problems

    def _file(self, table: TablePlan) -> str:
        return file_name(table.name, self.manifest.format, self.manifest.compression, suffix=SUFFIX)

    def _writer(self, table: TablePlan) -> TableWriter:
        path = self.options.folder / self._file(table)
        return TableWriter(path, self.manifest.format, self.manifest.compression)

    def _manifest(self, tables: Sequence[TransformedTable]) -> TransformManifest:
        done = {name: replace(asked, transform="") for name, asked in self.shaping.tables.items()}
        return TransformManifest(
            run_id=self.report.run_id,
            created_at=utc(datetime.now(UTC)),
            format=self.manifest.format,
            compression=self.manifest.compression,
            tables=tuple(tables),
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
