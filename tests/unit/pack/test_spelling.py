"""Keys in one spelling: the same row has the same, and no other."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.model import Storage
from streamer.pack.spelling import holds_doubles, in_one_spelling
from tests.engines.limited_sqlite import column

REAL, TEXT, BLOB = column("r", Storage.REAL), column("t"), column("b", Storage.BLOB)


@given(st.floats(allow_nan=False), st.floats(allow_nan=False))
def test_doubles_are_spelled_alike_where_they_are_equal_however_they_are_printed(
    one: float, other: float
) -> None:
    spelled = in_one_spelling([REAL], (f"{one:.17g}",))

    assert in_one_spelling([REAL], (repr(one),)) == spelled
    assert (in_one_spelling([REAL], (repr(other),)) == spelled) == (one == other)


def test_texts_are_spelled_as_they_are_unless_their_column_ignores_case() -> None:
    columns = [TEXT, column("c", nocase=True), BLOB]

    assert in_one_spelling(columns, ("5.0", "Ab", "0aFF")) == ("5.0", "ab", "0aff")


@given(st.floats())
def test_whatever_d1_prints_of_a_finite_number_is_a_double(number: float) -> None:
    assert holds_doubles([REAL], (f"{number:.17g}",)) == math.isfinite(number)
    assert holds_doubles([TEXT, REAL], ("no number", repr(number))) == math.isfinite(number)


@pytest.mark.parametrize(
    "text", ["", "no number", "1_0", " 5", "5 ", "0x10", "1e", ".", "٣", "Inf", "nan"]
)
def test_a_text_that_postgresql_takes_for_no_double_or_d1_stores_none_as_is_none(text: str) -> None:
    assert not holds_doubles([REAL], (text,))


@pytest.mark.parametrize("text", ["5", "5.0", ".5", "5.", "-1e-7", "1.0e+23", "NaN", "-Infinity"])
def test_numbers_and_what_is_stored_as_a_text_for_want_of_one_are_doubles(text: str) -> None:
    assert holds_doubles([REAL], (text,))
