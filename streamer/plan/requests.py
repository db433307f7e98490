"""How many requests rows will take: what a run does with them, done with their sizes alone (pure).

Pages grow, are cut into chunks and share batches by the same functions as in a run. What a run's
clock decides is left: that requests are answered soon enough to grow, and which reader is the next.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import cycle
from typing import Self

from streamer import limits
from streamer.config import Config
from streamer.errors import RefusedError
from streamer.frozen import frozen
from streamer.model import (
    Chunk,
    KeyKind,
    Loading,
    Measure,
    Pack,
    PageSize,
    QualifiedName,
    Statement,
    StepId,
    StepKind,
    TablePlan,
)
from streamer.pack import (
    BatchBuilder,
    BatchBytes,
    Layout,
    adjust_page,
    chunk_share,
    cut_evenly,
)

_AHEAD = 4  # batches that are made before the first of them is acknowledged: three leave at once
_PLAYED_REQUESTS = 1_000  # beyond them, all goes on as it went last
_SECOND_PASS_BYTES = 30  # a key and a reference
_POSITION_BYTES = 12  # of a row without a key
_KEY_BYTES = 10  # of a key's column that nobody measured
_NO_SQL = Statement.of("")


@frozen
class Packing:
    """Which settings say how rows are packed; `batch_bytes` None: what a run finds by itself.

    `batch_size` counts the statements of a request that carry rows.
    """

    batch_bytes: int | None = None
    batch_size: int = limits.BATCH_STATEMENTS
    pack: Pack = Pack.AUTO

    @classmethod
    def of(cls, config: Config) -> Self:
        """What the settings say."""
        return cls(config.pacing.batch_bytes, config.run.batch_size, config.run.pack)


AUTOMATIC = Packing()


@frozen
class Stream:
    """Rows that one reader reads: how many, and the bytes of a request's body that one takes on average.

    `bodies` are those of some of them, in the order in which all will come; empty: all are alike. A
    statement takes `frame_bytes` beside its rows, and has `statement_rows` of them at most (None: no
    limit). `key_bytes` is how long a key is.
    """

    rows: int
    row_bytes: float
    frame_bytes: int = 0
    key_bytes: int = 0
    bodies: Sequence[int] = ()
    statement_rows: int | None = None

    @property
    def bytes(self) -> float:
        """Of all rows."""
        return self.rows * self.row_bytes


def row_requests(seen: Sequence[tuple[TablePlan, Measure]], packing: Packing) -> list[int]:
    """How many requests carry the rows of all tables, which are `seen` in load order: of each level.

    A level's first request waits for the answer to the last one of the level before.
    """
    return [requests(together, packing) for together in _levels(seen, packing)]


def _levels(
    seen: Sequence[tuple[TablePlan, Measure]], packing: Packing
) -> Sequence[Sequence[Stream]]:
    """The rows of all tables, those together that can share requests.

    Children wait for their parents' last request, and a second pass for its table's.
    """
    level: dict[QualifiedName, int] = {}
    found: dict[int, list[Stream]] = {}
    for table, measure in seen:
        at = 1 + max((level.get(parent, -1) for parent in table.parents), default=-1)
        level[table.name] = at
        if measure.rows:
            found.setdefault(at, []).append(_stream(table, measure, packing))
        if measure.rows and table.loading is Loading.TWO_PASS:
            found.setdefault(at + 1, []).append(Stream(measure.rows, _SECOND_PASS_BYTES))
    return [*found.values()]


def _stream(table: TablePlan, measure: Measure, packing: Packing) -> Stream:
    stored = dict(
        zip((column.target for column in table.columns), measure.stored_bytes, strict=False)
    )
    position = _POSITION_BYTES if table.key.kind is KeyKind.PHYSICAL else 0
    stream = Stream(
        rows=measure.rows,
        row_bytes=measure.body_bytes + position,
        key_bytes=round(sum(stored.get(name, _KEY_BYTES) for name in table.key.targets)),
        bodies=measure.bodies,
    )
    try:
        layout = Layout.of(table, StepKind.ROWS, packing.pack, into_stage=bool(table.stage))
    except RefusedError:
        return stream  # it won't move, which is said elsewhere
    if layout.form is Pack.JSON:
        return replace(stream, frame_bytes=Statement(layout.json_sql, b"").bytes + 1)
    rows = layout.rows_per_statement
    one, all_ = (len(layout.values_statement(number)) for number in (1, rows))
    sql_bytes = (all_ - one) / max(1, rows - 1)  # of each row but the first
    return replace(
        stream,
        frame_bytes=Statement.of(layout.values_statement(1)).bytes + 1 - round(sql_bytes),
        row_bytes=stream.row_bytes + sql_bytes,
        bodies=(),
        statement_rows=rows,
    )


def requests(together: Sequence[Stream], packing: Packing) -> int:
    """How many requests carry these rows, which nothing keeps from sharing them."""
    whole = sum(stream.bytes for stream in together)
    most = _PLAYED_REQUESTS * min((_full(stream, packing) for stream in together), default=0)
    if whole <= most:
        return _Play(packing).carry_out(together)
    half, played = (
        _Play(packing).carry_out([_shortened(stream, size / whole) for stream in together])
        for size in (most / 2, most)
    )
    return round(played + (played - half) * (whole - most) / (most / 2))


def _full(stream: Stream, packing: Packing) -> float:
    """Bytes of rows in a full request, about."""
    most = packing.batch_bytes or limits.BATCH_BYTES_MAX
    if stream.statement_rows is None:
        return most
    return min(most, packing.batch_size * stream.statement_rows * stream.row_bytes)


def _shortened(stream: Stream, share: float) -> Stream:
    return replace(stream, rows=max(1, round(stream.rows * share)) if stream.rows else 0)


class _Play:
    """One run over sizes."""

    def __init__(self, packing: Packing) -> None:
        self._batch_bytes = BatchBytes(packing.batch_bytes)
        self._most = min(packing.batch_size, limits.BATCH_STATEMENTS - 1)
        self._builder = BatchBuilder(lambda: self._batch_bytes.current, self._most)
        self._under_way: deque[int] = deque()
        self._requests = 0

    def carry_out(self, together: Sequence[Stream]) -> int:
        waiting = deque(
            _Reader(stream, StepId(number), self._most, self._chunk_bytes)
            for number, stream in enumerate(together)
        )
        reading = deque[Iterator[Sequence[Chunk]]]()
        while waiting or reading:
            while waiting and len(reading) < limits.READERS:
                reading.append(waiting.popleft().pages())
            page = next(reading[0], None)
            if page is None:
                reading.popleft()
                continue
            reading.rotate(-1)
            for chunk in page:
                for batch in self._builder.add(chunk):
                    self._sent(batch.bytes)
        if (last := self._builder.flush()) is not None:
            self._sent(last.bytes)
        return self._requests

    def _sent(self, body_bytes: int) -> None:
        self._requests += 1
        self._under_way.append(body_bytes)
        if len(self._under_way) == _AHEAD:
            self._batch_bytes.succeeded(self._under_way.popleft(), 0.0)

    def _chunk_bytes(self) -> int:
        return chunk_share(self._batch_bytes.current)


class _Reader:
    """Reads one stream in pages, and packs them."""

    def __init__(
        self, stream: Stream, step: StepId, most: int, chunk_bytes: Callable[[], int]
    ) -> None:
        self._stream = stream
        self._step = step
        self._most = most
        self._chunk_bytes = chunk_bytes
        self._in_turn = cycle(stream.bodies)
        self._ahead = 0
        self._key = ("0" * stream.key_bytes,)
        self._made = 0

    def pages(self) -> Iterator[Sequence[Chunk]]:
        """Yield the chunks of each page."""
        left, size = self._stream.rows, PageSize()
        while left:
            rows = self._read(min(size.rows, limits.FETCH_ROWS, left))
            left -= rows.count
            page = [self._chunk(statements, size) for statements, size in self._packed(rows)]
            adjust_page(
                size,
                rows=rows.count,
                packed_bytes=sum(chunk.bytes for chunk in page),
                target_bytes=self._chunk_bytes(),
            )
            yield page

    def _read(self, most: int) -> _Rows:
        """At most so many rows, and of fat ones about as many bytes as are read at once."""
        if not self._stream.bodies:
            return _Rows(most, self._stream.row_bytes)
        sums = [0]
        while len(sums) <= most:
            self._ahead = self._ahead or next(self._in_turn)
            if sums[-1] + self._ahead > limits.FETCH_BYTES and len(sums) > 1:
                break
            sums.append(sums[-1] + self._ahead)
            self._ahead = 0
        return _Rows(len(sums) - 1, 0.0, sums)

    def _packed(self, rows: _Rows) -> Iterator[tuple[int, int]]:
        """The statements of each chunk, and their bytes."""
        if self._stream.statement_rows is None:
            for size in self._cut(rows, 0, rows.count):
                yield 1, size
            return
        each = self._stream.statement_rows
        taken = size = 0
        for start in range(0, rows.count, each):
            more = self._stream.frame_bytes + int(rows.bytes(start, min(start + each, rows.count)))
            if taken and (taken == self._most or size + more > self._chunk_bytes()):
                yield taken, size
                taken = size = 0
            taken, size = taken + 1, size + more
        yield taken, size

    def _cut(self, rows: _Rows, start: int, end: int) -> Iterator[int]:
        """Bytes of the statements that rows [start, end) of a page make."""
        most = self._chunk_bytes()
        size = int(rows.bytes(start, end))
        body = self._stream.frame_bytes + size
        if end - start == 1 or body <= most:
            yield body
            return
        for low, high in cut_evenly(start, end, size, most):
            yield from self._cut(rows, low, high)

    def _chunk(self, statements: int, size: int) -> Chunk:
        self._made += 1
        return Chunk(
            step=self._step,
            number=self._made,
            rows=0,
            after=self._key,
            last=self._key,
            statements=(_NO_SQL,) * statements,
            bytes=size,
        )


@frozen
class _Rows:
    """Rows of a page: all of `row_bytes`, or with the `sums` of theirs, from 0 on."""

    count: int
    row_bytes: float
    sums: Sequence[float] = ()

    def bytes(self, start: int, end: int) -> float:
        """Of rows [start, end)."""
        if not self.sums:
            return (end - start) * self.row_bytes
        return self.sums[end] - self.sums[start]
