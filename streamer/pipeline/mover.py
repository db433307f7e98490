"""The way of the data: pages become chunks, chunks share batches, batches are sent and recorded.

    reader ─▶ pack ─▶ builder ═▶ queue ═▶ uploaders ─▶ watermark ─▶ recorder

Readers run one a table, uploaders several; the byte budget between them bounds memory over all of
it. A table's position moves only over the contiguous prefix of acknowledged chunks.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import ParamSpec, Protocol

from streamer import limits
from streamer.errors import BadRowsError, InterruptedRunError
from streamer.frozen import frozen
from streamer.model import (
    Answer,
    Batch,
    Chunk,
    Key,
    KeyKind,
    Page,
    PageSize,
    Reject,
    StepKind,
    TablePlan,
)
from streamer.pack import (
    Oversized,
    adjust_page,
    chunk_share,
    chunks_in_batch,
    pack_page,
    sift,
    with_rejects,
)
from streamer.pipeline.budget import ByteBudget
from streamer.pipeline.load import Load
from streamer.pipeline.outbox import Outbox
from streamer.pipeline.recorder import Recorder
from streamer.plan import estimated_rows

P = ParamSpec("P")

DRAIN_S = 25.0  # how long requests in flight may take to end after a signal


class Source(Protocol):
    """Reads a table in key order."""

    def read(
        self, plan: TablePlan, kind: StepKind, after: Key | None, page_size: PageSize
    ) -> AsyncGenerator[Page]:
        """Yield every row behind `after`, each once, in key order.

        A page may be left with fewer rows than were read for it, even with none.
        """
        ...


class Sink(Protocol):
    """Makes batches durable; writing one twice leaves what writing it once leaves."""

    @property
    def batch_bytes(self) -> int:
        """How large a request body should be now."""
        ...

    @property
    def concurrency(self) -> int:
        """How many requests are useful at once now."""
        ...

    async def write(self, batch: Batch) -> Answer:
        """Return only when `batch` is durable."""
        ...


class Observer(Protocol):
    """Is told what happens, cheaply and without waiting."""

    def table_started(self, table: str, rows_estimate: int) -> None:
        """A table's reader starts."""
        ...

    def page_read(self, table: str, rows: int) -> None:
        """Rows came from the source."""
        ...

    def chunk_written(self, table: str, rows: int, sent_bytes: int) -> None:
        """Rows are durable in the target."""
        ...

    def rows_skipped(self, table: str, rows: int) -> None:
        """Rows that were read were left out, or gone from the source when they were to be written."""
        ...

    def rows_rejected(self, table: str, rows: int, *, written: bool = False) -> None:
        """D1 will never take rows that were read; with `written`, they counted as written before."""
        ...

    def request_answered(self, tables: Sequence[str], answer: Answer) -> None:
        """A batch of these tables was acknowledged."""
        ...

    def table_finished(self, table: str) -> None:
        """All of a table's rows are durable."""
        ...


@frozen
class Limits:
    """The sizes that shape the flow; all at least 1."""

    batch_statements: int = limits.BATCH_STATEMENTS - 1
    chunk_bytes: int = limits.CHUNK_BYTES
    memory_bytes: int = limits.MEMORY_BYTES
    uploaders: int = 16


SetAside = Callable[[Load, Page, Sequence[Oversized]], Awaitable[list[Reject]]]
"""Writes rows of a page down durably; what the checkpoint is to know of each, in their order."""


