"""Questions about the keys of a whole table, asked by whoever compares it."""

from __future__ import annotations

from collections.abc import Sequence

from streamer.model import Key, Table, TablePlan
from streamer.postgres.answers import rows_of
from streamer.postgres.connect import Session
from streamer.postgres.reader_sql import absent_query, sample_query
from streamer.postgres.source import PostgresSource


class Keys:
    """The keys of a source's tables."""

    def __init__(self, source: PostgresSource) -> None:
        self._source = source

    async def count(self, table: Table, where: str = "") -> int:
        """How many rows `table` has for which `where` is true ('': all)."""
        return await self._source.count(table, where)

    async def absent(self, plan: TablePlan, keys: Sequence[Key]) -> set[int]:
        """The places in `keys` of those that no row has now; SourceError where one is no such key."""
        if not keys:
            return set()
        columns = [list(column) for column in zip(*keys, strict=True)]
        sql = absent_query(plan)

        async def work(session: Session) -> set[int]:
            return {int(row[0]) - 1 for row in await rows_of(session, sql, *columns)}

        return await self._source.run(f"looking for rows of {plan.name}", work)

    async def sample(self, plan: TablePlan, rows: int) -> list[Key]:
        """The keys of about so many rows of a table with a key, each once."""
        sql = sample_query(plan, rows)

        async def work(session: Session) -> list[Key]:
            found = await rows_of(session, sql)
            return list(dict.fromkeys(tuple(map(str, row)) for row in found))[:rows]

        return await self._source.run(f"sampling {plan.name}", work)
