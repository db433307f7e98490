"""Finds rows of the target that hold UNIQUE values which others have now, and what they are by now.

A value may have moved on and on: what holds it leads to the next row, a request a row. Such searches
end before they take what the run needs itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field, replace
from typing import Protocol

from streamer.frozen import frozen, slotted
from streamer.model import Key, Statement, StepKind, TablePlan
from streamer.sinks.bad_rows import stored_key
from streamer.sinks.ownership import Database
from streamer.sinks.references import Carried, Row
from streamer.sinks.refresh import (
    STAY,
    Fresh,
    Leave,
    Source,
    TooManyError,
    can_refresh,
    read_again,
)
from streamer.sinks.uniqueness import (
    Coming,
    Unique,
    holders,
    holders_of,
    park,
    uniques_of,
)

SEARCHES = 500  # requests that a start may spend on searches that come to nothing
SHARE = 4  # a search takes at most this part of what is left
LEAST = 8  # what it may take in any case


@slotted
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


@frozen
class Knot:
    """Rows of one table that are in each other's way, as they are now; the `parked` must let go.

    Those of them that are gone from the source `leave`.
    """

    carried: Carried
    fresh: Fresh
    uniques: tuple[Unique, ...] = ()
    parked: frozenset[Key] = field(default_factory=frozenset[Key])
    leave: Leave = STAY

    @classmethod
    def none(cls, carried: Carried) -> Knot:
        """No row is in another's way."""
        return cls(carried, Fresh(carried.plan, carried.layout))

    def parks(self, coming: Sequence[Coming]) -> list[Statement]:
        """What has the rows of the target let go, where others are `coming` with the same request."""
        return park(self.carried.plan, self.uniques, sorted(self.parked), coming)

    @property
    def all_fresh(self) -> list[Fresh]:
        """Its rows, and those that refer to the rows which leave."""
        return [self.fresh, *self.leave.again]


class LettingLeave(Protocol):
    """What has rows leave that the source has no more, as `Leaving` does."""

    async def leave(self, plan: TablePlan, gone: set[Key]) -> Leave:
        """What goes before the rows that are written."""
        ...


class Untying:
    """Finds the rows that must let go of UNIQUE values."""

    def __init__(self, database: Database, source: Source, *, leaving: LettingLeave) -> None:
        self._database = database
        self._source = source
        self._leaving = leaving
        self.searches = Searches()

    async def extended(
        self, knot: Knot, rows: Sequence[Row], uniques: Sequence[Unique]
    ) -> Knot | None:
        """`knot` with what is in the way of `rows`, and in the way of that, and so on.

        None where nothing else is.

        Raises:
            TooManyError: more rows are in each other's way than can be exchanged.

        """
        plan, layout = knot.carried.plan, knot.carried.layout
        if layout.kind is not StepKind.ROWS or layout.table != plan.target or not can_refresh(plan):
            return None
        if not uniques:
            return None
        found, known = knot, knot.parked
        share = self.searches.share
        for _ in range(share):
            asked = [holders(plan, layout, unique, rows) for unique in uniques]
            answer = await self._database.execute(asked)
            pairs = [pair for result in answer.results for pair in holders_of(result)]
            in_the_way = {key for _, key in pairs} - found.parked
            if not in_the_way:
                return await self._with_leave(found, uniques) if found.parked > known else None
            wanting = {stored_key(layout, rows[n]) for n, key in pairs if key in in_the_way}
            there = found.fresh.keys | found.fresh.gone
            more = await read_again(self._source, plan, layout, (in_the_way | wanting) - there)
            parked = found.parked | in_the_way
            found = replace(found, parked=parked, fresh=_together(found.fresh, more))
            rows = more.rows
        self.searches.spend(share)
        raise TooManyError

    async def _with_leave(self, knot: Knot, uniques: Sequence[Unique]) -> Knot:
        leave = await self._leaving.leave(knot.carried.plan, knot.fresh.gone & knot.parked)
        return replace(knot, leave=leave, uniques=(*dict.fromkeys((*knot.uniques, *uniques)),))

    async def clashing(self, carried: Carried, rows: Sequence[Row], message: str) -> list[Row]:
        """Those of `rows` that others in the target are in the way of, where that can be helped."""
        if not can_refresh(carried.plan):
            return []
        uniques = uniques_of(carried.plan, carried.layout, message)
        asked = [holders(carried.plan, carried.layout, unique, rows) for unique in uniques]
        results = (await self._database.execute(asked)).results if asked else ()
        return [rows[n] for n in sorted({n for result in results for n, _ in holders_of(result)})]


def _together(one: Fresh, more: Fresh) -> Fresh:
    return replace(
        one,
        statements=[*one.statements, *more.statements],
        rows=[*one.rows, *more.rows],
        gone=one.gone | more.gone,
        snapshots=one.snapshots | more.snapshots,
    )
