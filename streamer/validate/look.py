"""Rows that seem to differ, looked at again before it is believed: newly read on both sides."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing

from streamer.frozen import frozen
from streamer.model import Key, Page, PageSize, StepId, StepKind, TablePlan
from streamer.pack import pack_page
from streamer.pack.comparing import Comparison, compared
from streamer.validate.differences import Difference, Kind
from streamer.validate.sides import Sides
from streamer.validate.suspects import Interval

PAGE_ROWS = 1_000


@frozen
class Unequal:
    """A row of a page that D1 lacks (`columns` is None) or holds with other `columns` (targets)."""

    page: Page
    at: int
    columns: tuple[str, ...] | None


class Looker:
    """Looks at rows of one table, one by one; `keys_only`: whether they are there at all."""

    def __init__(self, sides: Sides, plan: TablePlan, *, keys_only: bool) -> None:
        self._sides = sides
        self.plan = compared(plan, keys_only=keys_only)
        self.layout = Comparison.of_table(
            self.plan, engine=sides.engine, keys_only=keys_only, naming=True
        )
        self._sources = {column.target: column.source for column in self.layout.columns}

    async def over(
        self, intervals: Sequence[Interval], heed_stop: Callable[[], None]
    ) -> AsyncGenerator[Difference]:
        """The rows of the intervals that are found unequal, and found so once more."""
        for interval in intervals:
            pages = self._sides.source.read(
                self.plan, StepKind.ROWS, interval.after, PageSize(PAGE_ROWS), interval.last
            )
            async with aclosing(pages):
                async for page in pages:
                    heed_stop()
                    keys = [page.key_of(row.at) for row in await self.unequal(page)]
                    for found in await self.still(keys):
                        yield found

    async def still(self, keys: Sequence[Key]) -> list[Difference]:
        """Of the rows with these keys, read anew, those that are unequal."""
        found: list[Difference] = []
        if not keys:
            return found
        for page in await self._sides.source.lookup(self.plan, keys):
            found += [self.difference(row) for row in await self.unequal(page)]
        return found

    async def same(self, keys: Sequence[Key], column: str) -> set[Key]:
        """Those of the keys whose rows hold the same on both sides in `column` (source name)."""
        found: set[Key] = set()
        for page in await self._sides.source.lookup(self.plan, keys):
            other = {
                row.at
                for row in await self.unequal(page)
                if row.columns is None or column in {self._sources[name] for name in row.columns}
            }
            found |= {page.key_of(at) for at in range(len(page.records)) if at not in other}
        return found

    async def unequal(self, page: Page) -> list[Unequal]:
        """The rows of a page that D1 lacks or holds otherwise."""
        found: list[Unequal] = []
        start = 0
        for chunk in pack_page(self.layout, page, step=StepId(0), number=0, after=None):
            answer = await self._sides.database.execute(chunk.statements)
            for result in answer.results:
                found += [
                    Unequal(page, start + n, columns) for n, columns in self.layout.unequal(result)
                ]
            start += chunk.rows
        return found

    def difference(self, row: Unequal) -> Difference:
        """What there is to say of a row, by the key that a user knows it by."""
        key = row.page.key_of(row.at)
        shown = self._stored_key(row) if self.layout.hides_key else key
        if row.columns is None:
            return Difference(self.layout.name, Kind.MISSING, shown, read_by=key)
        columns = tuple(self._sources[target] for target in row.columns)
        return Difference(self.layout.name, Kind.DIFFERENT, shown, columns, read_by=key)

    def _stored_key(self, row: Unequal) -> Key:
        places = {column.target: n for n, column in enumerate(self.layout.columns)}
        record = row.page.records[row.at]
        return tuple(str(record[places[name]]) for name in self.layout.key)
