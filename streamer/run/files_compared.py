"""Files beside what they were made from: exported ones beside PostgreSQL, transformed ones beside these.

All rows come in the order in which they were written, so that both sides are read once, side by side.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import aclosing, closing
from dataclasses import field, replace
from itertools import islice
from pathlib import Path
from typing import TypeVar

import orjson

from streamer.config import Config
from streamer.errors import BadFileError, BadRowsError, UsageError
from streamer.files.cells import RowMaker, WrongRowError, tokens, told
from streamer.files.checks import changed, malformed
from streamer.files.export import Exported, exported, lines_of
from streamer.files.manifest import (
    ExportedTable,
    ExportManifest,
    TransformedTable,
    TransformManifest,
    export_time,
    table_path,
)
from streamer.files.matching import Matching, Mismatch, Wanted
from streamer.files.opening import Content
from streamer.files.reading import Row, read_rows
from streamer.frozen import frozen, slotted
from streamer.model import KeyKind, PageSize, QualifiedName, Shaping, StepKind, TablePlan
from streamer.plan.select import matching
from streamer.postgres import PostgresSource
from streamer.postgres.keys import Keys
from streamer.validate import Check, Depth, Difference, Differences, Kind, Status, Verdict
from streamer.validate.verdict import MOST_DIFFERENCES

PAGE_ROWS = 500
EXPORT, TRANSFORMED = ("postgresql", "export"), ("export", "transformed")

Manifest = TypeVar("Manifest", ExportManifest, TransformManifest)

Stop = Callable[[], None]
"""Raises where the command is to end early."""


@frozen
class ExportedFiles:
    """The exported files of a folder, all of them rows of their tables; those that `changed` aren't
    what was written: why.
    """

    folder: Path
    manifest: ExportManifest
    rows: dict[QualifiedName, int] = field(default_factory=dict[QualifiedName, int])
    changed: dict[QualifiedName, str] = field(default_factory=dict[QualifiedName, str])

    def path(self, table: ExportedTable | TransformedTable) -> Path:
        """Where a table's file is."""
        return table_path(self.folder, table.file)

    def tables(self, config: Config) -> list[ExportedTable]:
        """Those of the tables that `config` selects."""
        return [t for t in self.manifest.tables if matching(t.name, config.selection)]


def read_manifest(read: Callable[[Path], Manifest], folder: Path, option: str) -> Manifest:
    """The manifest of a folder that `option` names.

    Raises:
        BadFileError: there is none, or it isn't one.

    """
    try:
        return read(folder)
    except BadFileError as error:
        raise BadFileError(error.what, hint=error.hint.replace("--input-dir", option)) from None


def look_through_exported(
    folder: Path, manifest: ExportManifest, config: Config, heed: Callable[[], None]
) -> ExportedFiles:
    """Read all files of an export that `config` selects; `heed` is called with every line.

    Raises:
        BadFileError: with everything that is wrong, a line each.
        UsageError: `config` asks for other rows than these.

    """
    files = ExportedFiles(folder, manifest)
    asked, then = config.shaping, files.manifest.origin.shaping
    if asked != Shaping() and export_time(asked) != export_time(then):
        raise UsageError(
            "the settings ask for rows, columns, expressions or masks that the files weren't exported"
            " with.",
            hint="Use the settings of the export, or none.",
        )
    catalog = files.manifest.origin.catalog
    sources = {table.name: table for table in catalog.tables}
    problems: list[str] = []
    for table in files.tables(config):
        content, path = Content(heed), files.path(table)
        source = sources.get(table.name)
        if source is None:
            problems.append(f"{folder}: the manifest's catalog lacks {table.name}")
            continue
        version = catalog.source.server_version
        if problem := malformed(path, table, source, version, content):
            problems.append(problem)
            continue
        files.rows[table.name] = content.rows
        if what := changed(path, table.file, content):
            files.changed[table.name] = what
    if problems:
        raise BadFileError("\n".join(problems), hint="Restore the files, or export again.")
    return files


