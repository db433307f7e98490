"""Rows that are packed already can be read, and left out, without touching the others."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streamer.model import Pack, Page, Storage
from streamer.pack import Engine, chunk_rows, without_rows
from tests.engines.limited_sqlite import (
    ENGINES,
    PAGES,
    LimitedSqlite,
    Paged,
    Sample,
    column,
    layout_of,
    packed,
    page_of,
    samples,
    table_plan,
)

FORMS = [Pack.JSON, Pack.VALUES, Pack.ROWS]


@given(sample=samples(), form=st.sampled_from(FORMS), paged=st.sampled_from(PAGES))
def test_the_rows_of_a_chunk_are_those_that_were_packed(
    *, sample: Sample, form: Pack, paged: Paged
) -> None:
    layout = layout_of(sample.plan, form)
    page = paged(sample.rows)

    chunks = packed(layout, page)

    assert [tuple(row) for c in chunks for row in chunk_rows(layout, c)] == list(sample.rows)


@given(
    sample=samples(),
    form=st.sampled_from(FORMS),
    engine=st.sampled_from(ENGINES),
    paged=st.sampled_from(PAGES),
    data=st.data(),
)
def test_a_chunk_without_some_rows_stores_the_others_as_it_would_have(
    *, sample: Sample, form: Pack, engine: Engine, paged: Paged, data: st.DataObject
) -> None:
    gone = data.draw(st.sets(st.sampled_from([row[0] for row in sample.rows])))
    layout = layout_of(sample.plan, form, engine=engine)
    chunks = packed(layout, paged(sample.rows))
    whole, part = LimitedSqlite(sample.plan.create_sql), LimitedSqlite(sample.plan.create_sql)
    whole.write(chunks)
    for key in gone:
        whole.rows("DELETE FROM t WHERE k = ?", str(key))

    for chunk in chunks:
        part.request(without_rows(layout, chunk, lambda row: row[0] in gone))

    assert part.cells(sample.plan) == whole.cells(sample.plan)


@given(sample=samples(), form=st.sampled_from(FORMS))
def test_a_chunk_that_loses_no_row_is_the_same_and_one_that_loses_all_is_empty(
    sample: Sample, form: Pack
) -> None:
    layout = layout_of(sample.plan, form)

    for chunk in packed(layout, page_of(sample.rows)):
        assert without_rows(layout, chunk, lambda _: False) == chunk.statements
        assert without_rows(layout, chunk, lambda _: True) == ()


def test_a_cell_that_does_not_travel_with_its_row_reads_as_null() -> None:
    plan = table_plan(
        [column("k", Storage.INTEGER), column("boss", Storage.INTEGER), column("v")],
        deferred=["boss"],
    )
    rows = [("1", "2", "x"), ("2", None, "y" * 1_200_000)]

    for form in (Pack.VALUES, Pack.ROWS):
        layout = layout_of(plan, form)
        chunks = packed(layout, page_of(rows))
        found = [row for c in chunks for row in chunk_rows(layout, c)]
        assert [row[:2] for row in found] == [["1", None], ["2", None]]


def test_numbers_that_the_server_printed_keep_every_digit() -> None:
    plan = table_plan([column("k", Storage.INTEGER), column("r", Storage.REAL)])
    printed = "[9007199254740993, 0.10000000000000000555]"
    layout = layout_of(plan)

    (chunk,) = packed(layout, Page([(printed, "9007199254740993")], 1, (1,), json_rows=True))

    assert chunk_rows(layout, chunk) == [["9007199254740993", "0.10000000000000000555"]]
