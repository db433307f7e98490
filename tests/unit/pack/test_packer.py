"""Pages become chunks: every row once, in order, within every limit, and fat rows too."""

from __future__ import annotations

from itertools import pairwise

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer import limits
from streamer.errors import BadRowsError
from streamer.model import Chunk, Pack, Page, PageSize, Statement, Storage
from streamer.pack import adjust_page, oversized_rows, pack_page
from streamer.pack.layout import PARAMETER_BYTES
from tests.engines.limited_sqlite import (
    PAGES,
    STEP,
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
ONE_TEXT = table_plan([column("k", Storage.INTEGER), column("a")])
ONE_BLOB = table_plan([column("k", Storage.INTEGER), column("a", Storage.BLOB)])


def body_bytes(chunk: Chunk) -> int:
    return sum(len(b"".join(statement.pieces)) + len(",") for statement in chunk.statements)


@given(
    sample=samples(),
    form=st.sampled_from(FORMS),
    chunk_bytes=st.integers(1, 5_000),
    max_statements=st.integers(1, 99),
    paged=st.sampled_from(PAGES),
)
@settings(max_examples=100, deadline=None)
def test_chunks_cover_the_page_without_gap_or_overlap_and_keep_to_their_size(
    *, sample: Sample, form: Pack, chunk_bytes: int, max_statements: int, paged: Paged
) -> None:
    page = paged(sample.rows)
    layout = layout_of(sample.plan, form)

    chunks = pack_page(
        layout,
        page,
        step=STEP,
        number=7,
        after=("before",),
        max_statements=max_statements,
        chunk_bytes=chunk_bytes,
    )

    assert [c.number for c in chunks] == list(range(7, 7 + len(chunks)))
    assert sum(c.rows for c in chunks) == len(sample.rows)
    assert chunks[0].after == ("before",)
    assert all(low.last == high.after for low, high in pairwise(chunks))
    ends = [sum(c.rows for c in chunks[: n + 1]) for n in range(len(chunks))]
    assert [c.last for c in chunks] == [page.key_of(end - 1) for end in ends]
    assert all(c.bytes == body_bytes(c) for c in chunks)
    assert all(c.bytes <= chunk_bytes or len(c.statements) == 1 for c in chunks)
    assert all(len(c.statements) <= max_statements for c in chunks)
    assert LimitedSqlite(sample.plan.create_sql).write(chunks) == len(sample.rows)


def test_a_chunk_goes_beyond_its_size_for_a_single_row_only() -> None:
    rows = [(str(k), "x" * (2_000 if k == 20 else 10)) for k in range(30)]
    frame = Statement(layout_of(ONE_TEXT).json_sql, b"").bytes

    chunks = packed(layout_of(ONE_TEXT), page_of(rows), chunk_bytes=frame + 600)

    assert all(c.bytes <= frame + 600 or c.rows == 1 for c in chunks)
    assert any(c.bytes > frame + 600 for c in chunks)
    assert any(c.rows > 1 for c in chunks)


def test_a_page_slightly_too_big_becomes_two_chunks_of_the_same_size() -> None:
    rows = [(str(1_000 + k), "x" * 200) for k in range(1_000)]

    chunks = packed(layout_of(ONE_TEXT), page_of(rows), chunk_bytes=200_000)

    assert [c.rows for c in chunks] == [500, 500]


def test_a_page_that_fits_is_one_statement() -> None:
    rows = [(str(k), "x" * 200) for k in range(1_000)]

    (chunk,) = packed(layout_of(ONE_TEXT), page_of(rows))

    assert len(chunk.statements) == 1
    (text,) = orjson.loads(chunk.statements[0].params)
    assert [tuple(row) for row in orjson.loads(text)] == rows


@pytest.mark.parametrize("length", [PARAMETER_BYTES - 10, PARAMETER_BYTES, 1_999_990])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("paged", PAGES)
def test_a_row_at_the_edge_of_the_parameter_arrives(
    *, length: int, form: Pack, paged: Paged
) -> None:
    rows = [("1", "a"), ("2", "é" + "x" * (length - 2)), ("3", None)]
    database = LimitedSqlite(ONE_TEXT.create_sql)
    page = paged(rows)

    chunks = packed(layout_of(ONE_TEXT, form), page)

    assert (database.write(chunks), database.write(chunks)) == (3, 0)
    assert database.rows("SELECT length(CAST(a AS BLOB)), substr(a,1,2) FROM t WHERE k = 2") == [
        (length, "éx")
    ]


@pytest.mark.parametrize("form", FORMS)
def test_texts_that_escaping_blows_up_travel_as_they_are(form: Pack) -> None:
    text = '\x01"\\\n' * 200_000
    database = LimitedSqlite(ONE_TEXT.create_sql)

    chunks = packed(layout_of(ONE_TEXT, form), page_of([("1", text)]))

    assert (database.write(chunks), database.write(chunks)) == (1, 0)
    assert database.rows("SELECT a FROM t") == [(text,)]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("size", [999_000, 1_000_000, 1_000_001, 1_999_990])
def test_blobs_longer_than_a_parameter_of_digits_arrive_whole(form: Pack, size: int) -> None:
    blob = (bytes(range(256)) * (size // 256 + 1))[:size]
    database = LimitedSqlite(ONE_BLOB.create_sql)

    chunks = packed(layout_of(ONE_BLOB, form), page_of([("1", blob.hex()), ("2", "")]))

    assert (database.write(chunks), database.write(chunks)) == (2, 0)
    assert database.rows("SELECT a, typeof(a) FROM t WHERE k = 1") == [(blob, "blob")]


def test_many_middling_cells_make_a_fat_row_of_at_most_a_hundred_parameters() -> None:
    columns = [column("k", Storage.INTEGER), *(column(f"c{n}") for n in range(99))]
    plan = table_plan(columns)
    cells = ("9007199254740993", *("\x01" * 20_100 for _ in range(99)))
    database = LimitedSqlite(plan.create_sql)

    chunks = packed(layout_of(plan), page_of([cells]))

    assert (database.write(chunks), database.write(chunks)) == (1, 0)
    assert database.rows("SELECT k, sum(length(c0) + length(c98)) FROM t") == [
        (9007199254740993, 40_200)
    ]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("plan", "cell"), [(ONE_TEXT, "é" * 1_000_000), (ONE_BLOB, "00" * 2_000_000)]
)
def test_a_row_that_no_statement_can_store_is_named_without_its_values(form, plan, cell) -> None:
    page = page_of([("79", "ff" * 999_995), ("80", "00"), ("81", cell)])
    layout = layout_of(plan, form)

    with pytest.raises(BadRowsError) as caught:
        packed(layout, page)

    assert "public.t, key 81: the row takes 2,000,00" in str(caught.value)
    assert "D1 takes 2,000,000" in str(caught.value)
    assert cell[:4] not in str(caught.value).replace("2,000,000", "")
    assert [(row.index, row.key) for row in oversized_rows(layout, page)] == [(2, ("81",))]


@given(st.integers(0, 40), st.integers(-(2**63), 2**63 - 1), st.binary(max_size=10))
@settings(max_examples=60, deadline=None)
def test_the_size_of_a_row_is_the_engines_own(short: int, number: int, blob: bytes) -> None:
    columns = [
        column("k"),
        column("n", Storage.INTEGER),
        column("b", Storage.BLOB),
        column("r", Storage.REAL),
        column("none"),
    ]
    plan = table_plan(columns, ())
    database = LimitedSqlite(plan.create_sql)
    rest = 2_000_000 - 30 - short
    row = (str(short), "é" + "x" * rest, str(number), blob.hex(), "0.1", None)
    layout = layout_of(plan)
    page = page_of([row])

    try:
        chunks = packed(layout, page)
    except BadRowsError:
        direct = (*row[1:3], blob, 0.1, None)
        with pytest.raises(Exception, match="too big"):
            database.connection.execute("INSERT INTO t VALUES(?,?,?,?,?)", direct)
    else:
        assert database.write(chunks) == 1


def test_a_text_that_is_no_unicode_is_refused_without_showing_it() -> None:
    with pytest.raises(BadRowsError, match=r"public\.t, keys 1 to 1: a cell isn't text"):
        pack_page(
            layout_of(ONE_TEXT),
            page_of([("1", "secret\ud800")]),
            step=STEP,
            number=0,
            after=("0",),
        )


def test_a_nested_value_in_a_printed_row_is_a_fault_not_data() -> None:
    page = Page([('["1",{"a":1}]', "1")], 1, (1,), json_rows=True)

    with pytest.raises(ValueError, match="JSON dict"):
        packed(layout_of(ONE_TEXT, Pack.VALUES), page)


@pytest.mark.parametrize("form", FORMS)
def test_bare_numbers_and_truths_in_a_printed_row_are_stored_exactly(form: Pack) -> None:
    plan = table_plan(
        [column("k", Storage.INTEGER), column("a", Storage.INTEGER), column("r", Storage.REAL)]
    )
    database = LimitedSqlite(plan.create_sql)
    page = Page(
        [("[9223372036854775807,true,1.5]", "9223372036854775807")], 1, (1,), json_rows=True
    )

    database.write(packed(layout_of(plan, form), page))

    assert database.rows("SELECT * FROM t") == [(2**63 - 1, 1, 1.5)]


@given(
    st.integers(1, 50_000),
    st.integers(1, 10**9),
    st.integers(1, limits.VALUE_BYTES),
    st.integers(1, 20_000),
    st.floats(0, 10),
)
def test_the_next_page_grows_fourfold_at_most_and_never_stops(
    rows: int, packed: int, target: int, current: int, spread: float
) -> None:
    size = PageSize(current, spread=spread)

    adjust_page(size, rows=rows, packed_bytes=packed, target_bytes=target)

    assert 1 <= size.rows <= min(20_000, current * 4)
    assert size.rows == 1 or size.rows * packed / rows <= target


def test_pages_fill_their_chunks_the_better_the_less_rows_vary() -> None:
    steady, unsteady = PageSize(4_000), PageSize(4_000)
    for number in range(20):
        adjust_page(steady, rows=4_000, packed_bytes=400_000 + number, target_bytes=440_000)
        wide = 400_000 + 20_000 * (number % 2)
        adjust_page(unsteady, rows=4_000, packed_bytes=wide, target_bytes=440_000)

    assert steady.rows == 4_355  # 0.99 of 4,400
    assert unsteady.rows * 105 <= 440_000  # nor would the wider rows be too many


def test_a_page_of_nothing_says_nothing_about_the_next() -> None:
    size = PageSize(500)

    adjust_page(size, rows=0, packed_bytes=0, target_bytes=900_000)

    assert repr(size) == repr(PageSize(500))
