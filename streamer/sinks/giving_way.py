"""Rows of the target that hold UNIQUE values of a cycle's staged rows, and how they make way for these.

The target held rows before the run, and a value has moved to another row since they were written. A
row that is staged too lets go of it in the request that publishes, which writes it again with the value
that it has now. One that the source has no more leaves with that request, as it does where rows go
straight into their table; what refers to it is read again. One that nothing makes leave stays: then
the staged rows are bad ones.
"""

from __future__ import annotations

from collections.abc import Sequence

from streamer import limits
from streamer.frozen import frozen
from streamer.model import Key, Statement, TablePlan
from streamer.sinks.parents import IsRejected
from streamer.sinks.refresh import MOST_ROWS, Fresh, TooManyError, can_refresh, fits, read_again
from streamer.sinks.renewing import Renewing
from streamer.sinks.uniqueness import (
    Unique,
    in_the_way,
    in_the_way_of,
    kept_out,
    keys_of,
    park_for_stage,
)


@frozen
class Way:
    """What goes before the copies of a cycle: `statements`, which delete rows of `tables`."""

    statements: Sequence[Statement] = ()
    tables: frozenset[str] = frozenset()


NOTHING = Way()


class GivingWay:
    """The rows of the target that are in the way of the staged rows of one `cycle`."""

    def __init__(
        self, renewing: Renewing, cycle: Sequence[TablePlan], is_rejected: IsRejected
    ) -> None:
        self._renewing = renewing
        self._is_rejected = is_rejected
        self._tables = {table.target: table for table in cycle}
        self._parked: list[tuple[str, Unique]] = []
        self._gone: dict[str, set[Key]] = {}
        self._counted: dict[str, int] = {}
        self._may_leave = True
        self.again: list[Fresh] = []

    @property
    def lets_leave(self) -> bool:
        """Whether rows are to leave that the source has no more."""
        return bool(self._gone) and self._may_leave

    def keep_all(self) -> None:
        """Let no row leave: D1 doesn't let them, or they are too many."""
        self._may_leave = False

    async def look(self, table: TablePlan, unique: Unique) -> tuple[bool, set[Key]]:
        """Whether rows are in the way that will make it from now on; those that are to leave."""
        if not can_refresh(table) or not unique.terms:
            return False, set()
        question = in_the_way(table, unique, MOST_ROWS)
        answer = await self._renewing.database.execute([question])
        found = in_the_way_of(answer.results[0])
        parks = any(staged for staged, _ in found) and self._parks(table, unique)
        known = self._gone.get(table.target, set())
        strangers = {
            key
            for staged, key in found
            if not staged
            and key not in known
            and not self._is_rejected(table.target, table.key.targets, key)
        }
        if not strangers or not self._may_leave:
            return parks, set()
        layout = self._renewing.layout(table, staged=True)
        fresh = await read_again(self._renewing.source, table, layout, strangers)
        if fresh.keys:
            await self._renewing.renew(table, fresh.keys, staged=True)
        self._gone.setdefault(table.target, set()).update(fresh.gone)
        return True, fresh.gone

    def _parks(self, table: TablePlan, unique: Unique) -> bool:
        """Let rows of the table let go of such values; False where they do already, or can't."""
        at = (table.target, unique)
        if at in self._parked or park_for_stage(table, unique) is None:
            return False
        self._parked.append(at)
        return True

    def _parking(self) -> list[Statement]:
        """What has rows of the target let go, beside the rows that are written `again`."""
        found = (
            park_for_stage(
                self._tables[target],
                unique,
                [(one.layout, one.rows) for one in self.again if one.plan.target == target],
            )
            for target, unique in self._parked
        )
        return [statement for statement in found if statement is not None]

    async def way(self) -> Way:
        """What lets the staged rows in, as far as that is known.

        `again` are the rows from then on that it writes, since they refer to rows which leave.
        """
        if not self.lets_leave:
            return Way(self._parking())
        leaves: list[Statement] = []
        deleted: dict[str, int] = {}
        self.again = []
        try:
            for target, keys in self._gone.items():
                plan = self._tables[target]
                leave = await self._renewing.leaving.leave(plan, set(keys))
                leaves += leave.statements
                self.again += leave.again
                deleted |= {t: deleted.get(t, 0) + count for t, count in leave.deleted.items()}
        except TooManyError:
            self.keep_all()
            self.again = []
            return Way(self._parking())
        parks = self._parking()
        if not fits([*parks, *leaves], limits.BATCH_BYTES_MAX):
            self.keep_all()
            return Way(parks)
        await self._count(deleted)
        return Way([*parks, *leaves], frozenset(deleted))

    async def _count(self, deleted: dict[str, int]) -> None:
        """Have it written down, once, how many rows may go."""
        more = {t: n - self._counted.get(t, 0) for t, n in deleted.items()}
        more = {table: rows for table, rows in more.items() if rows > 0}
        if more:
            await self._renewing.deleted(more)
        self._counted |= {table: deleted[table] for table in more}

    async def kept_out(self, table: TablePlan, unique: Unique) -> list[Key]:
        """Staged rows that rows of the target are in the way of which don't make it."""
        if not can_refresh(table) or not unique.terms:
            return []
        question = kept_out(table, unique, MOST_ROWS)
        return keys_of((await self._renewing.database.execute([question])).results[0])
