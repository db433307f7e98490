"""UNIQUE values that moved along longer ways than one request holds: a whole list moved up by one.

Values that moved between few rows are exchanged in one request, as a run does it. Where that doesn't
help, all rows that are known to hold values which aren't theirs let go of these, in as many requests
as that takes; then they are sent. A repair that ends in between is done by the next one: what they
hold meanwhile differs.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import islice

from streamer.d1 import RefusedRowsError
from streamer.frozen import frozen
from streamer.model import Answer, Batch, Key, Statement, StepId, StepKind, TablePlan
from streamer.pack import LedgerStep
from streamer.sinks import Ownership
from streamer.sinks.diagnosing import Sink
from streamer.sinks.refresh import STAY, Leave, Leaving, TooManyError
from streamer.sinks.uniqueness import Unique, park, uniques_beside_key
from streamer.validate.differences import Differences, Kind
from streamer.validate.sides import Database

AT_ONCE = 1_000  # rows that let go in one request
FEW = 100  # rows whose values are exchanged in one request


class MakingRoom:
    """A sink around `plain`, and around `moved` which lets values move between few rows.

    `tables` are those of a repair by step; rows of `kept` ones (source names) stay as they are.
    """

    def __init__(
        self,
        plain: Sink,
        moved: Sink,
        letting_go: LettingGo,
        tables: Mapping[StepId, TablePlan],
    ) -> None:
        self._plain = plain
        self._moved = moved
        self._letting_go = letting_go
        self._tables = tables
        self._made: set[StepId] = set()

    @property
    def batch_bytes(self) -> int:
        """How large a request body should be now."""
        return self._plain.batch_bytes

    @property
    def concurrency(self) -> int:
        """How many requests are useful at once now."""
        return self._plain.concurrency

    async def write(self, batch: Batch) -> Answer:
        """Write `batch`, if need be after all that differs in its tables has let go."""
        try:
            return await self._plain.write(batch)
        except RefusedRowsError as error:
            refused = error
        if not _is_unique(refused):
            raise refused
        waiting = {chunk.step for chunk in batch.chunks} - self._made
        if not any(self._letting_go.are_many(self._tables[step]) for step in waiting):
            try:
                return await self._moved.write(batch)
            except RefusedRowsError as error:
                if not waiting or not _is_unique(error):
                    raise
        for step in waiting:
            self._made.add(step)
            await self._letting_go.carry_out(self._tables[step])
        return await self._moved.write(batch)


def _is_unique(error: RefusedRowsError) -> bool:
    return "UNIQUE constraint failed" in error.failure.message


@frozen
class LettingGo:
    """Has all rows that differ let go of unique values, but for extra ones of tables that are `kept`."""

    database: Database
    ownership: Ownership
    differences: Differences
    kept: Collection[str]

    def are_many(self, plan: TablePlan) -> bool:
        """Whether more rows would have to than are exchanged in one request."""
        holding = self._holding(plan, uniques_beside_key(plan))
        return sum(1 for _ in islice(holding, FEW + 1)) > FEW

    async def carry_out(self, plan: TablePlan) -> None:
        """Take their values from them, table by table."""
        uniques = uniques_beside_key(plan)
        guard = self.ownership.guard(LedgerStep(plan.target, StepKind.ROWS))
        deferred = Statement("PRAGMA defer_foreign_keys=on")
        keys = self._holding(plan, uniques)
        while some := list(islice(keys, AT_ONCE)):
            if updates := park(plan, uniques, some):
                await self.database.execute([deferred, *updates, guard])

    def _holding(self, plan: TablePlan, uniques: Sequence[Unique]) -> Iterator[Key]:
        """The keys of rows that hold unique values which others may have now."""
        columns = {column.source for unique in uniques for column in unique.columns(plan)}
        extra = [] if str(plan.name) in self.kept else [Kind.EXTRA]
        for one in self.differences.of(str(plan.name), [Kind.DIFFERENT, *extra]):
            if one.kind is Kind.EXTRA or columns & set(one.columns):
                yield one.key


@frozen
class LeavingLater:
    """Lets rows go that hold values which others have now, where nothing keeps them.

    Those whose children can't be read again by key only let go of the values: the repair deletes
    them at its end, after their children. Rows of the tables `kept` don't go at all.
    """

    leaving: Leaving
    kept: Collection[str]

    async def leave(self, plan: TablePlan, gone: set[Key]) -> Leave:
        """As `Leaving.leave`.

        Raises:
            TooManyError: the rows stay.

        """
        if gone and str(plan.name) in self.kept:
            raise TooManyError
        try:
            return await self.leaving.leave(plan, gone)
        except TooManyError:
            return STAY
