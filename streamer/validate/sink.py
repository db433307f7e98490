"""A sink that writes nothing: its batches are compared with what D1 holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from streamer.d1 import D1Database, TooLargeError
from streamer.errors import BadRowsError
from streamer.model import Answer, Batch, Result, StepId, whole_number
from streamer.pack import Layout
from streamer.pack.split import smaller
from streamer.sinks.d1 import joined
from streamer.validate.suspects import Suspects


class ComparingSink:
    """Notes which chunks hold rows that D1 lacks or holds otherwise, by step."""

    def __init__(
        self,
        database: D1Database,
        layouts: Mapping[StepId, Layout],
        suspects: Mapping[StepId, Suspects],
    ) -> None:
        self._database = database
        self._layouts = layouts
        self._suspects = suspects

    @property
    def batch_bytes(self) -> int:
        """How large a request body should be now."""
        return self._database.batch_bytes

    @property
    def concurrency(self) -> int:
        """How many requests are useful at once now."""
        return self._database.concurrency

    async def write(self, batch: Batch) -> Answer:
        """Compare `batch`, in as many requests as D1 needs for it."""
        statements = [statement for chunk in batch.chunks for statement in chunk.statements]
        try:
            answer = await self._database.execute(statements)
        except TooLargeError as error:
            halves = smaller(batch, self._layouts)
            if halves is None:
                raise BadRowsError(
                    f"D1 can't compare a row of {self._names(batch)}: {error}"
                ) from None
            first = await self.write(halves[0])
            return joined(first, await self.write(halves[1]))
        at = 0
        for chunk in batch.chunks:
            results = answer.results[at : at + len(chunk.statements)]
            at += len(chunk.statements)
            if any(map(unequal_rows, results)):
                self._suspects[chunk.step].add(chunk)
        return replace(answer, gone={})

    def _names(self, batch: Batch) -> str:
        return ", ".join(dict.fromkeys(self._layouts[chunk.step].name for chunk in batch.chunks))


def unequal_rows(result: Result) -> int:
    """How many rows of a comparing statement aren't as they should be."""
    return whole_number(result.only(2)[1])
