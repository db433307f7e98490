"""Makes the target's rows those of the source: what is missing or different is sent, the rest goes.

First all rows are sent, parents before children; only then are extra ones deleted, children first.
So no cascade takes a row that only had to refer to another parent.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Collection, Iterator, Mapping, Sequence
from itertools import islice
from typing import Protocol

import orjson

from streamer.d1 import RefusedRowsError, TooLargeError
from streamer.frozen import frozen
from streamer.model import (
    Answer,
    Batch,
    Chunk,
    Key,
    KeyKind,
    Page,
    Statement,
    StepId,
    StepKind,
    TablePlan,
)
from streamer.model.sql import quote_identifier
from streamer.pack import BatchBuilder, Layout, LedgerStep, pack_page
from streamer.sinks import Ownership
from streamer.validate.differences import Difference, Differences, Kind
from streamer.validate.extras import still_held
from streamer.validate.sides import Sides
from streamer.validate.target_rows import Named, Walk, keys_text

AT_ONCE = 1_000  # rows that are read, or deleted, together
REFUSALS = 100  # requests that may fail for rows of one table that others refer to


class Sink(Protocol):
    """Makes batches durable."""

    @property
    def batch_bytes(self) -> int:
        """How large a request body should be now."""
        ...

    async def write(self, batch: Batch) -> Answer:
        """Return only when `batch` is durable."""
        ...


@frozen
class Mending:
    """One table, the step that its rows are sent as, and how they are packed."""

    plan: TablePlan
    step: StepId
    layout: Layout


class Repair:
    """Mends `tables`, which are in load order and all compared in full."""

    def __init__(
        self,
        sides: Sides,
        ownership: Ownership,
        sink: Sink,
        differences: Differences,
        *,
        tables: Sequence[Mending],
        kept: Collection[str],
        heed_stop: Callable[[], None],
    ) -> None:
        """Nothing is deleted from the tables `kept` (source names)."""
        self._sides = sides
        self._ownership = ownership
        self._sink = sink
        self._differences = differences
        self._tables = tables
        self._kept = kept
        self._heed_stop = heed_stop
        self._numbers: dict[StepId, int] = {}
        self._at_once = AT_ONCE  # rows deleted in one request
        self.sent = 0
        self.deleted = 0

    async def carry_out(self) -> None:
        """Send, then delete.

        Raises:
            BadRowsError: D1 refuses a row; nothing was deleted then.

        """
        for table in self._tables:
            await self._send(table)
        left = [one.plan for one in reversed(self._tables) if str(one.plan.name) not in self._kept]
        while left:
            before = self.deleted
            left = [plan for plan in left if not await self._delete(plan)]
            if self.deleted == before:
                return

    async def _send(self, table: Mending) -> None:
        builder = BatchBuilder(lambda: self._sink.batch_bytes)
        async for page in self._pages(table.plan):
            self._heed_stop()
            for chunk in self._packed(table, page):
                for batch in builder.add(chunk):
                    await self._write(batch)
        if (batch := builder.flush()) is not None:
            await self._write(batch)

    async def _write(self, batch: Batch) -> None:
        await self._sink.write(batch)
        self.sent += batch.rows

    def _packed(self, table: Mending, page: Page) -> list[Chunk]:
        number = self._numbers.get(table.step, 0)
        chunks = pack_page(table.layout, page, step=table.step, number=number, after=None)
        self._numbers[table.step] = number + len(chunks)
        return chunks

    async def _pages(self, plan: TablePlan) -> AsyncGenerator[Page]:
        """The rows to send, as the source has them now."""
        wrong = to_send(plan, self._differences)
        free = await self._free_row(plan) if plan.key.kind is KeyKind.PHYSICAL else 0
        while some := list(islice(wrong, AT_ONCE)):
            if plan.key.kind is KeyKind.PHYSICAL:
                yield _placed(plan, some, free)
                free += len(some)
                continue
            for page in await self._sides.source.lookup(plan, [one.read_by for one in some]):
                if page.records:
                    yield page

    async def _free_row(self, plan: TablePlan) -> int:
        """A row number behind all that the target holds."""
        row = quote_identifier(plan.key.rowid)
        sql = f"SELECT CAST(coalesce(max({row}), 0) AS TEXT) FROM {quote_identifier(plan.target)}"
        answer = await self._sides.database.execute([Statement.of(sql)])
        return answer.results[0].number + 1

    async def _delete(self, plan: TablePlan) -> bool:
        """Delete a table's extra rows; whether no others still refer to some of them."""
        extra = self._differences.of(str(plan.name), [Kind.EXTRA])
        refused = 0
        while some := [one.key for one in islice(extra, AT_ONCE)]:
            self._heed_stop()
            gone: Sequence[Key] = some
            if plan.key.kind is not KeyKind.PHYSICAL:
                # A row may have come to the source meanwhile.
                gone = await self._sides.not_in_source(plan, some)
            # Those that went with their parents, or earlier, aren't deleted again, nor counted.
            if held := await still_held(self._sides, plan, gone) if gone else []:
                refused += await self._delete_rows(plan, held)
            if refused > REFUSALS:
                break
        return not refused

    async def _delete_rows(self, plan: TablePlan, keys: Sequence[Key]) -> int:
        """Delete rows but for those that others still refer to; how many requests failed for these.

        Their children are extra, too, unless they went from the source after they were compared:
        the next comparison finds them. Where no index leads to children, each row that goes takes a
        look through all of theirs: fewer go together where that is too much for D1, from then on.
        """
        deferred = Statement.of("PRAGMA defer_foreign_keys=on")
        guard = self._ownership.guard(LedgerStep(plan.target, StepKind.ROWS))
        refused = 0
        waiting = Named(plan).parts(keys)
        while waiting and refused <= REFUSALS:
            part = waiting.pop()
            if len(part) > self._at_once:
                waiting += [part[self._at_once :], part[: self._at_once]]
                continue
            statement = Statement.of(_deleting(plan), keys_text(part))
            try:
                await self._sides.database.execute([deferred, statement, guard])
            except TooLargeError:
                if len(part) == 1:
                    raise
                self._at_once = (len(part) + 1) // 2
                waiting.append(part)
            except RefusedRowsError as error:
                if "FOREIGN KEY constraint failed" not in error.failure.message:
                    raise
                refused += 1
                if len(part) > 1:
                    half = len(part) // 2
                    waiting += [part[:half], part[half:]]
            else:
                self.deleted += len(part)
        return refused


