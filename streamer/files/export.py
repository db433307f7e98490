"""Exports tables: each into a file of its own, several side by side, all in one snapshot.

What is durable in a file is written down with the key behind which it goes on. So an export that
ends at any moment goes on from there, in a newer snapshot.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Generator, Mapping, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import orjson

from streamer.files.manifest import ExportedColumn, ExportedTable, FileFacts, Snapshot
from streamer.files.names import Compression, Format, file_name
from streamer.files.state import ExportState, Position
from streamer.files.values import Form, token_sql
from streamer.files.writing import TableWriter
from streamer.frozen import frozen
from streamer.model import (
    ColumnPlan,
    Key,
    KeyKind,
    Page,
    PageSize,
    StepKind,
    Storage,
    TablePlan,
    TypeOptions,
    Wire,
)
from streamer.model.sql import quote_identifier
from streamer.model.words import counted
from streamer.progress import utc
from streamer.translate.types import Mapping as TypeMapping
from streamer.translate.types import map_type

if TYPE_CHECKING:
    from checkpoints import JSON
    from streamer.errors import InterruptedRunError
    from streamer.postgres import SnapshotInfo

TABLES_AT_ONCE = 4
SETTLE_BYTES = 16 * 1024 * 1024
PAGE_ROWS = 500


class Source(Protocol):
    """Reads tables in key order."""

    @property
    def snapshots(self) -> Sequence[SnapshotInfo]:
        """Every snapshot read in so far; Page.snapshot is an index into it."""
        ...

    def read(
        self, plan: TablePlan, kind: StepKind, after: Key | None, page_size: PageSize
    ) -> AsyncGenerator[Page]:
        """Yield every row behind `after`, each once, in key order."""
        ...


@frozen
class Exported:
    """How a table is exported: its plan with the columns' values as JSON tokens, and their forms."""

    plan: TablePlan
    columns: tuple[ExportedColumn, ...]
    file: str

    @property
    def facts(self) -> dict[str, JSON]:
        """What must be the same where an export goes on."""
        return {
            "fingerprint": self.plan.fingerprint,
            "file": self.file,
            "forms": [[c.name, c.form.value, c.sql] for c in self.columns],
        }

    @property
    def template(self) -> str:
        """A row's line, with a place for each token."""
        names = [orjson.dumps(column.name).decode() for column in self.columns]
        return "{" + ",".join(f"{name.replace('%', '%%')}:%s" for name in names) + "}"


def exported(
    table: TablePlan, server_version: int, form: Format, compression: Compression
) -> Exported:
    """How `table` is exported: all its columns, those that D1 computes too."""
    written = {column.source: column for column in table.columns}
    columns: list[ColumnPlan] = []
    facts: list[ExportedColumn] = []
    for column in table.table.columns:
        plan = written.get(column.name) or _plain(column.name, table, server_version)
        how, token = token_sql(plan, column.type, server_version)
        columns.append(replace(plan, read_sql=token, exact_sql=False, wire=Wire.TEXT))
        facts.append(
            ExportedColumn(
                name=column.name,
                type=column.type.formatted,
                form=how,
                sql=plan.read_sql if how is Form.CELL else "",
            )
        )
    return Exported(
        plan=replace(table, columns=tuple(columns), transform=""),
        columns=tuple(facts),
        file=file_name(table.name, form, compression),
    )


def _plain(name: str, table: TablePlan, server_version: int) -> ColumnPlan:
    """A column that D1 computes by itself, as it would be read."""
    column = table.table.column(name)
    mapped = map_type(column.type, TypeOptions(), server_version=server_version)
    assert isinstance(mapped, TypeMapping), "a table with such a column can't be moved"
    return ColumnPlan(
        source=name,
        target=name,
        storage=Storage.TEXT,
        wire=Wire.TEXT,
        read_sql=mapped.read_sql(f"t.{quote_identifier(name)}"),
        type_name=column.type.formatted,
        not_null=False,
    )


