"""How many requests a plan says: what packing the rows themselves comes to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import orjson
import pytest

from streamer import limits
from streamer.model import Measure, Pack, Page, PageSize, QualifiedName, StepId, TablePlan
from streamer.pack import BatchBuilder, adjust_page, chunk_share, pack_page
from streamer.plan.requests import AUTOMATIC, Packing, row_requests
from tests.engines.limited_sqlite import column, layout_of, table_plan

Row = tuple[str, str]
PLAN = table_plan([column("k"), column("a")])
ALIKE: list[Row] = [(f"{n:06}", "x" * 100) for n in range(20_000)]
FAT: list[Row] = [(f"{n:06}", "x" * (1_000 + 7_919 * n % 30_000)) for n in range(400)]


def packed(rows: Sequence[Row], packing: Packing) -> int:
    """How many requests carry these rows, each packed as a run does it."""
    assert packing.batch_bytes is not None
    layout, share = layout_of(PLAN, packing.pack), chunk_share(packing.batch_bytes)
    most = min(packing.batch_size, limits.BATCH_STATEMENTS - 1)
    builder = BatchBuilder(lambda: packing.batch_bytes or 0, most)
    at, number, batches, pages = 0, 0, 0, PageSize()
    while at < len(rows):
        page = Page(rows[at : at + pages.rows], width=2, key_cells=(0,))
        chunks = pack_page(
            layout,
            page,
            step=StepId(0),
            number=number,
            after=(rows[at - 1][0],) if at else None,
            max_statements=most,
            chunk_bytes=share,
        )
        at, number = at + len(page.records), number + len(chunks)
        batches += sum(len(builder.add(chunk)) for chunk in chunks)
        size = sum(chunk.bytes for chunk in chunks)
        adjust_page(pages, rows=len(page.records), packed_bytes=size, target_bytes=share)
    return batches + (builder.flush() is not None)


def measured(rows: Sequence[Row], pack: Pack, *, one_by_one: bool = False) -> Measure:
    """What is measured of these rows, of each where they are long."""
    escaped = pack is Pack.AUTO
    bodies = [len(orjson.dumps(orjson.dumps(r).decode() if escaped else r)) - 1 for r in rows]
    mean = sum(bodies) / len(bodies)
    return Measure(len(rows), mean, (7.0, mean), bodies=tuple(bodies) if one_by_one else ())


@pytest.mark.parametrize("pack", [Pack.AUTO, Pack.VALUES, Pack.ROWS])
@pytest.mark.parametrize("batch_bytes", [20_000, 150_000, 1_000_000])
@pytest.mark.parametrize("batch_size", [10, 100])
def test_a_plan_says_as_many_requests_as_packing_the_rows_takes(
    pack: Pack, batch_bytes: int, batch_size: int
) -> None:
    packing = Packing(batch_bytes, batch_size, pack)

    (said,) = row_requests([(PLAN, measured(ALIKE, pack))], packing)

    assert said == pytest.approx(packed(ALIKE, packing), rel=0.02, abs=1)


@pytest.mark.parametrize("batch_bytes", [40_000, 100_000, 400_000])
def test_rows_that_leave_requests_half_empty_are_taken_as_they_are(batch_bytes: int) -> None:
    packing = Packing(batch_bytes)

    (said,) = row_requests([(PLAN, measured(FAT, Pack.AUTO, one_by_one=True))], packing)

    assert said == pytest.approx(packed(FAT, packing), rel=0.02, abs=1)


def test_requests_grow_as_a_run_makes_them_grow() -> None:
    (of_start,) = row_requests([(PLAN, measure(100_000_000))], Packing(limits.BATCH_BYTES_START))
    (of_most,) = row_requests([(PLAN, measure(100_000_000))], Packing(limits.BATCH_BYTES_MAX))
    (found,) = row_requests([(PLAN, measure(100_000_000))], AUTOMATIC)

    assert of_most < found < of_most + 6 < of_start


def test_beyond_what_is_played_it_goes_on_as_it_went() -> None:
    (said,) = row_requests([(PLAN, measure(40_000_000_000))], AUTOMATIC)
    (tenth,) = row_requests([(PLAN, measure(4_000_000_000))], AUTOMATIC)

    assert said == pytest.approx(10 * tenth, rel=0.01)


def test_small_tables_share_requests_as_far_as_statements_go() -> None:
    seen = [(named(f"t{n}"), measure(500)) for n in range(1_000)]

    assert row_requests(seen, AUTOMATIC) == [11]
    assert row_requests(seen, Packing(batch_size=10)) == [100]


def test_children_wait_for_their_parents_and_second_passes_for_their_table() -> None:
    parent, child = named("parent"), replace(named("child"), parents=(named("parent").name,))
    deferring = table_plan([column("k"), column("up")], deferred=["up"])

    assert row_requests([(parent, measure(100)), (named("other"), measure(100))], AUTOMATIC) == [1]
    assert row_requests([(parent, measure(100)), (child, measure(100))], AUTOMATIC) == [1, 1]
    assert row_requests([(deferring, measure(100))], AUTOMATIC) == [1, 1]


def test_empty_tables_take_no_request() -> None:
    assert row_requests([(PLAN, measure(0))], AUTOMATIC) == []
    assert row_requests([], AUTOMATIC) == []


def measure(size: int) -> Measure:
    """Rows of 50 bytes that are so many together."""
    return Measure(size // 50, 50.0, (4.0, 40.0))


def named(name: str) -> TablePlan:
    return replace(PLAN, table=replace(PLAN.table, name=QualifiedName("public", name)))
