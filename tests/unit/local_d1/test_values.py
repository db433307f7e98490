"""What a client sees of a cell."""

import math

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.local_d1.values import number_text, seen_rows

cells = (
    st.none() | st.text() | st.binary(max_size=9) | st.integers(-(2**63), 2**63 - 1) | st.floats()
)


@given(st.lists(st.tuples(cells, cells)))
def test_every_number_is_the_double_nearest_to_it(rows) -> None:
    shown = orjson.loads(orjson.dumps(seen_rows(rows)))

    for row, row_shown in zip(rows, shown, strict=True):
        for cell, cell_shown in zip(row, row_shown, strict=True):
            if isinstance(cell, bytes):
                assert bytes(cell_shown) == cell
            elif isinstance(cell, int | float):
                assert (
                    (float(cell_shown) == float(cell))
                    if math.isfinite(cell)
                    else cell_shown is None
                )
            else:
                assert cell_shown == cell


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_the_text_of_a_double_reads_back_to_it(value: float) -> None:
    assert float(number_text(value)) == value


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (819.0, "819"),
        (-5.0, "-5"),
        (9223372036854775807.0, "9223372036854776000"),
        (-1.2345e20, "-123450000000000000000"),
        (1e20, "100000000000000000000"),
        (float("inf"), "Infinity"),
    ],
)
def test_whole_numbers_are_printed_as_javascript_prints_them(value: float, text: str) -> None:
    assert number_text(value) == text