class Mover:
    """Moves loads from a source to a sink; setting `stop` ends that early and cleanly.

    Rows that D1 has no room for are `set_aside`; without that they end it. When a part fails, nothing
    new begins: `send_no_more` is called, after which the sink lets only requests in flight end.
    """

    def __init__(
        self,
        *,
        source: Source,
        sink: Sink,
        recorder: Recorder,
        observer: Observer,
        sizes: Limits,
        stop: asyncio.Event,
        set_aside: SetAside | None = None,
        send_no_more: Callable[[], None] = lambda: None,
    ) -> None:
        self._source = source
        self._sink = sink
        self._recorder = recorder
        self._observer = observer
        self._sizes = sizes
        self._budget = ByteBudget(sizes.memory_bytes)
        self._outbox = Outbox(lambda: sink.batch_bytes, sizes.batch_statements)
        self._reading = 0
        self._places = asyncio.Semaphore(limits.READERS)
        self._loads: dict[int, Load] = {}
        self._stop = stop
        self._halted = asyncio.Event()
        self._failures: list[Exception] = []
        self._send_no_more = send_no_more
        self._set_aside = set_aside
        self._closing = False

    async def move(self, loads: Sequence[Load]) -> bool:
        """Move all loads; True if they are done, False if stopped before that.

        Once `stop` is set no new request starts, and those in flight are waited for and recorded.
        The same goes where a part fails, be it that the checkpoint can't be written: what failed comes
        out then, in an exception group.
        Whatever was acknowledged is in the checkpoint in every case in which it can be written.
        """
        self._loads = {load.step: load for load in loads}
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._part(self._recorder.run), name="recorder")
                readers = [group.create_task(self._part(self._read, load)) for load in loads]
                uploaders = [
                    group.create_task(self._part(self._upload), name=f"uploader-{number}")
                    for number in range(self._sizes.uploaders)
                ]
                await self._until_done_or_stopped(loads)
                for reader in readers:
                    reader.cancel()
                await self._end(uploaders)
                self._recorder.end()
        finally:
            self._outbox.stop_lingering()
            await self._part(self._recorder.flush)
        if self._failures:
            raise ExceptionGroup("parts of the move failed", self._failures)
        return all(load.done.is_set() for load in loads)

    async def _until_done_or_stopped(self, loads: Sequence[Load]) -> None:
        async def all_done() -> None:
            for load in loads:
                await load.done.wait()

        done = asyncio.create_task(all_done())
        stopped = asyncio.create_task(self._stop.wait())
        halted = asyncio.create_task(self._halted.wait())
        try:
            await asyncio.wait({done, stopped, halted}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for waiting in (done, stopped, halted):
                waiting.cancel()

    async def _part(
        self, work: Callable[P, Awaitable[None]], *args: P.args, **more: P.kwargs
    ) -> None:
        """Do `work`; where it fails, let nothing new begin: what is in flight ends first."""
        try:
            await work(*args, **more)
        except Exception as error:  # noqa: BLE001 - it is raised by `move`, once the others have ended
            if not self._failures:
                self._send_no_more()
            self._failures.append(error)
            self._halted.set()

    async def _end(self, uploaders: Sequence[asyncio.Task[None]]) -> None:
        """Let requests in flight end, but not for longer than a drain may take."""
        self._closing = True
        self._outbox.close(len(uploaders))
        _, late = await asyncio.wait(uploaders, timeout=DRAIN_S)
        for uploader in late:
            uploader.cancel()

    async def _read(self, load: Load) -> None:
        if load.done.is_set():
            return
        for parent in load.after_loads:
            await parent.done.wait()
            if parent.plan.key.kind is KeyKind.PHYSICAL and not parent.written_down.is_set():
                with self._recorder.hurrying():
                    await parent.written_down.wait()
        async with self._places:
            self._reading += 1
            try:
                await self._read_pages(load)
            finally:
                self._reading -= 1
                if self._reading == 0:
                    self._outbox.flush()

    async def _read_pages(self, load: Load) -> None:
        if load.kind is StepKind.ROWS:
            plan = load.plan
            expected = estimated_rows(plan.table, plan.columns)
            self._observer.table_started(load.name, expected)
        pages = self._source.read(load.plan, load.kind, load.read_after, load.page_size)
        async with aclosing(pages):
            async for page in pages:
                await self._take(load, page)
        load.end_of_rows()
        if load.done.is_set():
            self._finished(load)

    async def _take(self, load: Load, page: Page) -> None:
        if load.kind is StepKind.ROWS:
            self._observer.page_read(load.name, page.rows_read)
        try:
            chunks = self._packed(load, page)
        except BadRowsError:
            if self._set_aside is None:
                raise
            fitting, oversized = sift(load.layout, page)
            rejects = await self._set_aside(load, page, oversized)
            chunks = with_rejects(self._packed(load, fitting), oversized, rejects)
        self._adjust(load, page, chunks)
        for chunk in chunks:
            await self._submit(load, chunk)

    def _packed(self, load: Load, page: Page) -> list[Chunk]:
        return pack_page(
            load.layout,
            page,
            step=load.step,
            number=load.produced,
            after=load.read_after,
            max_statements=self._sizes.batch_statements,
            chunk_bytes=self._chunk_bytes(),
        )

    def _adjust(self, load: Load, page: Page, chunks: Sequence[Chunk]) -> None:
        adjust_page(
            load.page_size,
            rows=page.rows_read,
            packed_bytes=sum(chunk.bytes for chunk in chunks),
            target_bytes=self._chunk_bytes(),
        )

    async def _submit(self, load: Load, chunk: Chunk) -> None:
        window = self._window()
        if load.unrecorded >= window or not self._budget.fits(chunk.bytes):
            with self._outbox.holding_up(), self._recorder.hurrying():
                await load.room(window)
                await self._budget.take(chunk.bytes)
        else:
            await self._budget.take(chunk.bytes)
        load.produced = chunk.number + 1
        load.read_after = chunk.last
        self._outbox.put(chunk)

    def _chunks_in_batch(self) -> int:
        return chunks_in_batch(self._sink.batch_bytes, self._sizes.chunk_bytes)

    def _chunk_bytes(self) -> int:
        return chunk_share(self._sink.batch_bytes, self._sizes.chunk_bytes)

    def _window(self) -> int:
        """Chunks of one table that may be unrecorded: 4 batches a useful request."""
        return 4 * self._sink.concurrency * self._chunks_in_batch()

    async def _upload(self) -> None:
        while (batch := await self._outbox.take()) is not None and not self._closing:
            try:
                answer = await self._sink.write(batch)
            except InterruptedRunError:
                if not (self._stop.is_set() or self._failures):
                    raise
                return  # it wasn't sent, or not answered; others in flight may yet be
            self._acknowledge(batch, answer)
            del batch  # who waits for the next one would keep it: megabytes, for each idle uploader

    def _acknowledge(self, batch: Batch, answer: Answer) -> None:
        names = dict.fromkeys(self._loads[chunk.step].name for chunk in batch.chunks)
        self._observer.request_answered(tuple(names), answer)
        for sent in batch.chunks:
            load = self._loads[sent.step]
            self._budget.give(sent.bytes)
            chunk = _written(sent, answer)
            if load.kind is StepKind.ROWS:
                self._observer.chunk_written(load.name, chunk.rows, chunk.bytes)
                if skipped := chunk.gone + chunk.skipped:
                    self._observer.rows_skipped(load.name, skipped)
            if chunk.rejected:
                self._observer.rows_rejected(
                    load.name, len(chunk.rejected), written=load.kind is not StepKind.ROWS
                )
            if load.acknowledge(chunk):
                self._recorder.moved(load)
            if load.done.is_set():
                self._finished(load)
        self._outbox.sent()

    def _finished(self, load: Load) -> None:
        self._recorder.moved(load)
        if load.kind is StepKind.ROWS:
            self._observer.table_finished(load.name)


def _written(chunk: Chunk, answer: Answer) -> Chunk:
    """What of `chunk` is in the target."""
    gone = answer.gone.get((chunk.step, chunk.number), 0)
    rejected = answer.rejected.get((chunk.step, chunk.number), ())
    if not (gone or rejected):
        return chunk
    return replace(
        chunk,
        rows=chunk.rows - gone - len(rejected),
        gone=gone,
        rejected=(*chunk.rejected, *rejected),
    )
