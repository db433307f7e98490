"""Rows that share what may be there once, since some of them aren't as the source has them now.

Read again, they may have values by now that yet others hold, which a unique index refuses that is
there already: these are exchanged. One that D1 doesn't take as it is now, for it refers to a bad row,
stays as it was, and keeps no other from being renewed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from enum import Enum

from streamer import limits
from streamer.d1 import RefusedRowsError, TooLargeError
from streamer.frozen import frozen
from streamer.model import Key, Loading, TablePlan
from streamer.sinks.ahead import lacks_parents
from streamer.sinks.ownership import Database
from streamer.sinks.references import Carried, Row
from streamer.sinks.refresh import Settle, TooManyError, can_refresh, read_again
from streamer.sinks.renewing import Renewing
from streamer.sinks.uniqueness import Unique, duplicates, keys_of, uniques_beside_key

AT_ONCE = 500  # rows that are looked at together
ROUNDS = 200
AGAIN = 20  # times that one row is renewed, while the source goes on changing


Exchange = Callable[[Carried, Sequence[Row], Sequence[Unique], int, Settle], Awaitable[object]]
"""Has rows of the target let go of values that these have now; something where that helped."""


class Sharing(Enum):
    """Whether rows share what may be there once."""

    NONE = "none do"
    ENDED = "those that did were read again, and don't any more"
    LEFT = "some do still"


@frozen
class Duplicates:
    """Finds rows that share what may be there once, and has them renewed."""

    database: Database
    renewing: Renewing
    exchange: Exchange | None = None

    async def mend(self, table: TablePlan, unique: Unique, *, staged: bool = False) -> Sharing:
        """Read rows of the table, or of its staging table, again that share it."""
        if not unique.terms or not can_refresh(table):
            return Sharing.LEFT
        layout = self.renewing.layout(table, staged=staged)
        tried: Counter[Key] = Counter()
        for _ in range(ROUNDS):
            question = duplicates(table, layout.table, unique, AT_ONCE)
            try:
                keys = set(keys_of((await self.database.execute([question])).results[0]))
                if not keys:
                    return Sharing.ENDED if tried else Sharing.NONE
                if all(tried[key] >= AGAIN for key in keys):
                    return Sharing.LEFT
                tried.update(keys)
                for key in await self._renew(table, keys, unique, staged=staged):
                    tried[key] = AGAIN
            except (RefusedRowsError, TooLargeError, TooManyError):
                return Sharing.LEFT
        return Sharing.LEFT

    async def _renew(
        self, table: TablePlan, keys: set[Key], unique: Unique, *, staged: bool
    ) -> set[Key]:
        """Renew rows; those that D1 doesn't take, since it lacks what they refer to by now, stay."""
        stay: set[Key] = set()
        waiting = [sorted(keys)]
        while waiting:
            some = waiting.pop()
            try:
                await self._renew_together(table, some, unique, staged=staged)
            except RefusedRowsError as error:
                if staged or not lacks_parents(error):
                    raise
                if len(some) == 1:
                    stay |= set(some)
                    continue
                middle = len(some) // 2
                waiting += [some[middle:], some[:middle]]
        return stay

    async def _renew_together(
        self, table: TablePlan, keys: Sequence[Key], unique: Unique, *, staged: bool
    ) -> None:
        try:
            await self.renewing.renew(table, keys, staged=staged)
        except RefusedRowsError as error:
            clash = "UNIQUE constraint failed" in error.failure.message
            if staged or not clash or self.exchange is None:
                raise
            plan = replace(table, loading=Loading.DIRECT, deferred=())
            carried = Carried(plan, self.renewing.layout(table, staged=False))
            fresh = await read_again(self.renewing.source, plan, carried.layout, keys)
            uniques = dict.fromkeys([unique, *uniques_beside_key(table)])
            most, settle = limits.BATCH_BYTES_START, self.renewing.settle
            if not await self.exchange(carried, fresh.rows, [*uniques], most, settle):
                raise
