"""Pages through the users' functions: every row is told of once, as a row or as one left out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace

from hypothesis import example, given, settings
from hypothesis import strategies as st

from streamer.model import Key, Pack, Page, PageSize, StepId, StepKind, Storage, TablePlan
from streamer.pack import Layout, chunk_rows, pack_page
from streamer.pipeline import Position
from streamer.pipeline.transform import Transforming
from streamer.pipeline.transform import source as module
from tests.engines.limited_sqlite import column, table_plan

PLAN = replace(
    table_plan(
        [column("k", Storage.INTEGER), column("v"), column("up", Storage.INTEGER)],
        deferred=("up",),
    ),
    transform="m:f",
)
EMPTY = replace(table_plan([column("v"), column("w")], key=()), transform="m:f")


class Numbers:
    """A source of `count` rows; key n has the cells n, `v n` and n + 1, its key text behind them."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.looked_up: list[tuple[str, ...]] = []

    async def read(
        self,
        plan: TablePlan,
        kind: StepKind,
        after: Key | None,
        page_size: PageSize,
        _upto: Key | None = None,
    ) -> AsyncGenerator[Page]:
        assert kind is StepKind.ROWS
        at = int(after[0]) + 1 if after else 0
        while at < self.count:
            end = min(at + page_size.rows, self.count)
            yield self.page(range(at, end), plan)
            at = end

    async def lookup(self, plan: TablePlan, keys: Sequence[Key]) -> list[Page]:
        self.looked_up.append(tuple(c.target for c in plan.columns))
        return [self.page([int(key[0]) for key in keys], plan)]

    def page(self, numbers: Sequence[int], plan: TablePlan) -> Page:
        if plan.key.columns:
            records = [(str(n), f"v{n}", str(n + 1), str(n)) for n in numbers]
            return Page(records, 3, (3,))
        return Page([(str(n), f"v{n}", "w") for n in numbers], 3, (0,))


def transforming(count: int, left_out: set[int], plan: TablePlan = PLAN) -> Transforming:
    def change(row: dict[str, object]) -> dict[str, object] | None:
        if int(str(row["v"])[1:]) in left_out:
            return None
        if row.get("up") == 4:
            row["up"] = None
        return {**row, "v": f"new {row['v']}"}

    return Transforming(Numbers(count), [plan], {"m:f": change})


@given(
    count=st.integers(0, 60),
    left_out=st.sets(st.integers(0, 59)),
    sizes=st.tuples(st.integers(1, 9), st.integers(200, 2_000)),
    after=st.none() | st.integers(0, 59),
    most=st.integers(1, 30),
)
@example(count=20, left_out=set(range(20)), sizes=(5, 500), after=None, most=30)
@settings(max_examples=80, deadline=None)
def test_every_row_is_a_row_of_a_chunk_or_counted_as_left_out_by_it(
    count: int, left_out: set[int], sizes: tuple[int, int], after: int | None, most: int
) -> None:
    layout = Layout.of(PLAN, StepKind.ROWS, Pack.JSON, into_stage=False)
    rows, chunk_bytes = sizes
    key = None if after is None else (str(after),)

    async def read() -> list[Page]:
        pages = transforming(count, left_out).read(PLAN, StepKind.ROWS, key, PageSize(rows))
        return [page async for page in pages]

    before, module.MOST_LEFT_OUT = module.MOST_LEFT_OUT, most
    pages = asyncio.run(read())
    module.MOST_LEFT_OUT = before

    position, at = Position(last=key), -1 if after is None else after
    for page in pages:
        chunks = pack_page(
            layout, page, step=StepId(1), number=0, after=position.last, chunk_bytes=chunk_bytes
        )
        for chunk in chunks:
            covered = range(at + 1, int(chunk.last[0]) + 1)
            at = covered[-1]
            kept = [n for n in covered if n not in left_out]
            assert [row[1] for row in chunk_rows(layout, chunk)] == [f"new v{n}" for n in kept]
            assert (chunk.rows, chunk.skipped) == (len(kept), len(covered) - len(kept))
            assert chunk.last_skipped == (covered[-1] in left_out)
            position = position.moved_over(chunk)
    assert at == max(count - 1, -1 if after is None else after)
    assert position.rows + position.skipped == max(0, at - (-1 if after is None else after))


async def test_a_second_pass_sends_references_as_the_function_makes_them() -> None:
    pages = transforming(8, {2}).read(PLAN, StepKind.EDGES, None, PageSize(3))

    sent = [
        (record[:2], page.key_of(at))
        async for page in pages
        for at, record in enumerate(page.records)
    ]

    assert sent == [((str(n), str(n + 1)), (str(n),)) for n in (0, 1, 4, 5, 6, 7)]


async def test_a_second_pass_over_older_rows_sends_nulls_too() -> None:
    plan = replace(PLAN, null_edges=True)
    pages = transforming(8, {2}).read(plan, StepKind.EDGES, None, PageSize(3))

    assert [r[:2] async for page in pages for r in page.records][2] == ("3", None)


async def test_the_position_of_a_row_without_a_key_is_not_the_functions() -> None:
    pages = transforming(3, {1}, EMPTY).read(EMPTY, StepKind.ROWS, None, PageSize(9))

    assert [page.records async for page in pages] == [[("0", "new v0", "w"), ("2", "new v2", "w")]]


async def test_rows_that_are_looked_up_are_changed_too_and_whole() -> None:
    source = transforming(0, {2, 3})
    fewer = replace(PLAN, columns=(PLAN.columns[0], PLAN.columns[2]))

    (page,) = await source.lookup(fewer, [("2",), ("5",)])
    nothing = await source.lookup(PLAN, [("3",)])

    assert [record[: page.width] for record in page.records] == [("5", "6")]
    assert nothing == []


async def test_a_table_without_a_transform_goes_by_untouched() -> None:
    plain = replace(PLAN, transform="", table=replace(PLAN.table, name=PLAN.table.name))
    source = Transforming(Numbers(2), [plain], {})

    pages = [p async for p in source.read(plain, StepKind.ROWS, None, PageSize(9))]

    assert pages == [Numbers(2).page(range(2), plain)]
