import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.model import Rate
from streamer.progress import TableState, TableView, View, Volume
from streamer.progress.view import line, printable, screen
from streamer.progress.wording import duration, size

texts = st.text(max_size=60)
tables = st.builds(
    TableView,
    name=texts,
    state=st.sampled_from(TableState),
    rows=st.integers(0, 10**12),
    rows_estimate=st.integers(-1, 10**12),
)


def a_view(*tables: TableView, rows_per_s: float = 10.0) -> View:
    return View(
        phase="moving rows",
        seconds=130,
        tables=tables,
        speed=Volume(rows_per_s, 2_500_000),
        requests=41,
        window_used=12,
        rate=Rate(1080, 300),
        concurrency=4,
        retries=1,
    )


HALF = TableView("public.a", TableState.MOVING, 500, 1_000)


def test_a_line_says_how_far_how_fast_and_how_long() -> None:
    assert line(a_view(HALF)) == (
        "2m 10s moving rows, 500 of about 1,000 rows (50 %), tables 0/1, 10 rows/s, 2.5 MB/s,"
        " requests 41 (12 of 1,080 in 300 s), 4 at once, retries 1, ETA 50s"
    )


def test_no_end_is_promised_while_a_table_was_never_counted() -> None:
    unknown = TableView("public.b", TableState.WAITING, 0, -1)

    assert a_view(HALF, unknown).eta_s is None
    assert a_view(HALF).eta_s == 50


def test_no_bar_is_full_while_nobody_knows_how_much_is_to_come() -> None:
    unknown = TableView("public.b", TableState.MOVING, 700, -1)

    for shown in screen(a_view(unknown), columns=100, color=False):
        assert "█" not in shown
    assert (
        "█" * 24 in screen(a_view(replace(unknown, rows_estimate=7)), columns=100, color=False)[0]
    )


def test_no_end_is_promised_while_nothing_moves() -> None:
    assert a_view(HALF, rows_per_s=0).eta_s is None


def test_a_table_that_is_done_expects_no_more_than_it_got() -> None:
    assert TableView("a", TableState.DONE, 7, 1_000).expected == 7


@given(st.lists(tables, max_size=30), texts, st.integers(20, 200))
def test_lines_on_a_screen_fit_it_and_hold_nothing_that_moves_the_cursor(
    some: list[TableView], why: str, columns: int
) -> None:
    view = View(
        phase=why,
        seconds=1,
        tables=tuple(some),
        speed=Volume(1, 1),
        requests=1,
        window_used=1,
        rate=None,
        concurrency=1,
        retries=0,
        waiting_s=5,
        waiting_for=why,
    )

    lines = screen(view, columns=columns, color=False)

    assert all(len(text) <= columns for text in lines)
    assert all(text.isprintable() for text in [*lines, line(view)])


def test_80_columns_are_enough_for_every_figure_of_a_large_run() -> None:
    table = TableView("public.a_table_with_a_rather_long_name", TableState.MOVING, 10**8, 9 * 10**8)
    view = replace(
        a_view(table, rows_per_s=12_345),
        seconds=11_220,
        window_used=1_080,
        waiting_s=299,
        waiting_for="the API's limit is used up",
    )

    lines = screen(view, columns=79, color=False)

    shown = " ".join(text.strip() for text in lines)
    assert all(len(text) <= 79 for text in lines)
    assert shown.count("100,000,000 of about 900,000,000 rows") == 2
    assert "(11 %)" in shown
    assert shown.endswith("retries 1, waiting 4m 59s: the API's limit is used up")


def test_colour_is_only_added_where_it_is_wanted() -> None:
    plain = screen(a_view(HALF), columns=100, color=False)
    coloured = screen(a_view(HALF), columns=100, color=True)

    assert "\x1b" not in "".join(plain)
    assert [re.sub(r"\x1b\[\d*m", "", text) for text in coloured] == plain
    assert coloured != plain


def test_bars_do_without_block_characters_where_the_terminal_has_none() -> None:
    assert "".join(screen(a_view(HALF), columns=80, color=False, blocks=False)).isascii()


@given(texts)
def test_printable_keeps_what_is_and_escapes_what_is_not(text: str) -> None:
    shown = printable(text)

    assert shown.isprintable()
    assert shown == text or not text.isprintable()


def test_times_and_sizes_are_written_for_people() -> None:
    assert [duration(s) for s in (0.4, 59.4, 60, 3599, 11_220)] == [
        "0s",
        "59s",
        "1m 00s",
        "59m 59s",
        "3h 07m",
    ]
    assert [size(n) for n in (0, 999, 1_000, 2_345_678, 99_600_000, 10**10)] == [
        "0 B",
        "999 B",
        "1.0 kB",
        "2.3 MB",
        "100 MB",
        "10.0 GB",
    ]


@pytest.mark.parametrize("columns", [60, 70, 80, 100])
def test_bars_give_way_before_figures_do(columns: int) -> None:
    long = TableView("public.a_table_with_a_long_name", TableState.MOVING, 105_613, 336_776)

    first = screen(a_view(long), columns=columns, color=False)[0]

    assert first.endswith(" 105,613 of about 336,776 rows")
    assert len(first) <= columns
