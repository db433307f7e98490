"""Doubles stay exact on engines that read decimal text inexactly."""

from __future__ import annotations

import math

import orjson
from hypothesis import given
from hypothesis import strategies as st

from streamer.model import Result
from streamer.pack.doubles import (
    HARD_DOUBLES,
    exact_cell,
    exact_sql,
    hard_doubles_probe,
    mantissa_exponent,
    probe_is_exact,
)
from tests.engines.limited_sqlite import LimitedSqlite


def test_an_engine_that_reads_text_exactly_passes_the_probe() -> None:
    probe = hard_doubles_probe()

    rows = LimitedSqlite().rows(probe.sql, *orjson.loads(probe.params))

    assert probe_is_exact(Result(rows=tuple(rows)))


def test_a_single_double_that_is_off_fails_the_probe() -> None:
    count = len(HARD_DOUBLES)

    assert probe_is_exact(Result(rows=((float(count), float(count)),)))
    assert not probe_is_exact(Result(rows=((count - 1, count),)))
    assert not probe_is_exact(Result())


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_mantissa_and_exponent_make_the_double_again(value: float) -> None:
    mantissa, exponent = mantissa_exponent(value)

    assert mantissa * math.pow(2, exponent) == value
    assert abs(mantissa) <= 2**53


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_the_exact_cell_is_stored_as_the_double_itself(value: float) -> None:
    cell = exact_cell(repr(value))

    assert cell is not None
    stored = LimitedSqlite().rows(f"SELECT CAST({exact_sql('?1')} AS REAL)", cell)
    assert stored == [(value,)]


def test_what_is_safe_or_no_number_travels_as_it_is() -> None:
    for text in [None, "NaN", "-Infinity", "0", "-0", "1e20", "1.5", "-1e-20", "", "abc"]:
        assert exact_cell(text) == text
    assert exact_cell("1e-21") == "[5316911983139663,-122]"
