"""UNIQUE values that moved from one row to another since the first of them was written.

A resumed run, or a rolling one, reads the rest of a table later than its beginning. So a value may
come with a row that D1 still holds with another, which has let go of it since, or is gone. Those rows
are looked up in the source; in one request, in which foreign keys are looked at last, they let go of
what they hold, and all are written as they are now. Only what is in the way even then is a bad row.

Where values moved through many rows (a whole list moved up by one), each row leads to the next, a
request a row. Such searches end before they take what the run needs itself: the row is called bad, and
why. A repair, which knows all that differs, lets such values go.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace

from streamer import limits
from streamer.d1 import RefusedRowsError
from streamer.model import Answer, Batch, Chunk, StepId
from streamer.pack import without_rows
from streamer.sinks.ahead import Ahead
from streamer.sinks.around import AroundSink, Sink
from streamer.sinks.bad_rows import stored_key, whole_rows
from streamer.sinks.references import Carried, Row
from streamer.sinks.refresh import Fresh, TooManyError
from streamer.sinks.uniqueness import uniques_of

ROUNDS = 3  # of writing one batch, while the source goes on changing
APART = 100  # rows of a batch that are looked after one by one

TOO_MANY = "its values moved through more rows than a run exchanges"
_MEND = (
    "Go on with --resume --on-error reject; at its end, `streamer validate --full --repair` lets such "
    "values move."
)


class TooManyMovedError(RefusedRowsError):
    """Rows are in each other's way that are too many to be exchanged."""

    @classmethod
    def of(cls, refused: RefusedRowsError) -> TooManyMovedError:
        """What D1 `refused`, and why that couldn't be helped."""
        return cls(f"{refused.what}; {TOO_MANY}", refused.failure, hint=_MEND)


class MovedValues(AroundSink[Sink]):
    """A sink around one that lets UNIQUE values move; one batch is looked after at a time."""

    def __init__(
        self,
        sink: Sink,
        ahead: Ahead,
        steps: Mapping[StepId, Carried],
        settle: Callable[[Batch], Awaitable[Batch]],
    ) -> None:
        super().__init__(sink)
        self._ahead = ahead
        self._steps = steps
        self._settle = settle
        self._one = asyncio.Lock()

    async def write(self, batch: Batch) -> Answer:
        """Write `batch`, if need be after rows that hold what is its own now."""
        for _ in range(ROUNDS):
            try:
                return (await self._sink.write(batch)).with_gone(batch)
            except RefusedRowsError as error:
                refused = error
            if "UNIQUE constraint failed" not in refused.failure.message:
                raise refused
            async with self._one:
                untied = await self._untied(batch, refused)
            if untied is None:
                raise refused
            batch = untied
        return (await self._sink.write(batch)).with_gone(batch)

    async def _untied(self, batch: Batch, refused: RefusedRowsError) -> Batch | None:
        """What is left to write of `batch`; None where nothing can be untied.

        Raises:
            TooManyMovedError: nothing could be, since that would take too many rows.

        """
        chunks: list[Chunk] = []
        are_too_many = False
        for chunk in batch.chunks:
            left, more = await self._untied_of(chunk, refused.failure.message)
            chunks.append(left)
            are_too_many = are_too_many or more
        if tuple(chunks) != batch.chunks:
            return Batch(tuple(chunks))
        if are_too_many:
            raise TooManyMovedError.of(refused)
        return None

    async def _untied_of(self, chunk: Chunk, message: str) -> tuple[Chunk, bool]:
        """What is left to write of `chunk`, and whether more rows are in the way than can be helped."""
        carried = self._steps[chunk.step]
        rows = whole_rows(carried.layout, chunk)
        left, are_too_many = await self._of_chunk(carried, chunk, rows, message)
        if left is not chunk or not uniques_of(carried.plan, carried.layout, message):
            return left, are_too_many
        if len(rows) > 1:
            # One row that can't be helped mustn't keep the others from it.
            for row in (await self._ahead.untying.clashing(carried, rows, message))[:APART]:
                if self._ahead.untying.searches.are_over:
                    return left, True
                left, more = await self._of_chunk(carried, left, [row], message)
                are_too_many = are_too_many or more
        return left, are_too_many

    async def _of_chunk(
        self, carried: Carried, chunk: Chunk, rows: Sequence[Row], message: str
    ) -> tuple[Chunk, bool]:
        """`chunk` without those of `rows` that are written, as they are now, or gone.

        And whether more rows are in their way than can be helped.
        """

        async def settle(fresh: Fresh) -> None:
            some = replace(chunk, statements=tuple(fresh.statements), rows=len(fresh.rows))
            await self._settle(Batch((some,)))

        layout = carried.layout
        uniques = uniques_of(carried.plan, layout, message)
        most = limits.BATCH_BYTES_START
        try:
            fresh = await self._ahead.exchange(carried, rows, uniques, most, settle)
        except TooManyError:
            return chunk, True
        if fresh is None:
            return chunk, False
        mine = {stored_key(layout, row) for row in rows}
        done = (fresh.keys | fresh.gone) & mine
        gone = len(fresh.gone & mine)
        kept = without_rows(layout, chunk, lambda row: stored_key(layout, row) in done)
        left = replace(chunk, statements=kept, rows=chunk.rows - gone, gone=chunk.gone + gone)
        return left, False
