"""D1 as a sink: a batch and its ledger entry in one request, cut smaller where D1 wants that."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

from streamer.d1 import D1Database, RefusedRowsError, TooLargeError
from streamer.errors import BadRowsError
from streamer.model import Answer, Batch, Chunk, StepId
from streamer.model.words import counted
from streamer.pack import Layout, LedgerStep
from streamer.pack.split import smaller
from streamer.sinks.ownership import Ownership


class D1Sink:
    """Writes batches of the given steps; a batch is durable, ledger included, when `write` ends."""

    def __init__(
        self,
        database: D1Database,
        ownership: Ownership,
        *,
        layouts: Mapping[StepId, Layout],
        steps: Mapping[StepId, LedgerStep],
    ) -> None:
        self._database = database
        self._ownership = ownership
        self._layouts = layouts
        self._steps = steps

    @property
    def batch_bytes(self) -> int:
        """How large a request body should be now."""
        return self._database.batch_bytes

    @property
    def concurrency(self) -> int:
        """How many requests are useful at once now."""
        return self._database.concurrency

    async def write(self, batch: Batch) -> Answer:
        """Write `batch`, in as many requests as D1 needs for it.

        Raises:
            BadRowsError: D1 will never take some of the rows; the message names the tables, the
                keys they lie between and D1's reason.

        """
        if self._was_too_much(batch) and (halves := self.halves(batch)) is not None:
            return await self._write_both(*halves)
        try:
            return await self._send(batch, can_be_cut=True)
        except TooLargeError as error:
            too_large = error
        if (halves := self.halves(batch)) is not None:
            return await self._write_both(*halves)
        if too_large.sent:
            raise self._located(batch, too_large)
        try:
            return await self._send(batch, can_be_cut=False)
        except TooLargeError as error:
            raise self._located(batch, error) from None

    async def _send(self, batch: Batch, *, can_be_cut: bool) -> Answer:
        statements = [s for chunk in batch.chunks for s in chunk.statements]
        record = self._ownership.record(batch, self._steps)
        try:
            return await self._database.execute([*statements, record], can_be_cut=can_be_cut)
        except BadRowsError as error:
            raise self._located(batch, error) from None

    def halves(self, batch: Batch) -> tuple[Batch, Batch] | None:
        """Two parts of `batch`, to be written in this order; None where it is a single row."""
        return smaller(batch, self._layouts)

    async def _write_both(self, one: Batch, other: Batch) -> Answer:
        # In this order: the second half may claim the keys of both.
        first = await self.write(one)
        return joined(first, await self.write(other))

    def _was_too_much(self, batch: Batch) -> bool:
        """Whether D1 refused as much before: what was made while it wasn't known isn't sent in vain."""
        most = self._database.worth_a_try
        return most is not None and batch.bytes > most

    def _located(self, batch: Batch, error: BadRowsError | TooLargeError) -> BadRowsError:
        where = "; ".join(self._place(chunk) for chunk in batch.chunks[:3])
        more = f"; and {len(batch.chunks) - 3} more" if len(batch.chunks) > 3 else ""
        what = f"D1 refused rows of {where}{more}: {error}"
        hint = "Mend or exclude the rows, then go on with --resume."
        if isinstance(error, RefusedRowsError):
            return RefusedRowsError(what, error.failure, hint=hint)
        return BadRowsError(what, hint=hint)

    def _place(self, chunk: Chunk) -> str:
        name = self._layouts[chunk.step].name
        if self._layouts[chunk.step].hides_key:
            return f"{name} ({counted(chunk.rows, 'row')}, keys hidden)"
        after = f"behind key ({', '.join(chunk.after)}) " if chunk.after else ""
        return f"{name} ({counted(chunk.rows, 'row')} {after}up to key ({', '.join(chunk.last)}))"


def joined(first: Answer, second: Answer) -> Answer:
    """The answer to two parts of one batch."""
    return replace(
        second,
        results=first.results + second.results,
        attempts=first.attempts + second.attempts,
        rate_limited=first.rate_limited + second.rate_limited,
        sent_bytes=first.sent_bytes + second.sent_bytes,
        gone=dict(Counter(first.gone) + Counter(second.gone)),
    )