class Exporter:
    """Writes the files of tables; `state` knows how far each is.

    `say` is told of each table. Once `stop` is set, what was read is made durable and nothing more
    is read.
    """

    def __init__(
        self,
        folder: Path,
        source: Source,
        state: ExportState,
        *,
        form: Format,
        compression: Compression,
        rolling: bool,
        say: Callable[[str], None],
        stop: asyncio.Event,
    ) -> None:
        self._folder = folder
        self._source = source
        self._state = state
        self._form = form
        self._compression = compression
        self._rolling = rolling
        self._say = say
        self._stop = stop
        self._known = state.snapshots
        self._numbers: dict[int, int] = {}
        self._begun: set[str] = set()
        self._saving = asyncio.Lock()
        self._busy = 0
        self._idle = asyncio.Event()
        self.rows = 0
        self.done = 0

    async def export(self, tables: Sequence[Exported]) -> None:
        """Write all files, unless it is stopped; those that are whole already stay as they are.

        Raises:
            StreamerError: a file can't be written, or the source can't be read.

        """
        places = asyncio.Semaphore(TABLES_AT_ONCE)

        async def one(table: Exported) -> None:
            async with places:
                if not self._stop.is_set():
                    await self._table(table)

        async with asyncio.TaskGroup() as group:
            for table in tables:
                group.create_task(one(table))

    def stop_sending(self, why: InterruptedRunError) -> None:
        """Nothing: every table sees for itself that it is to stop, when its next page comes."""

    async def quiet(self) -> None:
        """Return once nothing that was read is on its way into a file."""
        while self._busy:
            self._idle.clear()
            await self._idle.wait()

    @contextmanager
    def _writing(self) -> Generator[None]:
        self._busy += 1
        try:
            yield
        finally:
            self._busy -= 1
            self._idle.set()

    def result(self, table: Exported) -> ExportedTable:
        """What came of a table that is whole."""
        at = self._state.position(str(table.plan.name))
        assert at.done is not None
        return ExportedTable(
            name=table.plan.name,
            file=at.done,
            columns=table.columns,
            key=table.plan.key.columns,
            snapshots=at.snapshots,
        )

    def began(self, table: Exported) -> bool:
        """Whether a table was read from its first row on, and not by an earlier start, be it in part."""
        return str(table.plan.name) in self._begun

    @property
    def snapshots(self) -> tuple[Snapshot, ...]:
        """The snapshots that were read in."""
        return tuple(self._known)

    async def _table(self, table: Exported) -> None:
        name = str(table.plan.name)
        at = self._state.position(name)
        path = self._folder / table.file
        if at.done is not None and path.is_file():
            self.done += 1
            return
        writer = TableWriter(path, self._form, self._compression)
        started = time.monotonic()
        at = await self._start(table, writer, at)
        try:
            at = await self._rows(table, writer, at, started)
            if not self._stop.is_set():
                written = await asyncio.to_thread(writer.finish)
                facts = FileFacts(table.file, written.rows, written.bytes, written.sha256)
                at = replace(at, done=facts, seconds=at.seconds + time.monotonic() - started)
                await self._save(name, at)
                self.done += 1
                self._say(f"{name}: {counted(written.rows, 'row')} in {table.file}")
        finally:
            writer.close()

    async def _start(self, table: Exported, writer: TableWriter, at: Position) -> Position:
        """Open a table's file: behind what is durable of it, or at the beginning."""
        by_key = table.plan.key.kind is not KeyKind.PHYSICAL
        if by_key and at.last is not None and at.done is None:
            if await asyncio.to_thread(writer.go_on, rows=at.rows, size=at.size):
                self._say(f"{table.plan.name}: going on behind {counted(at.rows, 'row')}")
                self.rows += at.rows
                return at
            self._say(f"{table.plan.name}: its file isn't as it was left; it starts over")
        writer.begin()
        self._begun.add(str(table.plan.name))
        return Position()

    async def _rows(
        self, table: Exported, writer: TableWriter, at: Position, started: float
    ) -> Position:
        """Write the rows that are still to come; where the table is then."""
        template, start = table.template, int(table.plan.key.kind is KeyKind.PHYSICAL)
        spent, last, seen, unsettled = at.seconds, at.last, set(at.snapshots), 0
        pages = self._source.read(table.plan, StepKind.ROWS, at.last, PageSize(PAGE_ROWS))

        async def settled() -> Position:
            now = Position(
                last=last,
                rows=writer.rows,
                size=await asyncio.to_thread(writer.settle),
                snapshots=tuple(sorted(seen)),
                seconds=spent + time.monotonic() - started,
            )
            await self._save(str(table.plan.name), now)
            return now

        async with aclosing(pages):
            async for page in pages:
                with self._writing():
                    lines = lines_of(page, template, start)
                    writer.write(lines)
                    self.rows += len(lines)
                    unsettled += sum(map(len, lines))
                    seen.add(self._number(page.snapshot))
                    last = page.last
                    if unsettled >= SETTLE_BYTES or self._stop.is_set():
                        at = await settled()
                        unsettled = 0
                    if self._stop.is_set():
                        return at
        return Position(last, writer.rows, 0, tuple(sorted(seen)), None, spent)

    def _number(self, snapshot: int) -> int:
        """A snapshot's number over all starts; with rolling consistency those of one start are one."""
        known = 0 if self._rolling else snapshot
        if known not in self._numbers:
            info = self._source.snapshots[snapshot]
            self._numbers[known] = len(self._known)
            self._known.append(Snapshot(len(self._known), info.lsn, utc(info.taken_at)))
        return self._numbers[known]

    async def _save(self, table: str, at: Position) -> None:
        async with self._saving:
            await self._state.save(table, at, self._known)


def lines_of(page: Page, template: str, start: int) -> list[str]:
    """The rows of a page as lines; cells before `start` aren't the table's."""
    width = page.width
    return [
        template % tuple(["null" if token is None else token for token in record[start:width]])
        for record in page.records
    ]


def differing(then: Mapping[str, Mapping[str, JSON]], tables: Sequence[Exported]) -> list[str]:
    """Tables that aren't now what they were when the export began, as sentences."""
    now = {str(table.plan.name): table.facts for table in tables}
    said = [f"{name} is to be exported, and wasn't before" for name in now if name not in then]
    for name, facts in then.items():
        if name not in now:
            said.append(f"{name} isn't selected, or not there, now")
        elif any(facts.get(fact) != value for fact, value in now[name].items()):
            said.append(f"{name} or what is asked of it changed")
    return said