def to_send(plan: TablePlan, differences: Differences) -> Iterator[Difference]:
    """The rows that sending makes equal: not those that differ only in what D1 computes of equal ones."""
    computed = {column.source for column in plan.computed}
    for one in differences.of(str(plan.name), [Kind.MISSING, Kind.DIFFERENT]):
        if not one.columns or not computed.issuperset(one.columns):
            yield one


def _placed(plan: TablePlan, rows: Sequence[Difference], free: int) -> Page:
    """Rows of a table without a key: where they are, if something else is there, or behind all.

    Of their cells only the first are written; those that D1 computes come behind.
    """
    records: list[tuple[str | None, ...]] = []
    for at, row in enumerate(rows):
        place = row.key[0] if row.kind is Kind.DIFFERENT else str(free + at)
        records.append((place, *orjson.loads(row.cells)[: len(plan.columns)]))
    return Page(records, len(records[0]), (0,))


def _deleting(plan: TablePlan) -> str:
    """SQL that deletes the rows with the keys in ?1; found by join, each by the column's own rules."""
    table = quote_identifier(plan.target)
    named, places = Named(plan), Walk.through(plan).places
    found = f"SELECT {', '.join(places)} FROM {named.rows} JOIN {table} AS o ON {named.same}"
    bare = ", ".join(place.removeprefix("o.") for place in places)
    return f"DELETE FROM {table} WHERE ({bare}) IN ({found})"


def wanted(mending: Sequence[Mending]) -> Mapping[StepId, LedgerStep]:
    """What the ledger calls the steps of a repair; it need not know any keys."""
    return {
        one.step: LedgerStep(one.plan.target, StepKind.ROWS, keys_hidden=True) for one in mending
    }
