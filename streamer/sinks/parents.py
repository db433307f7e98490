"""Rows whose parents came late: the parents go first.

Tables are read one after the other. Rows that are read in a newer snapshot than their parents' table
was (after a resume, or in rolling mode) may refer to some that came after that. D1 only says that a
foreign key failed; so it is asked which parents it lacks. Those that the source has are sent ahead.
Where it has them no more either, the rows that referred to them have changed or are gone as well, and
are looked up again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from streamer.d1 import RefusedRowsError
from streamer.errors import BadRowsError
from streamer.model import Answer, Batch, Chunk, Key, KeyKind, StepId
from streamer.pack import Layout, chunk_rows, pack_page, step_columns, without_rows
from streamer.sinks.ahead import (
    LOOKUP_KEYS,
    Ahead,
    Lacking,
    Source,
    TooManyError,
    lacks_parents,
    parents_of,
)
from streamer.sinks.d1 import D1Sink, joined
from streamer.sinks.left_out import is_thinned, left_out
from streamer.sinks.references import Carried, Row, Wanted, key_text, keyed_by

ROUNDS = 5  # of looking at one batch, while the source goes on changing


class ParentsFirst:
    """A sink around D1's that sends what rows refer to ahead of them, where it lacks that.

    `steps` are those whose rows come. One batch is looked after at a time, so that no parent is
    fetched for two of them.
    """

    def __init__(
        self, sink: D1Sink, ahead: Ahead, source: Source, steps: Mapping[StepId, Carried]
    ) -> None:
        self._sink = sink
        self._ahead = ahead
        self._source = source
        self._steps = steps
        self._one = asyncio.Lock()

    @property
    def batch_bytes(self) -> int:
        """How large a request body should be now."""
        return self._sink.batch_bytes

    @property
    def concurrency(self) -> int:
        """How many requests are useful at once now."""
        return self._sink.concurrency

    async def write(self, batch: Batch) -> Answer:
        """Write `batch`, if need be after rows that its own refer to.

        Raises:
            BadRowsError: D1 will never take some of the rows, or of those that they refer to.

        """
        try:
            return await self._sink.write(batch)
        except RefusedRowsError as error:
            if not lacks_parents(error):
                raise
            refused = error
        async with self._one:
            return await self._write_after_parents(batch, refused)

    async def _write_after_parents(self, batch: Batch, refused: RefusedRowsError) -> Answer:
        asked: set[Wanted] = set()
        lacking: Lacking = []
        for turn in range(ROUNDS):
            try:
                lacking = await self._lacking(batch)
                wanted = parents_of(lacking)
                if turn and not wanted:
                    break
                gone = wanted & asked
                if await self._ahead.send(wanted - asked, self._sink.batch_bytes):
                    asked |= wanted
            except TooManyError:
                return await self._write_halves(batch, refused)
            if gone:
                batch = await self._as_it_is_now(batch, lacking, gone)
            try:
                return await self._write(batch)
            except RefusedRowsError as error:
                if not lacks_parents(error):
                    raise
                refused = error
        raise self._left_behind(batch, lacking) or refused

    def _left_behind(self, batch: Batch, lacking: Lacking) -> BadRowsError | None:
        """What to say of the first row whose parent a setting of the user's leaves out, if any."""
        for question, found in lacking:
            parent = self._ahead.tables[question.key.parent]
            if not is_thinned(parent):
                continue
            layout = question.carried.layout
            rows = [
                row
                for chunk in batch.chunks
                if self._steps[chunk.step] is question.carried
                for row in chunk_rows(layout, chunk)
                if question.holds(row) in found
            ]
            if rows:
                missing = found[question.holds(rows[0])]
                return left_out(layout.row_named(_stored_key(layout, rows[0])), parent, missing)
        return None

    async def _write(self, batch: Batch) -> Answer:
        answer = await self._sink.write(batch)
        gone = {(chunk.step, chunk.number): chunk.gone for chunk in batch.chunks if chunk.gone}
        return replace(answer, gone=gone)

    async def _write_halves(self, batch: Batch, refused: RefusedRowsError) -> Answer:
        halves = self._sink.halves(batch)
        if halves is None:
            raise refused
        # In this order: the second half may claim the keys of both.
        first = await self._write_after_parents(halves[0], refused)
        return joined(first, await self._write_after_parents(halves[1], refused))

    async def _lacking(self, batch: Batch) -> Lacking:
        rows: dict[StepId, list[Row]] = {}
        for chunk in batch.chunks:
            layout = self._steps[chunk.step].layout
            rows.setdefault(chunk.step, []).extend(chunk_rows(layout, chunk))
        return await self._ahead.lacking((self._steps[step], some) for step, some in rows.items())

    async def _as_it_is_now(self, batch: Batch, lacking: Lacking, gone: set[Wanted]) -> Batch:
        """`batch` with what the source has now of the rows whose parents are `gone` from it."""
        chunks: list[Chunk] = []
        for chunk in batch.chunks:
            carried = self._steps[chunk.step]
            refers = _refers(carried, lacking, gone)
            rows = [row for row in chunk_rows(carried.layout, chunk) if refers(row)]
            known = carried.plan.key.kind is not KeyKind.PHYSICAL
            chunks.append(
                await self._replaced(carried, chunk, rows, refers) if rows and known else chunk
            )
        return Batch(tuple(chunks))

    async def _replaced(
        self, carried: Carried, chunk: Chunk, rows: Sequence[Row], refers: Callable[[Row], bool]
    ) -> Chunk:
        """`chunk` with what the source has now of `rows`, which are those that `refers` names."""
        layout, columns = carried.layout, step_columns(carried.plan, carried.layout.kind)
        keyed = keyed_by(carried.plan, carried.plan.key.targets)
        assert keyed is not None, "the rows of a table without a key can't be looked up again"
        plan = replace(keyed, columns=columns)
        keys = [_key_of(carried, row) for row in rows]
        statements = list(without_rows(layout, chunk, refers))
        found = 0
        for start in range(0, len(keys), LOOKUP_KEYS):
            for page in await self._source.lookup(plan, keys[start : start + LOOKUP_KEYS]):
                packed = pack_page(layout, page, step=chunk.step, number=0, after=None)
                statements += [statement for part in packed for statement in part.statements]
                found += len(page.records)
        fewer = len(rows) - found
        return replace(
            chunk,
            statements=tuple(statements),
            rows=chunk.rows - fewer,
            gone=chunk.gone + fewer,
        )


def _refers(carried: Carried, lacking: Lacking, gone: set[Wanted]) -> Callable[[Row], bool]:
    """Tells the rows of a step that refer to one of `gone`."""
    ours = [
        (question, {cells for cells, parent in found.items() if parent in gone})
        for question, found in lacking
        if question.carried is carried
    ]
    return lambda row: any(question.holds(row) in cells for question, cells in ours)


def _stored_key(layout: Layout, row: Row) -> Key:
    """A row's key as the target has it."""
    places = {column.target: n for n, column in enumerate(layout.columns)}
    return tuple(str(row[places[name]]) for name in layout.key)


def _key_of(carried: Carried, row: Row) -> Key:
    """A row's key, as PostgreSQL printed it."""
    columns = carried.layout.columns
    places = {column.target: n for n, column in enumerate(columns)}
    return tuple(
        key_text(columns[places[name]], str(row[places[name]])) for name in carried.plan.key.targets
    )
