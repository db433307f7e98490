"""`streamer validate` with files: beside PostgreSQL, beside each other, beside D1."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import field, replace
from datetime import UTC, datetime
from pathlib import Path

from streamer.config import Config, Target
from streamer.errors import ExitCode, InterruptedRunError, StreamerError, UsageError
from streamer.files.cells import RowMaker, not_made_here
from streamer.files.manifest import (
    ExportedTable,
    TransformedTable,
    TransformManifest,
    read_export,
    read_transform,
    table_path,
)
from streamer.files.questions import ComparedFiles
from streamer.files.source import FilesSource, Looked, look_through
from streamer.files.stored import refuse_other_columns
from streamer.frozen import frozen, slotted
from streamer.model import Consistency, QualifiedName, Shaping, SourceIdentity, TablePlan
from streamer.pipeline.transform import load_transforms
from streamer.pipeline.transform.rows import RowTransform
from streamer.plan.select import matching
from streamer.postgres import PostgresSource
from streamer.progress import Events
from streamer.run.compared import Compared, run_of, unfit_tables
from streamer.run.files_compared import (
    BesideSource,
    ExportedFiles,
    beside_exported,
    look_through_exported,
    read_manifest,
)
from streamer.run.identity import source_facts
from streamer.run.journal import Journal
from streamer.run.planning import plan_known, read_known
from streamer.run.start import first_cause, target_of
from streamer.run.survey import survey
from streamer.run.transforming import plan_files, selected
from streamer.run.validated import Named, Validated, code_of, depth_of, save
from streamer.run.validation import ValidationJob, state_file
from streamer.targets import open_target
from streamer.validate import Check, Differences, Status, Verdict
from streamer.validate.report import ValidationReport

TARGET = ("transformed", "d1")


@frozen
class TransformedFiles:
    """The transformed files of a folder, all of them rows of their tables, and how these are planned."""

    folder: Path
    manifest: TransformManifest
    tables: Sequence[TablePlan]
    looked: Looked

    def table(self, name: QualifiedName) -> TransformedTable:
        """What the manifest says of a table."""
        return next(table for table in self.manifest.tables if table.name == name)


async def validate_files(config: Config, events: Events, stop: asyncio.Event) -> Validated:
    """Compare the files that `config` names, and leave a report.

    Raises:
        BadFileError: a file can't be read, or holds something else than rows of its table.
        StreamerError: with the exit code of its kind.

    """
    async with AsyncExitStack() as stack:
        job = _FilesJob(config, events, stop, stack)
        try:
            return await job.carry_out()
        except BaseException as error:
            cause = first_cause(error)
            if isinstance(cause, StreamerError):
                job.save_failed(cause)
                raise cause from None
            raise


@slotted
class _FilesJob:
    """One validation of files; `found` is what was compared so far."""

    config: Config
    events: Events
    stop: asyncio.Event
    stack: AsyncExitStack
    found: list[tuple[Verdict, Differences]] = field(
        default_factory=list[tuple[Verdict, Differences]]
    )
    origin: SourceIdentity | None = None
    run_id: str = field(default_factory=lambda: uuid.uuid4().hex)
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    reported: bool = False

    async def carry_out(self) -> Validated:
        settings = self.config.validation
        if settings.transformed is not None:
            await run_of(self.config, self.stack)  # one that isn't finished is told of first
        self.events.phase("reading files")
        exported = transformed = None
        if settings.exported is not None:
            of_export = read_manifest(read_export, settings.exported, "--export-dir")
            self.origin = of_export.origin.catalog.source
            exported = await asyncio.to_thread(
                look_through_exported, settings.exported, of_export, self.config, self._heed_stop
            )
        if settings.transformed is not None:
            of_made = read_manifest(read_transform, settings.transformed, "--transformed-dir")
            self.origin = of_made.origin.catalog.source
            transformed = await asyncio.to_thread(
                look_through_transformed,
                settings.transformed,
                of_made,
                self.config,
                self._heed_stop,
            )
        if exported is not None:
            await self._beside_source(exported)
            if transformed is not None:
                await self._beside_exported(exported, transformed)
        if transformed is not None:
            return await self._beside_target(transformed)
        verdicts = [verdict for verdict, _ in self.found]
        code = code_of(verdicts)
        report = self._save(code, [])
        return Validated(code, depth_of(settings), verdicts, report)

    def save_failed(self, error: StreamerError) -> None:
        """Leave a report of a failure, where it is known what of."""
        if self.origin is not None and not self.reported:
            self._save(error.exit_code, [error.what])

    def _save(self, code: ExitCode, errors: Sequence[str]) -> ValidationReport:
        assert self.origin is not None
        settings = self.config.validation
        folder = settings.transformed or settings.exported
        target = {"kind": "files", "database": str(folder)}
        named = Named(self.run_id, self.started_at, source_facts(self.origin), target)
        return save(self.config, self.events, named, self.found, code=code, errors=errors)

    async def _beside_source(self, files: ExportedFiles) -> None:
        config = self.config
        self.events.phase(f"comparing {files.folder} with PostgreSQL")
        source = await self.stack.enter_async_context(
            PostgresSource.open(
                config.source,
                # Each row is compared as it was at some moment; no snapshot has to be kept for long.
                Consistency.ROLLING,
                self.events.warning,
                hash_key=config.shaping.hash_key,
            )
        )
        self._warn_of_another(source.identity, files)
        plans = await _plans_now(config, source, files)
        differences = self.stack.enter_context(Differences())
        beside = BesideSource(
            files,
            source,
            differences,
            depth=depth_of(config.validation),
            sample_rows=config.validation.sample_rows,
            heed_stop=self._heed_stop,
        )
        for table in files.tables(config):
            self._heed_stop()
            verdict = await beside.judge(table, plans.get(table.name))
            self.found.append((verdict, differences))

    def _warn_of_another(self, now: SourceIdentity, files: ExportedFiles) -> None:
        then = files.manifest.origin.catalog.source
        if (now.system_identifier, now.database) != (then.system_identifier, then.database):
            self.events.warning(
                f"the files were exported from database {then.database} of another server"
                if now.system_identifier != then.system_identifier
                else f"the files were exported from database {then.database}, not {now.database}"
            )

    async def _beside_exported(self, exported: ExportedFiles, made: TransformedFiles) -> None:
        self.events.phase(f"comparing {made.folder} with {exported.folder}")
        differences = self.stack.enter_context(Differences())
        known = {table.name: table for table in exported.manifest.tables}
        tables = _with_transforms(self.config, exported, made)
        makers = _makers(tables, known, exported)
        for plan, maker in zip(tables, makers, strict=True):
            self._heed_stop()
            table = made.table(plan.name)
            verdict = await beside_exported(
                table,
                table_path(made.folder, table.file),
                (exported, known[plan.name]),
                (plan, maker),
                differences,
                changed=made.looked.changed.get(plan.name, ""),
                heed_stop=self._heed_stop,
            )
            self.found.append((verdict, differences))

    async def _beside_target(self, files: TransformedFiles) -> Validated:
        config, events = self.config, self.events
        target: Target = target_of(config)
        state = await Journal.open(state_file(config.run.checkpoint))
        self.stack.push_async_callback(state.close)
        database = await open_target(target, config.pacing, events, writing=False)
        self.stack.push_async_callback(database.aclose)
        seen = await survey(database)
        rows = ComparedFiles(
            FilesSource(files.folder, files.manifest, files.looked), files.looked.rows
        )
        for table in files.tables:
            events.table_expected(str(table.name), files.looked.rows[table.name])
        ends = Compared(
            source=rows,
            questions=rows,
            database=database,
            survey=seen,
            tables=[replace(table, computed=()) for table in files.tables],  # no file has them
            unfit=unfit_tables(files.tables, seen),
            not_moved=[],
            transforms={},
            leaves={},
            between=TARGET,
        )
        if config.validation.exported is None:
            self._tell_changed(files)
        job = ValidationJob(
            config,
            events,
            state=state,
            ends=ends,
            differences=self.stack.enter_context(Differences()),
            stop=self.stop,
            beside=self.found,
        )
        self.reported = True
        code = await job.carry_out()
        verdicts = [*(verdict for verdict, _ in self.found), *job.verdicts]
        return Validated(code, job.depth, verdicts, job.report)

    def _tell_changed(self, files: TransformedFiles) -> None:
        """Report files that aren't what was written."""
        for plan in files.tables:
            if what := files.looked.changed.get(plan.name):
                path = table_path(files.folder, files.table(plan.name).file)
                check = Check("file", Status.DIFFERS, note=what)
                verdict = Verdict(
                    str(plan.name), plan.target, [check], between=TARGET, file=str(path)
                )
                self.found.append((verdict, self.stack.enter_context(Differences())))

    def _heed_stop(self) -> None:
        if self.stop.is_set():
            raise InterruptedRunError(
                "stopped by a signal; files are compared from the beginning the next time.",
                hint="Start the same command again.",
            )


