"""Rows that share what may be there once, since some of them aren't as the source has them now."""

from __future__ import annotations

from dataclasses import dataclass

from streamer.d1 import RefusedRowsError, TooLargeError
from streamer.model import Key, TablePlan
from streamer.sinks.ahead import TooManyError
from streamer.sinks.ownership import Database
from streamer.sinks.refresh import can_refresh
from streamer.sinks.renewing import Renewing
from streamer.sinks.uniqueness import Unique, duplicates, keys_of

AT_ONCE = 500  # rows that are looked at together
ROUNDS = 200


@dataclass(frozen=True, slots=True)
class Duplicates:
    """Finds rows that share what may be there once, and has them renewed."""

    database: Database
    renewing: Renewing

    async def mend(self, table: TablePlan, unique: Unique, *, staged: bool = False) -> bool:
        """Whether no rows of the table, or of its staging table, share it any more."""
        if not unique.terms or not can_refresh(table):
            return False
        layout = self.renewing.layout(table, staged=staged)
        seen: set[Key] = set()
        for _ in range(ROUNDS):
            question = duplicates(table, layout.table, unique, AT_ONCE)
            try:
                keys = set(keys_of((await self.database.execute([question])).results[0]))
                if not keys:
                    return True
                if keys <= seen:
                    return False
                seen |= keys
                await self.renewing.renew(table, keys, staged=staged)
            except (RefusedRowsError, TooLargeError, TooManyError):
                return False
        return False
