"""Transformed files as a source: rows in the files' order, which is that of their keys.

A row's key is what D1 stores of its key columns; of a table without one it is the row's number in the
file, which becomes its row number in D1.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import NoReturn

from streamer import limits
from streamer.errors import BadFileError
from streamer.files.cells import WrongRowError, told
from streamer.files.checks import changed
from streamer.files.manifest import TransformedTable, TransformManifest, catalog_of, table_path
from streamer.files.opening import Content, Steady, unheard
from streamer.files.reading import Row, read_rows
from streamer.files.sizes import Sizes
from streamer.files.stored import stored_cells
from streamer.frozen import frozen
from streamer.model import (
    Answered,
    Catalog,
    Key,
    KeyKind,
    Measure,
    Page,
    PageSize,
    QualifiedName,
    Question,
    Shaping,
    SourceIdentity,
    StepKind,
    Table,
    TablePlan,
    Wire,
)
from streamer.model.plan import OwnSql
from streamer.postgres import SnapshotInfo

MOST_PROBLEMS = 20
_LONG = limits.VALUE_BYTES // 8  # characters; what is shorter can't be too long for D1
_CELL_BYTES = 9  # of a record's header, and of a number


@frozen
class File:
    """A table's file, and what holds it to what it was when it was looked through."""

    table: TransformedTable
    path: Path
    steady: Steady


@frozen
class Looked:
    """What was found of files that hold rows of their tables: a digest of all, what each one's rows
    are like, why a file isn't what was written, where it isn't, and what holds each to what was found.
    """

    digest: str
    measures: Mapping[QualifiedName, Measure]
    changed: Mapping[QualifiedName, str]
    steady: Mapping[QualifiedName, Steady]

    @property
    def rows(self) -> Mapping[QualifiedName, int]:
        """How many each file has."""
        return {name: measure.rows for name, measure in self.measures.items()}


def checked(
    folder: Path,
    manifest: TransformManifest,
    *,
    edited: bool,
    heed: Callable[[], None],
    tell: Callable[[int], None] = unheard,
) -> Looked:
    """Read every file to its end.

    `edited`: they may be others than those that were written. `heed` is called with every block: what
    it raises ends this. `tell` is told how many bytes each has.

    Raises:
        BadFileError: with everything that is wrong, a line each.

    """
    looked = look_through(folder, manifest, heed, tell, careful=edited)
    if looked.changed and not edited:
        _refuse(
            [f"{what}; --edited takes the files as they are" for what in looked.changed.values()]
        )
    return looked


def look_through(
    folder: Path,
    manifest: TransformManifest,
    heed: Callable[[], None] = lambda: None,
    tell: Callable[[int], None] = unheard,
    *,
    careful: bool = True,
) -> Looked:
    """Read every file to its end; `heed` and `tell` as for `checked`, `careful` is `read_rows`'s.

    Raises:
        BadFileError: one holds something else than rows of its table, a line each.

    """
    problems: list[str] = []
    digest = hashlib.sha256()
    measures: dict[QualifiedName, Measure] = {}
    others: dict[QualifiedName, str] = {}
    steady = {table.name: Steady() for table in manifest.tables}
    for table in manifest.tables:
        content = Content(heed, tell)
        sizes = Sizes(table.columns)
        file = File(table, table_path(folder, table.file), steady[table.name])
        problems += _problems(file, content, sizes, careful=careful)
        if len(problems) >= MOST_PROBLEMS:
            break
        measures[table.name] = sizes.measure()
        if what := changed(file.path, table.file, content):
            others[table.name] = what
        digest.update(f"{table.name}\0{content.sha256}\0".encode())
    if problems:
        _refuse(problems)
    return Looked(digest.hexdigest(), measures, others, steady)


def _refuse(problems: Sequence[str]) -> NoReturn:
    raise BadFileError(
        "\n".join(problems[:MOST_PROBLEMS]),
        hint="Mend the files and take them with --edited, or make them again; nothing was sent.",
    )


