"""Rows that D1 will never take are set aside, and the others of their batch are written."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace

from streamer.model import Answer, Batch, Reject, StepId
from streamer.sinks.around import AroundSink, Sink
from streamer.sinks.bad_rows import BadRow, FoundBadRowsError

_Place = tuple[StepId, int]  # of a chunk: its step and number

Record = Callable[[Sequence[BadRow]], Awaitable[list[Reject]]]
"""Writes bad rows down durably; what the checkpoint is to know of each, in their order."""


class Rejecting(AroundSink[Sink]):
    """A sink around one that finds bad rows.

    `record` is called before the others are written: the ledger claims their keys, and the bad ones
    lie between these.
    """

    def __init__(self, sink: Sink, record: Record) -> None:
        super().__init__(sink)
        self._record = record

    async def write(self, batch: Batch) -> Answer:
        """Write what D1 takes of `batch`; the answer tells which rows it doesn't."""
        rejected: dict[_Place, tuple[Reject, ...]] = {}
        while True:
            try:
                answer = await self._sink.write(batch)
            except FoundBadRowsError as found:
                more = await self._set_aside(found)
                batch = _rejecting(found.rest, more)
                for at, some in more.items():
                    rejected[at] = (*rejected.get(at, ()), *some)
            else:
                break
        if not rejected:
            return answer
        return replace(answer, rejected=rejected).with_gone(batch)

    async def _set_aside(self, found: FoundBadRowsError) -> dict[_Place, tuple[Reject, ...]]:
        rejects: dict[_Place, tuple[Reject, ...]] = {}
        for row, reject in zip(found.bad, await self._record(found.bad), strict=True):
            at = (row.step, row.number)
            rejects[at] = (*rejects.get(at, ()), reject)
        return rejects


def _rejecting(batch: Batch, more: Mapping[_Place, tuple[Reject, ...]]) -> Batch:
    """`batch` as what is left of one with `more` rows, which were rejected."""
    return Batch(
        tuple(
            replace(c, rejected=(*c.rejected, *more.get((c.step, c.number), ()))) if c.claims else c
            for c in batch.chunks
        )
    )
