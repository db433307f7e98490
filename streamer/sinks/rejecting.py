"""Rows that D1 will never take are set aside, and the others of their batch are written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from streamer.model import Answer, Batch, Reject, StepId
from streamer.sinks.bad_rows import BadRow, FoundBadRowsError
from streamer.sinks.diagnosing import Sink

Record = Callable[[Sequence[BadRow]], Awaitable[list[Reject]]]
"""Writes bad rows down durably; what the checkpoint is to know of each, in their order."""


class Rejecting:
    """A sink around one that finds bad rows; `record` is called once the others are written."""

    def __init__(self, sink: Sink, record: Record) -> None:
        self._sink = sink
        self._record = record

    @property
    def batch_bytes(self) -> int:
        """How large a request body should be now."""
        return self._sink.batch_bytes

    @property
    def concurrency(self) -> int:
        """How many requests are useful at once now."""
        return self._sink.concurrency

    async def write(self, batch: Batch) -> Answer:
        """Write what D1 takes of `batch`; the answer tells which rows it doesn't."""
        bad: list[BadRow] = []
        while True:
            try:
                answer = await self._sink.write(batch)
            except FoundBadRowsError as found:
                bad += found.bad
                batch = found.rest
            else:
                break
        if not bad:
            return answer
        rejected: dict[tuple[StepId, int], tuple[Reject, ...]] = {}
        for row, reject in zip(bad, await self._record(bad), strict=True):
            at = (row.step, row.number)
            rejected[at] = (*rejected.get(at, ()), reject)
        gone: Counter[tuple[StepId, int]] = Counter()
        for chunk in batch.chunks:
            gone[(chunk.step, chunk.number)] += chunk.gone
        return replace(answer, rejected=rejected, gone={**answer.gone, **+gone})