def _problems(file: File, content: Content, sizes: Sizes, *, careful: bool) -> list[str]:
    found: list[str] = []
    table = file.table
    try:
        for row in read_rows(file.path, content, careful=careful, steady=file.steady):
            try:
                cells = stored_cells(table.columns, row)
                _refuse_null_and_oversized(table, cells, sizes.add(cells))
            except WrongRowError as error:
                found.append(f"{file.path}, line {row.line}: {told(error)}")
                if len(found) >= MOST_PROBLEMS:
                    break
    except BadFileError as error:
        found.append(error.what)
    return found


def _refuse_null_and_oversized(
    table: TransformedTable, cells: Sequence[str | None], characters: int
) -> None:
    for column, cell in zip(table.columns, cells, strict=True):
        if cell is None and column.not_null:
            raise WrongRowError(column.name, "it is null, and the column is NOT NULL")
    if characters > _LONG:
        size = sum(
            _CELL_BYTES if cell is None else _CELL_BYTES + _bytes(cell, column.wire)
            for column, cell in zip(table.columns, cells, strict=True)
        )
        if size - _CELL_BYTES * len(cells) > limits.VALUE_BYTES:
            raise WrongRowError("", f"it takes {size:,} bytes, and D1 takes {limits.VALUE_BYTES:,}")


def _bytes(cell: str, wire: Wire) -> int:
    return len(cell) // 2 if wire is Wire.HEX else len(cell.encode())


class FilesSource:
    """A folder of transformed files, as they were when they were looked through.

    `identity` is that of the database that they come from, with the digest of all that they hold.
    """

    def __init__(self, folder: Path, manifest: TransformManifest, looked: Looked) -> None:
        self._manifest = manifest
        self._files = {
            table.name: File(table, table_path(folder, table.file), looked.steady[table.name])
            for table in manifest.tables
        }
        source = manifest.origin.catalog.source
        self.identity: SourceIdentity = replace(source, files=looked.digest)

    @property
    def snapshots(self) -> tuple[SnapshotInfo, ...]:
        """The snapshots that the rows were read in when they were exported."""
        taken = self._manifest.origin.snapshots
        return tuple(
            SnapshotInfo(s.number, "", s.lsn, datetime.fromisoformat(s.taken_at), "") for s in taken
        )

    async def begin(self) -> SnapshotInfo | None:
        """There is nothing to hold: one that doesn't stay as it is is refused when it is read."""
        return None

    def rest(self) -> None:
        """There is no connection: each file is closed when it is read."""

    def read_ahead(self, tables: Sequence[TablePlan]) -> None:
        """Files are quick to open: they wait."""

    async def catalog(self) -> Catalog:
        """The catalog as it was when they were exported, and their rows."""
        return catalog_of(self._manifest)

    async def own_sql(self, shaping: Shaping, catalog: Catalog) -> OwnSql:
        """The types that expressions had then; what else there was to say was said then."""
        del shaping, catalog
        return OwnSql(types=self._manifest.origin.types_of_expressions)

    async def answer(
        self, questions: Sequence[Question], tables: Sequence[TablePlan]
    ) -> list[Answered]:
        """Nothing: all questions were asked when the tables were exported."""
        del questions, tables
        return []

    async def read(
        self,
        plan: TablePlan,
        kind: StepKind,
        after: Key | None,
        page_size: PageSize,
        upto: Key | None = None,
    ) -> AsyncGenerator[Page]:
        """Yield every row behind `after` (and up to the key `upto`), in the file's order.

        Raises:
            BadFileError: the file changed since it was looked through.

        """
        way = _Way.of(plan, kind, self._files[plan.name].table)
        snapshot = max(way.table.snapshots, default=0)
        with closing(self._records(plan, way)) as records:
            if after is not None and not await _skipped(records, way, after):
                raise self._moved(plan)
            wanted = records if upto is None else _up_to(records, way, upto)
            while page := _page(wanted, max(1, page_size.rows)):
                yield Page(page, way.width, way.key_cells, snapshot=snapshot)
                await asyncio.sleep(0)

    async def lookup(self, plan: TablePlan, keys: Sequence[Key]) -> list[Page]:
        """The rows that have these keys; the file is read to its end.

        Raises:
            BadFileError: as `read` does.

        """
        way = _Way.of(plan, StepKind.ROWS, self._files[plan.name].table)
        wanted, found = frozenset(keys), list[_Record]()
        with closing(self._records(plan, way)) as records:
            while page := list(islice(records, _LOOK_ROWS)):
                found += [record for record in page if way.key_of(record) in wanted]
                await asyncio.sleep(0)
        snapshot = max(way.table.snapshots, default=0)
        return [Page(found, way.width, way.key_cells, snapshot=snapshot)] if found else []

    def number_leaves(self, table: Table, known: Mapping[int, int] | None = None) -> dict[int, int]:
        """A file has no leaves."""
        del table
        return dict(known or {})

    async def physical_unchanged(
        self, table: Table, key: Key, rows_read: int, recorded_snapshot: str, *, where: str = ""
    ) -> bool:
        """Whether rows are still where they were read: the digest says so before anything is done."""
        del table, key, rows_read, recorded_snapshot, where
        return True

    def _records(self, plan: TablePlan, way: _Way) -> Generator[_Record]:
        file = self._files[plan.name]
        rows = read_rows(file.path, careful=False, steady=file.steady)
        for number, row in enumerate(rows, 1):
            try:
                record = way.record(row, number)
            except WrongRowError as error:
                raise BadFileError(f"{file.path}, line {row.line}: {told(error)}.") from None
            if record is not None:
                yield record

    def _moved(self, plan: TablePlan) -> BadFileError:
        return BadFileError(
            f"{self._files[plan.name].path}: the row to go on behind isn't there: the file changed.",
            hint="Put the file back as it was, or start over with --restart.",
        )


