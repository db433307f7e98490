"""Rows whose parents came late: the parents go first.

Tables are read one after the other. Rows that are read in a newer snapshot than their parents' table
was (after a resume, or in rolling mode) may refer to some that came after that. D1 only says that a
foreign key failed; so it is asked which parents it lacks. Those that the source has are sent ahead.
Where it has them no more either, the rows that referred to them have changed or are gone as well, and
are looked up again. What refers to nothing even then is a bad row.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from streamer.d1 import RefusedRowsError
from streamer.frozen import frozen
from streamer.model import Answer, Batch, Chunk, Key, KeyKind, StepId
from streamer.pack import pack_page, step_columns, without_rows
from streamer.pack.split import behind
from streamer.sinks.ahead import Ahead, Lacking, RefusedParentsError, lacks_parents, parents_of
from streamer.sinks.around import AroundSink
from streamer.sinks.bad_rows import BadRow, FoundBadRowsError, stored_key, whole_rows
from streamer.sinks.d1 import D1Sink, joined
from streamer.sinks.left_out import hint_of, why_missing
from streamer.sinks.references import Carried, Row, Wanted, keyed_by
from streamer.sinks.refresh import LOOKUP_KEYS, Source, TooManyError

ROUNDS = 5  # of looking at one batch, while the source goes on changing
REMEMBERED = 10_000  # parents that D1 refused

IsRejected = Callable[[str, tuple[str, ...], Key], bool]
"""Whether the row of a table (target name) that has a key in these columns was rejected."""


class ParentsFirst(AroundSink[D1Sink]):
    """A sink around D1's that sends what rows refer to ahead of them, where it lacks that.

    `steps` are those whose rows come. One batch is looked after at a time, so that no parent is
    fetched for two of them. What `is_rejected` isn't sent.
    """

    def __init__(
        self,
        sink: D1Sink,
        ahead: Ahead,
        source: Source,
        steps: Mapping[StepId, Carried],
        is_rejected: IsRejected = lambda _table, _columns, _key: False,
    ) -> None:
        super().__init__(sink)
        self._ahead = ahead
        self._source = source
        self._steps = steps
        self._is_rejected = is_rejected
        self._refused: dict[Wanted, str] = {}
        self._one = asyncio.Lock()

    async def write(self, batch: Batch) -> Answer:
        """Write `batch`, if need be after rows that its own refer to.

        Raises:
            FoundBadRowsError: some refer to rows that can't be in D1.
            BadRowsError: D1 will never take some of the rows.

        """
        try:
            return await self._sink.write(batch)
        except RefusedRowsError as error:
            if not lacks_parents(error):
                raise
            refused = error
        async with self._one:
            return await self._write_after_parents(batch, refused)

    async def settle(self, batch: Batch) -> Batch:
        """Send what `batch` refers to and D1 lacks; the batch as it is then.

        Raises:
            FoundBadRowsError: some refer to rows that can't be in D1.
            TooManyError: that is more than one request holds.

        """
        async with self._one:
            return await self._after_parents(batch)

    async def _write_after_parents(self, batch: Batch, refused: RefusedRowsError) -> Answer:
        for _ in range(ROUNDS):
            try:
                batch = await self._after_parents(batch)
            except TooManyError:
                return await self._write_halves(batch, refused)
            try:
                return await self._write(batch)
            except RefusedRowsError as error:
                if not lacks_parents(error):
                    raise
                refused = error
        raise refused

    async def _after_parents(self, batch: Batch) -> Batch:
        lacking = await self._lacking(batch)
        wanted = parents_of(lacking)
        hopeless = {parent for parent in wanted if self._is_hopeless(parent)}
        there = await self._send(wanted - hopeless)
        if there is None or not (gone := wanted - there):
            return batch
        batch = await self._as_it_is_now(batch, lacking, gone)
        # A parent may have come while the rows that refer to it were looked up.
        gone -= await self._ahead.there({p for p in gone if not self._is_hopeless(p)})
        orphans = self._orphans(batch, lacking, gone)
        if orphans:
            first = orphans[0]
            raise FoundBadRowsError(batch, [o.row for o in orphans], hint=first.hint)
        return batch

    def _is_hopeless(self, parent: Wanted) -> bool:
        """Whether a parent that D1 lacks can't be sent."""
        return parent in self._refused or self._is_rejected(
            parent.parent, parent.columns, parent.key
        )

    async def _send(self, wanted: set[Wanted]) -> set[Wanted] | None:
        """Send parents; those that the source has and D1 takes, or None: the source changed."""
        if not wanted:
            return set()
        try:
            return await self._ahead.send(wanted, self._sink.batch_bytes)
        except RefusedParentsError as error:
            if len(wanted) == 1:
                if len(self._refused) >= REMEMBERED:
                    self._refused.clear()
                self._refused |= dict.fromkeys(wanted, str(error))
                return set()
        some = set(sorted(wanted, key=lambda parent: parent.key)[: len(wanted) // 2])
        first, second = await self._send(some), await self._send(wanted - some)
        return None if first is None or second is None else first | second

    def _orphans(self, batch: Batch, lacking: Lacking, gone: set[Wanted]) -> list[_Orphan]:
        """The rows of `batch` that refer to one of `gone`."""
        found: list[_Orphan] = []
        for chunk in batch.chunks:
            carried = self._steps[chunk.step]
            refers = _reference(carried, lacking, gone)
            for row in whole_rows(carried.layout, chunk):
                if (missing := refers(row)) is None:
                    continue
                parent = self._ahead.tables[missing.parent]
                reason = why_missing(
                    parent,
                    missing,
                    rejected=self._is_rejected(missing.parent, missing.columns, missing.key),
                    refused=self._refused.get(missing, ""),
                )
                bad = BadRow(carried, chunk.step, chunk.number, row, reason)
                found.append(_Orphan(bad, hint_of(parent)))
        return found

    async def _write(self, batch: Batch) -> Answer:
        answer = await self._sink.write(batch)
        gone: Counter[tuple[StepId, int]] = Counter()
        for chunk in batch.chunks:
            gone[(chunk.step, chunk.number)] += chunk.gone
        return replace(answer, gone=dict(+gone))

    async def _write_halves(self, batch: Batch, refused: RefusedRowsError) -> Answer:
        halves = self._sink.halves(batch)
        if halves is None:
            raise refused
        # In this order: the second half may claim the keys of both.
        one, two = halves
        try:
            first = await self._write_after_parents(one, refused)
        except FoundBadRowsError as found:
            raise found.beside(behind=two) from None
        try:
            second = await self._write_after_parents(behind(two, first.gone), refused)
            return joined(first, second)
        except FoundBadRowsError as found:
            raise found.beside(before=one) from None

    async def _lacking(self, batch: Batch) -> Lacking:
        rows: dict[StepId, list[Row]] = {}
        for chunk in batch.chunks:
            layout = self._steps[chunk.step].layout
            rows.setdefault(chunk.step, []).extend(whole_rows(layout, chunk))
        return await self._ahead.lacking((self._steps[step], some) for step, some in rows.items())

    async def _as_it_is_now(self, batch: Batch, lacking: Lacking, gone: set[Wanted]) -> Batch:
        """`batch` with what the source has now of the rows whose parents are `gone` from it."""
        chunks: list[Chunk] = []
        for chunk in batch.chunks:
            carried = self._steps[chunk.step]
            reference = _reference(carried, lacking, gone)
            rows = [r for r in whole_rows(carried.layout, chunk) if reference(r) is not None]
            known = carried.plan.key.kind is not KeyKind.PHYSICAL
            chunks.append(await self._replaced(carried, chunk, rows) if rows and known else chunk)
        return Batch(tuple(chunks))

    async def _replaced(self, carried: Carried, chunk: Chunk, rows: Sequence[Row]) -> Chunk:
        """`chunk` with what the source has now of `rows`, which are some of its own."""
        layout, columns = carried.layout, step_columns(carried.plan, carried.layout.kind)
        keyed = keyed_by(carried.plan, carried.plan.key.targets)
        assert keyed is not None, "the rows of a table without a key can't be looked up again"
        plan = replace(keyed, columns=columns)
        keys = [stored_key(layout, row) for row in rows]
        old = set(keys)
        statements = list(without_rows(layout, chunk, lambda row: stored_key(layout, row) in old))
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


@frozen
class _Orphan:
    """A row that refers to one that can't be in D1, and what to do about it."""

    row: BadRow
    hint: str


def _reference(
    carried: Carried, lacking: Lacking, gone: set[Wanted]
) -> Callable[[Row], Wanted | None]:
    """Tells which of `gone` a row of a step refers to, if to any."""
    ours = [
        (question, {cells: parent for cells, parent in found.items() if parent in gone})
        for question, found in lacking
        if question.carried is carried
    ]

    def first(row: Row) -> Wanted | None:
        for question, missing in ours:
            if (parent := missing.get(question.holds(row))) is not None:
                return parent
        return None

    return first
