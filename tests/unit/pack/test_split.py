"""What D1 won't take at once is cut into parts that leave the same behind."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.model import Batch, Chunk, Pack, Page, Storage
from streamer.pack import Engine, Layout, halve, halve_chunk
from tests.engines.limited_sqlite import (
    PAGES,
    LimitedSqlite,
    Paged,
    Sample,
    chunk,
    column,
    layout_of,
    packed,
    page_of,
    samples,
    table_plan,
)


def down_to_rows(layout: Layout, whole: Chunk) -> list[Chunk]:
    parts = halve_chunk(layout, whole)
    if parts is None:
        return [whole]
    return [row for part in parts for row in down_to_rows(layout, part)]


@given(st.lists(st.integers(1, 5_000), min_size=2, max_size=30))
def test_halves_of_a_batch_hold_its_chunks_in_order(sizes: list[int]) -> None:
    batch = Batch(tuple(chunk(n, size) for n, size in enumerate(sizes)))

    halves = halve(batch)

    assert halves is not None
    first, second = halves
    assert first.chunks + second.chunks == batch.chunks
    assert first.chunks
    assert second.chunks
    largest = max(c.bytes for c in batch.chunks)
    assert abs(first.bytes - second.bytes) <= largest


def test_a_batch_of_one_chunk_is_not_halved_by_chunks() -> None:
    assert halve(Batch((chunk(0),))) is None


@given(
    sample=samples(),
    form=st.sampled_from([Pack.JSON, Pack.VALUES, Pack.ROWS]),
    paged=st.sampled_from(PAGES),
)
@settings(max_examples=60, deadline=None)
def test_a_chunk_halved_down_to_single_rows_stores_the_same(
    *, sample: Sample, form: Pack, paged: Paged
) -> None:
    layout = layout_of(sample.plan, form, engine=Engine(exact_floats=False))
    page = paged(sample.rows)
    chunks = packed(layout, page)
    database = LimitedSqlite(sample.plan.create_sql)
    database.write(chunks)
    other = LimitedSqlite(sample.plan.create_sql)

    rows = [part for whole in chunks for part in down_to_rows(layout, whole)]

    assert other.write(rows) == len(sample.rows)
    assert other.cells(sample.plan) == database.cells(sample.plan)
    assert database.write(rows) == 0
    assert all(part.rows == 1 for part in rows)
    assert all(p.bytes == sum(len(b"".join(s.pieces)) + 1 for s in p.statements) for p in rows)


def test_parts_keep_number_and_keys_and_only_the_last_claims_them() -> None:
    layout = layout_of(table_plan([column("k")]))
    (whole,) = packed(layout, page_of([("1",), ("2",), ("3",), ("4",)]))

    rows = down_to_rows(layout, whole)

    assert [part.claims for part in rows] == [False, False, False, True]
    assert {(part.number, part.after, part.last) for part in rows} == {(0, None, ("4",))}
    assert [part.before for part in rows] == [0, 1, 2, 3]


def test_a_single_row_is_not_halved() -> None:
    layout = layout_of(table_plan([column("k"), column("a")]))
    (whole,) = packed(layout, page_of([("1", "\x01" * 500_000)]))

    assert halve_chunk(layout, whole) is None


@pytest.mark.parametrize("number", ["9223372036854775807", "-9007199254740993"])
def test_numbers_that_the_server_printed_bare_stay_exact_when_halved(number: str) -> None:
    plan = table_plan([column("k", Storage.INTEGER), column("a", Storage.INTEGER)])
    layout = layout_of(plan)
    records = [(f"[{n},{number}]", str(n)) for n in range(2)]
    (whole,) = packed(layout, Page(records, 1, (1,), json_rows=True))
    database = LimitedSqlite(plan.create_sql)

    database.write(down_to_rows(layout, whole))

    assert database.rows("SELECT DISTINCT a FROM t") == [(int(number),)]