_Record = list[str | None]
_LOOK_ROWS = 1_000
_PAGE_CHARACTERS = 4_000_000


def _page(records: Iterator[_Record], most_rows: int) -> list[_Record]:
    """The next rows: fewer, where these are long."""
    page: list[_Record] = []
    length = 0
    for record in islice(records, most_rows):
        page.append(record)
        length += sum([len(cell) for cell in record if cell is not None])
        if length > _PAGE_CHARACTERS:
            break
    return page


def _up_to(records: Iterator[_Record], way: _Way, last: Key) -> Iterator[_Record]:
    for record in records:
        yield record
        if way.key_of(record) == last:
            return


async def _skipped(records: Iterator[_Record], way: _Way, after: Key) -> bool:
    """Pass over all records up to the one with the key `after`; whether there is one."""
    for number, record in enumerate(records):
        if way.key_of(record) == after:
            return True
        if number % _LOOK_ROWS == 0:
            await asyncio.sleep(0)
    return False


@frozen
class _Way:
    """What a page's records hold: `places` of the file's cells, with the row's number before them
    where that is the key; `set_ones` are cells of which one must not be NULL, where there are any.
    """

    table: TransformedTable
    places: tuple[int, ...]
    numbered: bool
    width: int
    key_cells: tuple[int, ...]
    set_ones: tuple[int, ...]

    @classmethod
    def of(cls, plan: TablePlan, kind: StepKind, table: TransformedTable) -> _Way:
        names = [column.name for column in table.columns]
        numbered = plan.key.kind is KeyKind.PHYSICAL
        keys = () if numbered else plan.key.targets
        if kind is StepKind.ROWS:
            stored = [column.target for column in plan.columns]
        else:
            stored = [*keys, *plan.deferred]
        cells = [*stored, *(name for name in keys if name not in stored)]
        first = int(numbered)
        edges = kind is StepKind.EDGES and not plan.null_edges
        return cls(
            table=table,
            places=tuple(names.index(name) for name in cells),
            numbered=numbered,
            width=first + len(stored),
            key_cells=(0,) if numbered else tuple(cells.index(name) for name in keys),
            set_ones=tuple(first + stored.index(n) for n in plan.deferred) if edges else (),
        )

    def record(self, row: Row, number: int) -> _Record | None:
        """A row's record; None where the step has nothing to do with it."""
        cells = stored_cells(self.table.columns, row)
        record: _Record = [cells[place] for place in self.places]
        if self.numbered:
            record.insert(0, str(number))
        if self.set_ones and all(record[place] is None for place in self.set_ones):
            return None
        return record

    def key_of(self, record: _Record) -> Key:
        return tuple([str(record[cell]) for cell in self.key_cells])