def look_through_transformed(
    folder: Path, whole: TransformManifest, config: Config, heed: Callable[[], None]
) -> TransformedFiles:
    """Read all transformed files of a folder, and plan their tables; `heed` is called with every line.

    Raises:
        BadFileError: with everything that is wrong, a line each.

    """
    chosen = tuple(t for t in whole.tables if matching(t.name, config.selection))
    manifest = replace(whole, tables=chosen)
    shaped = replace(config, shaping=manifest.origin.shaping, selection=selected(manifest))
    tables = plan_files(shaped, manifest).tables
    files = TransformedFiles(folder, manifest, tables, look_through(folder, manifest, heed))
    refuse_other_columns(folder, manifest, tables)
    return files


async def _plans_now(
    config: Config, source: PostgresSource, files: ExportedFiles
) -> Mapping[QualifiedName, TablePlan]:
    """How the exported tables would be moved now, as they were exported; without those that can't be."""
    shaping = replace(files.manifest.origin.shaping, hash_key=config.shaping.hash_key)
    as_then = replace(config, shaping=shaping)
    known = await read_known(source, as_then)
    there = {table.name for table in known.catalog.tables}
    kept = tuple(table for table in files.tables(config) if table.name in there)
    if not kept:
        return {}
    selection = selected(replace(files.manifest, tables=kept))
    plan = plan_known(known, replace(as_then, selection=selection))
    return {table.name: table for table in plan.tables}


