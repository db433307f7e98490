"""A source around a source: its rows as the users' functions make them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Protocol

from streamer.model import Key, KeyKind, Page, PageSize, QualifiedName, StepKind, TablePlan
from streamer.pack import step_columns
from streamer.pipeline.transform.rows import Cells, Function, RowTransform

SLICE_ROWS = 64  # after so many calls of a function, others get their turn
MOST_LEFT_OUT = 50_000  # rows, before their leaving out is worth a place in the checkpoint

Record = Sequence[str | None]


class Source(Protocol):
    """Reads tables in key order, and finds rows by key."""

    def read(
        self,
        plan: TablePlan,
        kind: StepKind,
        after: Key | None,
        page_size: PageSize,
        upto: Key | None = None,
    ) -> AsyncGenerator[Page]:
        """Yield every row behind `after` (and up to `upto`), each once, in key order.

        The pages aren't empty.
        """
        ...

    async def lookup(self, plan: TablePlan, keys: Sequence[Key]) -> list[Page]:
        """The rows that have these keys, in `plan`'s columns; keys that nothing has are left out."""
        ...


class Transforming:
    """`source`, with the rows of those of `tables` that have a transform changed by it.

    `functions` are called as the plans call them. A table without a transform goes by untouched.
    """

    def __init__(
        self, source: Source, tables: Sequence[TablePlan], functions: Mapping[str, Function]
    ) -> None:
        self._source = source
        self.tables = tables
        self._plans = {table.name: table for table in tables if table.transform}
        self._transforms: dict[QualifiedName, RowTransform] = {
            name: RowTransform(plan, functions[plan.transform])
            for name, plan in self._plans.items()
        }

    def read(
        self,
        plan: TablePlan,
        kind: StepKind,
        after: Key | None,
        page_size: PageSize,
        upto: Key | None = None,
    ) -> AsyncGenerator[Page]:
        """Yield every row behind `after` (and up to `upto`), or that it was left out, in key order.

        A second pass reads whole rows too: what a function makes of a reference may depend on all of
        the row. Its pages tell of no row that was left out.
        """
        if plan.name not in self._plans:
            return self._source.read(plan, kind, after, page_size, upto)
        pages = self._source.read(plan, StepKind.ROWS, after, page_size, upto)
        if kind is StepKind.ROWS:
            return self._rows(plan, pages)
        return self._edges(plan, pages)

    async def lookup(self, plan: TablePlan, keys: Sequence[Key]) -> list[Page]:
        """The rows that have these keys and aren't left out, in `plan`'s columns."""
        whole = self._plans.get(plan.name)
        if whole is None:
            return await self._source.lookup(plan, keys)
        places = _places([c.target for c in whole.columns], [c.target for c in plan.columns])
        found: list[Page] = []
        for page in await self._source.lookup(replace(plan, columns=whole.columns), keys):
            made = await self._made(whole, page, named=False)
            if made.records:
                found.append(_only(made, places))
        return found

    async def _rows(self, plan: TablePlan, pages: AsyncGenerator[Page]) -> AsyncGenerator[Page]:
        """The pages, of which those that nothing is left of are told of with the next one."""
        waiting: Page | None = None
        async with aclosing(pages):
            async for read in pages:
                page = await self._made(plan, read)
                if waiting is not None:
                    before = waiting.rows_read
                    page = replace(page, left_out=(page.left_out[0] + before, *page.left_out[1:]))
                if page.records or page.rows_read >= MOST_LEFT_OUT:
                    waiting = None
                    yield page
                else:
                    waiting = page
        if waiting is not None:
            yield waiting

    async def _edges(self, plan: TablePlan, pages: AsyncGenerator[Page]) -> AsyncGenerator[Page]:
        """The key and the deferred columns of rows in which one of these is set."""
        rows = [column.target for column in step_columns(plan, StepKind.ROWS)]
        wanted = [column.target for column in step_columns(plan, StepKind.EDGES)]
        places, first = _places(rows, wanted), len(wanted) - len(plan.deferred)
        async with aclosing(pages):
            async for read in pages:
                page = _only(await self._made(plan, read), places)
                kept = [
                    record
                    for record in page.records
                    if plan.null_edges
                    or any(cell is not None for cell in record[first : page.width])
                ]
                if kept:
                    yield replace(page, records=kept)

    async def _made(self, plan: TablePlan, page: Page, *, named: bool = True) -> Page:
        """A page as the function makes it; unless `named`, its keys aren't those of the table."""
        transform = self._transforms[plan.name]
        start = int(plan.key.kind is KeyKind.PHYSICAL)  # the position isn't the function's
        records: list[Record] = []
        left_out = [0]
        for at, record in enumerate(page.records):
            if at % SLICE_ROWS == SLICE_ROWS - 1:
                await asyncio.sleep(0)
            key = page.key_of(at) if named else None
            cells = transform.apply(record[start : page.width], key)
            if cells is None:
                left_out[-1] += 1
            else:
                records.append((*record[:start], *cells, *record[page.width :]))
                left_out.append(0)
        upto = page.last if left_out[-1] else None
        return replace(page, records=records, left_out=tuple(left_out), upto=upto)


def _places(names: Sequence[str], wanted: Sequence[str]) -> list[int]:
    place = {name: at for at, name in enumerate(names)}
    return [place[name] for name in wanted]


def _only(page: Page, places: Sequence[int]) -> Page:
    """The cells of a page at these places, with the keys behind them; of rows that are left."""

    def some(record: Cells, key: Key) -> Record:
        return (*(record[place] for place in places), *key)

    records = [some(record, page.key_of(at)) for at, record in enumerate(page.records)]
    width = len(places)
    keys = tuple(range(width, width + len(page.key_cells)))
    return Page(records, width, keys, snapshot=page.snapshot)