class BesideSource:
    """Compares exported files with what PostgreSQL has now."""

    def __init__(
        self,
        files: ExportedFiles,
        source: PostgresSource,
        differences: Differences,
        *,
        depth: Depth,
        sample_rows: int,
        heed_stop: Stop,
    ) -> None:
        self._files = files
        self._source = source
        self._differences = differences
        self._depth = depth
        self._sample_rows = sample_rows
        self._heed_stop = heed_stop

    async def judge(self, table: ExportedTable, plan: TablePlan | None) -> Verdict:
        """Compare one table's file; `plan` is that of moving it now, None where that can't be."""
        made = _Made(self._files.path(table), table.name, plan.target if plan else "", EXPORT)
        if plan is None:
            return made.unfit("PostgreSQL has no such table any more, or it can't be moved")
        manifest = self._files.manifest
        version = self._source.identity.server_version
        now = exported(plan, version, manifest.format, manifest.compression)
        if others := _other_columns(table, now):
            return made.unfit(f"printed otherwise than when it was exported: {', '.join(others)}")
        keyed = plan.key.kind is not KeyKind.PHYSICAL
        by_key = keyed and set(plan.key.columns) <= {column.name for column in now.columns}
        key = plan.key.columns if by_key else ()
        keys_only = by_key and self._depth is not Depth.FULL
        if not by_key and self._depth is Depth.KEYS:
            rows = await self._source.count(plan.table, plan.where)
            return made.counted(rows, self._files.rows[table.name], self._file(table))
        sample = await self._sample(now) if keys_only and self._depth is Depth.SAMPLE else {}
        narrow = _only(now, key) if keys_only else now
        compared = _Compared(made, self._differences, key)
        wanted = self._wanted(narrow)
        with closing(Matching(key)) as pairs, closing(read_rows(made.path)) as found:
            seen = _narrowed(found, key, sample, compared.different) if keys_only else found
            async with aclosing(wanted):
                await compared.pair(pairs, wanted, seen, self._heed_stop)
        sampled = len(sample) if keys_only else None
        return compared.verdict(self._file(table), values=self._depth, sampled=sampled)

    def _file(self, table: ExportedTable) -> str:
        return self._files.changed.get(table.name, "")

    async def _wanted(self, now: Exported) -> AsyncGenerator[Sequence[Wanted]]:
        template, start = now.template, int(now.plan.key.kind is KeyKind.PHYSICAL)
        pages = self._source.read(now.plan, StepKind.ROWS, None, PageSize(PAGE_ROWS))
        async with aclosing(pages):
            async for page in pages:
                yield [
                    Wanted(orjson.loads(line), page.key_of(at)[0])
                    for at, line in enumerate(lines_of(page, template, start))
                ]

    async def _sample(self, now: Exported) -> dict[bytes, dict[str, object]]:
        """Some whole rows, by the values of their keys."""
        keys = await Keys(self._source).sample(now.plan, self._sample_rows)
        found: dict[bytes, dict[str, object]] = {}
        for page in await self._source.lookup(now.plan, keys) if keys else ():
            for line in lines_of(page, now.template, 0):
                values: dict[str, object] = orjson.loads(line)
                found[_key(values, now.plan.key.columns)] = values
        return found


async def beside_exported(
    table: TransformedTable,
    path: Path,
    ours: tuple[ExportedFiles, ExportedTable],
    made_by: tuple[TablePlan, RowMaker],
    differences: Differences,
    *,
    changed: str,
    heed_stop: Stop,
) -> Verdict:
    """Compare a transformed file with what its exported one (of `ours`) gives, all rows of it.

    Raises:
        BadFileError: a row of the exported one can't be stored.

    """
    (files, of_export), (plan, maker) = ours, made_by
    made = _Made(path, table.name, plan.target, TRANSFORMED)
    keyed = plan.key.kind is not KeyKind.PHYSICAL
    compared = _Compared(made, differences, plan.key.targets if keyed else ())
    wanted = _transformed(files.path(of_export), plan, maker)
    with closing(Matching(compared.key)) as pairs, closing(read_rows(path)) as found:
        async with aclosing(wanted):
            await compared.pair(pairs, wanted, found, heed_stop)
    return compared.verdict(changed, values=Depth.FULL, sampled=None)


async def _transformed(
    path: Path, plan: TablePlan, maker: RowMaker
) -> AsyncGenerator[Sequence[Wanted]]:
    """What an exported file's rows become."""
    names = [column.target for column in plan.columns]
    makers = tokens(plan)
    number = 0
    with closing(read_rows(path)) as rows:
        while some := list(islice(rows, PAGE_ROWS)):
            made: list[Wanted] = []
            for row in some:
                try:
                    cells = maker.cells(row)
                except (WrongRowError, BadRowsError) as error:
                    raise BadFileError(f"{path}, line {row.line}: {told(error)}.") from None
                if cells is None:
                    continue
                number += 1
                text = ",".join([make(c) for make, c in zip(makers, cells, strict=True)])
                values = dict(zip(names, orjson.loads(f"[{text}]"), strict=True))
                made.append(Wanted(values, str(number)))
            yield made
            await asyncio.sleep(0)