def _with_transforms(
    config: Config, exported: ExportedFiles, made: TransformedFiles
) -> Sequence[TablePlan]:
    """The tables' plans with the functions that changed their rows: the settings' or the export's."""

    def function(shaping: Shaping, name: str) -> str:
        return shaping.tables[name].transform if name in shaping.tables else ""

    then, asked = made.manifest.origin.shaping, config.shaping
    exported_with = exported.manifest.origin.shaping
    tables = {
        name: replace(one, transform=function(asked, name) or function(exported_with, name))
        for name, one in then.tables.items()
    }
    shaped = replace(config, shaping=replace(then, tables=tables))
    known = {table.name for table in exported.manifest.tables}
    if lacking := [str(t.name) for t in made.manifest.tables if t.name not in known]:
        raise UsageError(
            f"{exported.folder} has no file of {', '.join(lacking)}, which {made.folder} has",
            hint="Name the folders that belong together, or choose tables with --table.",
        )
    return plan_files(shaped, made.manifest).tables


def _makers(
    tables: Sequence[TablePlan],
    known: Mapping[QualifiedName, ExportedTable],
    exported: ExportedFiles,
) -> list[RowMaker]:
    """What makes transformed rows of exported ones.

    Raises:
        UsageError: the transformed files weren't made of these.

    """
    version = exported.manifest.origin.catalog.source.server_version
    if problems := [
        problem for plan in tables for problem in not_made_here(plan, known[plan.name], version)
    ]:
        raise UsageError("\n".join(problems))
    functions = load_transforms(tables, Path.cwd())

    def maker(plan: TablePlan) -> RowMaker:
        change = RowTransform(plan, functions[plan.transform]) if plan.transform else None
        return RowMaker(plan, known[plan.name], version, change)

    return [maker(plan) for plan in tables]
