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
from dataclasses import dataclass, field, replace
from typing import Protocol

from streamer import limits
from streamer.d1 import RefusedRowsError, TooLargeError
from streamer.model import Answer, Batch, Chunk, Key, Statement, StepId, StepKind, TablePlan
from streamer.pack import LedgerStep, without_rows
from streamer.sinks.ahead import Source, TooManyError
from streamer.sinks.around import AroundSink, Sink
from streamer.sinks.bad_rows import FoundBadRowsError, stored_key, whole_rows
from streamer.sinks.ownership import Database, Ownership
from streamer.sinks.references import Carried, Row
from streamer.sinks.refresh import Fresh, Settle, can_refresh, fits, read_again
from streamer.sinks.uniqueness import Unique, holders, holders_of, park, uniques_of

ROUNDS = 3  # of writing one batch, while the source goes on changing
APART = 100  # rows of a batch that are looked after one by one
SEARCHES = 500  # requests that a start may spend on searches that come to nothing
SHARE = 4  # a search takes at most this part of what is left
LEAST = 8  # what it may take in any case

Deleted = Callable[[Mapping[str, int]], Awaitable[None]]
"""Writes down, before it happens, how many rows of tables (target names) may be deleted."""


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


@dataclass(slots=True)
class Searches:
    """How many requests may still be spent on what may come to nothing."""

    left: int = SEARCHES

    @property
    def share(self) -> int:
        """What one search may take."""
        return max(LEAST, self.left // SHARE)

    @property
    def are_over(self) -> bool:
        """Whether hardly any are left."""
        return self.left < LEAST * SHARE

    def spend(self, requests: int) -> None:
        """Count those of a search that came to nothing."""
        self.left = max(0, self.left - requests)


@dataclass(slots=True)
class _Knot:
    """Rows of one table that are in each other's way, as they are now; the `parked` must let go."""

    uniques: Sequence[Unique]
    fresh: Fresh
    parked: set[Key] = field(default_factory=set[Key])


class LettingLeave(Protocol):
    """What deletes rows that the source has no more, as `Leaving` does."""

    async def statements(
        self, plan: TablePlan, gone: set[Key]
    ) -> tuple[list[Statement], dict[str, int]]:
        """What goes before the rows that are written, and how many rows of tables it deletes."""
        ...


class Untying:
    """Has rows of the target let go of UNIQUE values that others have now."""

    def __init__(
        self,
        database: Database,
        ownership: Ownership,
        source: Source,
        *,
        leaving: LettingLeave,
        deleted: Deleted,
    ) -> None:
        self._database = database
        self._ownership = ownership
        self._source = source
        self._leaving = leaving
        self._deleted = deleted
        self.searches = Searches()

    async def untie(
        self,
        carried: Carried,
        rows: Sequence[Row],
        message: str,
        most_bytes: int,
        settle: Settle | None = None,
    ) -> Fresh | None:
        """Write those of `rows` that others were in the way of, and these, as they are now.

        None where nothing is in their way, or stays there. `message` is D1's.
        """
        uniques = uniques_of(carried.plan, carried.layout, message)
        try:
            return await self.exchange(carried, rows, uniques, most_bytes, settle)
        except TooManyError:
            return None

    async def exchange(
        self,
        carried: Carried,
        rows: Sequence[Row],
        uniques: Sequence[Unique],
        most_bytes: int,
        settle: Settle | None = None,
    ) -> Fresh | None:
        """As `untie`, where it is known what may be there once.

        Raises:
            TooManyError: more rows are in each other's way than can be exchanged.

        """
        plan, layout = carried.plan, carried.layout
        if layout.kind is not StepKind.ROWS or layout.table != plan.target or not can_refresh(plan):
            return None
        try:
            knot = await self._knot(carried, rows, uniques) if uniques else None
            if knot is None:
                return None
            if settle is not None and plan.foreign_keys and knot.fresh.rows:
                await settle(knot.fresh)
            await self._write(knot, most_bytes)
        except TooLargeError:
            raise TooManyError from None
        except (RefusedRowsError, FoundBadRowsError):
            return None
        return knot.fresh

    async def clashing(self, carried: Carried, rows: Sequence[Row], message: str) -> list[Row]:
        """Those of `rows` that others in the target are in the way of, where that can be helped."""
        if not can_refresh(carried.plan):
            return []
        uniques = uniques_of(carried.plan, carried.layout, message)
        asked = [holders(carried.plan, carried.layout, unique, rows) for unique in uniques]
        results = (await self._database.execute(asked)).results if asked else ()
        return [rows[n] for n in sorted({n for result in results for n, _ in holders_of(result)})]

    async def _write(self, knot: _Knot, most_bytes: int) -> None:
        plan = knot.fresh.plan
        leave, deleted = await self._leaving.statements(plan, knot.fresh.gone & knot.parked)
        statements = [
            Statement("PRAGMA defer_foreign_keys=on"),
            *park(plan, knot.uniques, sorted(knot.parked)),
            *leave,
            *knot.fresh.statements,
        ]
        if not fits(statements, most_bytes):
            raise TooManyError
        if deleted:
            await self._deleted(deleted)
        guards = [
            self._ownership.guard(LedgerStep(table, StepKind.ROWS))
            for table in {plan.target, *deleted}
        ]
        await self._database.execute([*statements, *guards])

    async def _knot(
        self, carried: Carried, rows: Sequence[Row], uniques: Sequence[Unique]
    ) -> _Knot | None:
        """The rows in the way of `rows`, and those in theirs, and so on; None where none is."""
        plan, layout = carried.plan, carried.layout
        knot = _Knot(uniques, Fresh(plan, layout))
        share = self.searches.share
        for _ in range(share):
            asked = [holders(plan, layout, unique, rows) for unique in uniques]
            answer = await self._database.execute(asked)
            pairs = [pair for result in answer.results for pair in holders_of(result)]
            in_the_way = {key for _, key in pairs} - knot.parked
            if not in_the_way:
                return knot if knot.parked else None
            wanting = {stored_key(layout, rows[n]) for n, key in pairs if key in in_the_way}
            known = knot.fresh.keys | knot.fresh.gone
            more = await read_again(self._source, plan, layout, (in_the_way | wanting) - known)
            knot.parked |= in_the_way
            knot.fresh = _together(knot.fresh, more)
            rows = more.rows
        self.searches.spend(share)
        raise TooManyError


class MovedValues(AroundSink[Sink]):
    """A sink around one that lets UNIQUE values move; one batch is looked after at a time."""

    def __init__(
        self,
        sink: Sink,
        untying: Untying,
        steps: Mapping[StepId, Carried],
        settle: Callable[[Batch], Awaitable[Batch]],
    ) -> None:
        super().__init__(sink)
        self._untying = untying
        self._steps = steps
        self._settle = settle
        self._one = asyncio.Lock()

    async def write(self, batch: Batch) -> Answer:
        """Write `batch`, if need be after rows that hold what is its own now."""
        for _ in range(ROUNDS):
            try:
                return _with_gone(await self._sink.write(batch), batch)
            except RefusedRowsError as error:
                refused = error
            if "UNIQUE constraint failed" not in refused.failure.message:
                raise refused
            async with self._one:
                untied = await self._untied(batch, refused)
            if untied is None:
                raise refused
            batch = untied
        return _with_gone(await self._sink.write(batch), batch)

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
            for row in (await self._untying.clashing(carried, rows, message))[:APART]:
                if self._untying.searches.are_over:
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
            fresh = await self._untying.exchange(carried, rows, uniques, most, settle)
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


def _with_gone(answer: Answer, batch: Batch) -> Answer:
    gone = dict(answer.gone)
    for chunk in batch.chunks:
        if chunk.gone:
            gone[(chunk.step, chunk.number)] = chunk.gone
    return replace(answer, gone=gone)


def _together(one: Fresh, more: Fresh) -> Fresh:
    return replace(
        one,
        statements=[*one.statements, *more.statements],
        rows=[*one.rows, *more.rows],
        gone=one.gone | more.gone,
        snapshots=one.snapshots | more.snapshots,
    )