@frozen
class _Made:
    """What is compared: a file, its table, and between which sides."""

    path: Path
    name: QualifiedName
    target: str
    between: tuple[str, str]

    def verdict(self, checks: Sequence[Check], differences: Sequence[Difference] = ()) -> Verdict:
        return Verdict(
            str(self.name), self.target, checks, differences, self.between, str(self.path)
        )

    def unfit(self, why: str) -> Verdict:
        return self.verdict([Check("table", Status.DIFFERS, note=why)])

    def counted(self, source: int, target: int, changed: str) -> Verdict:
        return self.verdict([_file_check(changed), _count_check(source, target)])


@slotted
class _Compared:
    """One table's comparison under way."""

    made: _Made
    differences: Differences
    key: Sequence[str]
    rows: list[int] = field(default_factory=lambda: [0, 0])

    def different(self, found: Mismatch) -> None:
        """Take note of a row that differs."""
        name = str(self.made.name)
        kind = Kind(found.kind.value)
        self.differences.add(Difference(name, kind, found.key, found.columns, line=found.line))

    async def pair(
        self,
        pairs: Matching,
        wanted: AsyncGenerator[Sequence[Wanted]],
        found: Iterator[Row],
        heed_stop: Stop,
    ) -> None:
        """Bring all rows of both sides together."""
        async for some in wanted:
            heed_stop()
            for one in some:
                row = next(found, None)
                self.rows[0] += 1
                self.rows[1] += row is not None
                for mismatch in pairs.pair(one, row):
                    self.different(mismatch)
        for row in found:
            self.rows[1] += 1
            for mismatch in pairs.pair(None, row):
                self.different(mismatch)
        for mismatch in pairs.left():
            self.different(mismatch)

    def verdict(self, changed: str, *, values: Depth, sampled: int | None) -> Verdict:
        """What came of it; `sampled` rows were compared by value, None: all."""
        name = str(self.made.name)
        missing, extra, different = (
            self.differences.count(name, kind)
            for kind in (Kind.MISSING, Kind.EXTRA, Kind.DIFFERENT)
        )
        checks = [_file_check(changed), _count_check(*self.rows)]
        figures = {"missing": missing, "extra": extra}
        compared = {"compared": self.rows[0] if sampled is None else sampled}
        if not self.key:
            figures = {**compared, **figures, "different": different}
            checks.append(_check("rows", figures, differ=missing + extra + different))
        else:
            checks.append(_check("primary key", figures, differ=missing + extra))
            if values is not Depth.KEYS:
                shown = {**compared, "different": different}
                checks.append(_check("values", shown, differ=different))
        found = tuple(self.differences.of(name, most=MOST_DIFFERENCES))
        return self.made.verdict(checks, found)


def _check(name: str, figures: dict[str, int], *, differ: int) -> Check:
    return Check(name, Status.DIFFERS if differ else Status.OK, figures=figures)


def _file_check(changed: str) -> Check:
    return Check("file", Status.DIFFERS if changed else Status.OK, note=changed)


def _count_check(source: int, target: int) -> Check:
    figures = {"rows_in_source": source, "rows_in_target": target}
    return _check("record counts", figures, differ=int(source != target))


def _other_columns(then: ExportedTable, now: Exported) -> list[str]:
    """Columns that aren't printed now as they were."""
    was = {column.name: (column.form, column.sql) for column in then.columns}
    is_now = {column.name: (column.form, column.sql) for column in now.columns}
    return [name for name in {**was, **is_now} if was.get(name) != is_now.get(name)]


def _only(now: Exported, key: Sequence[str]) -> Exported:
    """The same with no columns but the key's."""
    columns = tuple(column for column in now.plan.columns if column.source in key)
    facts = tuple(column for column in now.columns if column.name in key)
    return replace(now, plan=replace(now.plan, columns=columns), columns=facts)


def _key(values: dict[str, object], key: Sequence[str]) -> bytes:
    return orjson.dumps([values.get(name) for name in key])


def _narrowed(
    rows: Iterator[Row],
    key: Sequence[str],
    sample: dict[bytes, dict[str, object]],
    tell: Callable[[Mismatch], None],
) -> Iterator[Row]:
    """The keys of a file's rows; those of the sample are compared whole, and `tell` is told."""
    with closing(Matching(key)) as pairs:
        for row in rows:
            values = dict(row.values)
            wanted = sample.get(_key(values, key)) if sample else None
            if wanted is not None:
                for mismatch in pairs.pair(Wanted(wanted, ""), row):
                    tell(mismatch)
            yield Row(row.line, {name: values[name] for name in values if name in key})
