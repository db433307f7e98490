"""Rows that D1 will never take: what they are, what to say of them, a batch without them (pure)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

from streamer import limits
from streamer.d1 import RefusedRowsError, TooLargeError
from streamer.errors import BadRowsError
from streamer.frozen import frozen
from streamer.model import Batch, Chunk, Key, Page, StepId
from streamer.model.words import counted
from streamer.pack import Layout, Oversized, chunk_rows, is_fat, whole_row, without_rows
from streamer.pack.cells import page_cells
from streamer.pack.unpack import statement_rows
from streamer.sinks.references import Carried, Row, key_text

OTHER = "a constraint of its table failed"
MEND = (
    "Mend the row in PostgreSQL or what D1 asks of it, then go on with --resume; --on-error reject "
    "sets such rows aside"
)


@frozen
class BadRow:
    """A row of a chunk, whole, and why D1 won't take it: the end of a sentence, without values."""

    carried: Carried
    step: StepId
    number: int
    cells: Row
    reason: str

    @classmethod
    def oversized(cls, carried: Carried, step: StepId, page: Page, row: Oversized) -> BadRow:
        """A row of a page that D1 has no room for."""
        (cells,) = page_cells(carried.layout, page, row.index, row.index + 1)
        reason = f"the row takes {row.bytes:,} bytes; D1 takes {limits.VALUE_BYTES:,}"
        return cls(carried, step, 0, cells, reason)

    @property
    def key(self) -> Key:
        """Its key as the target would have it."""
        return stored_key(self.carried.layout, self.cells)

    @property
    def named(self) -> str:
        """Table and key, for a message."""
        return self.carried.layout.row_named(self.key)


class FoundBadRowsError(BadRowsError):
    """Rows of `batch`, which is what is left to write, are `bad`; there is at least one."""

    def __init__(self, batch: Batch, bad: Sequence[BadRow], *, hint: str = MEND) -> None:
        more = f" ({counted(len(bad) - 1, 'other bad row')} in its batch)" if len(bad) > 1 else ""
        super().__init__(f"{bad[0].named}: {bad[0].reason}{more}", hint=hint)
        self.batch = batch
        self.bad = bad

    def beside(
        self, *, before: Batch | None = None, behind: Batch | None = None
    ) -> FoundBadRowsError:
        """The same of a batch of which this one is a part, `before` or `behind` it the other."""
        parts = [part.chunks for part in (before, self.batch, behind) if part is not None]
        whole = Batch(tuple(chunk for chunks in parts for chunk in chunks))
        return FoundBadRowsError(whole, self.bad, hint=self.hint)

    @property
    def rest(self) -> Batch:
        """The batch without the bad rows."""
        return without(self.batch, self.bad)


def stored_key(layout: Layout, row: Row) -> Key:
    """A row's key as the target has it, in PostgreSQL's spelling."""
    places = {column.target: n for n, column in enumerate(layout.columns)}
    return tuple(
        key_text(layout.columns[places[name]], str(row[places[name]])) for name in layout.key
    )


def without(batch: Batch, bad: Iterable[BadRow]) -> Batch:
    """`batch` without bad rows."""
    keys: dict[tuple[StepId, int], dict[Key, Layout]] = {}
    for row in bad:
        keys.setdefault((row.step, row.number), {})[row.key] = row.carried.layout
    fewer: Counter[tuple[StepId, int]] = Counter()
    chunks: list[Chunk] = []
    for chunk in batch.chunks:
        at = (chunk.step, chunk.number)
        left = _without(chunk, keys.get(at))
        # Of a chunk that was cut in two, both parts may be here, and the last one counts for both.
        chunks.append(replace(left, before=max(0, left.before - fewer[at])))
        fewer[at] += chunk.rows - left.rows
    return Batch(tuple(chunks))


def _without(chunk: Chunk, keys: dict[Key, Layout] | None) -> Chunk:
    if not keys:
        return chunk
    layout = next(iter(keys.values()))
    kept = without_rows(layout, chunk, lambda row: stored_key(layout, row) in keys)
    left = replace(chunk, statements=kept)
    # Some that it counts may have been written by themselves.
    fewer = len(chunk_rows(layout, chunk)) - len(chunk_rows(layout, left))
    return replace(left, rows=chunk.rows - fewer)


def whole_rows(layout: Layout, chunk: Chunk) -> list[Row]:
    """A chunk's rows, with the cells that were too big to travel with the others."""
    rows: list[Row] = []
    for statement in chunk.statements:
        if is_fat(layout, statement):
            rows.append(whole_row(layout, statement))
        else:
            rows += statement_rows(layout, statement)
    return rows


def reason_of(error: BadRowsError | TooLargeError) -> str:
    """D1's own words, which hold no value."""
    if isinstance(error, RefusedRowsError | TooLargeError):
        return error.failure.message or error.failure.kind.value
    return error.what
