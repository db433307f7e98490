"""Transformed files as a side of a comparison: what is asked of a whole table, and rows by key."""

from __future__ import annotations

import asyncio
import random
from collections import OrderedDict
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing

from streamer.files.source import FilesSource
from streamer.model import (
    Key,
    Page,
    PageSize,
    QualifiedName,
    SourceIdentity,
    StepKind,
    Table,
    TablePlan,
)
from streamer.pack.spelling import in_one_spelling

PAGE_ROWS = 1_000
_SAMPLE_ENDS = 4  # the first and last quarter of a sample are the first and last rows
_KEPT_PAGES = 2


class ComparedFiles:
    """The rows of transformed files, which don't change while they are compared.

    Rows that were read a moment ago aren't looked for again from the beginning of their file.
    """

    def __init__(self, source: FilesSource, rows: Mapping[QualifiedName, int]) -> None:
        """`rows` is how many each table's file has."""
        self._source = source
        self._rows = rows
        self._pages: OrderedDict[tuple[QualifiedName, int], tuple[TablePlan, Page]] = OrderedDict()

    @property
    def identity(self) -> SourceIdentity:
        """Which files these are."""
        return self._source.identity

    def number_leaves(self, table: Table, known: Mapping[int, int] | None = None) -> dict[int, int]:
        """A file has no leaves."""
        return self._source.number_leaves(table, known)

    async def read(
        self,
        plan: TablePlan,
        kind: StepKind,
        after: Key | None,
        page_size: PageSize,
        upto: Key | None = None,
    ) -> AsyncGenerator[Page]:
        """Yield every row behind `after` (and up to `upto`), in the file's order."""
        async with aclosing(self._source.read(plan, kind, after, page_size, upto)) as pages:
            async for page in pages:
                self._keep(plan, page)
                yield page

    async def lookup(self, plan: TablePlan, keys: Sequence[Key]) -> list[Page]:
        """The rows that have these keys, in `plan`'s columns."""
        for known, page in reversed(self._pages.values()):
            if known.name == plan.name and known.columns == plan.columns and known.key == plan.key:
                wanted = set(keys)
                records = [r for at, r in enumerate(page.records) if page.key_of(at) in wanted]
                if len(records) == len(wanted):
                    return [Page(records, page.width, page.key_cells, snapshot=page.snapshot)]
        return await self._source.lookup(plan, keys)

    def _keep(self, plan: TablePlan, page: Page) -> None:
        self._pages[(plan.name, id(page))] = (plan, page)
        while len(self._pages) > _KEPT_PAGES:
            self._pages.popitem(last=False)

    async def count(self, table: Table, where: str = "") -> int:
        """How many rows the table's file holds; what was left out by `where` isn't there."""
        del where
        return self._rows[table.name]

    async def absent(self, plan: TablePlan, keys: Sequence[Key]) -> set[int]:
        """The places in `keys`, texts as D1 gives them, of those that no row has."""
        columns = {column.target: column for column in plan.columns}
        meant = [columns[name] for name in plan.key.targets]
        left: dict[Key, list[int]] = {}
        for at, key in enumerate(keys):
            left.setdefault(in_one_spelling(meant, key), []).append(at)
        pages = self._source.read(plan, StepKind.ROWS, None, PageSize(PAGE_ROWS))
        async with aclosing(pages):
            async for page in pages:
                for at in range(len(page.records)):
                    left.pop(in_one_spelling(meant, page.key_of(at)), None)
                await asyncio.sleep(0)
        return {at for places in left.values() for at in places}

    async def sample(self, plan: TablePlan, rows: int) -> list[Key]:
        """The keys of about so many rows of a table: the first, the last, and others at random."""
        total = self._rows[plan.name]
        ends = rows // _SAMPLE_ENDS
        chosen = {*range(min(ends, total)), *range(max(0, total - ends), total)}
        inner = range(min(ends, total), max(ends, total - ends))
        more = min(len(inner), max(0, min(rows, total) - len(chosen)))
        chosen.update(random.sample(inner, more))
        keys: list[Key] = []
        number = 0
        pages = self._source.read(plan, StepKind.ROWS, None, PageSize(PAGE_ROWS))
        async with aclosing(pages):
            async for page in pages:
                keys += [
                    page.key_of(at) for at in range(len(page.records)) if number + at in chosen
                ]
                number += len(page.records)
        return keys
