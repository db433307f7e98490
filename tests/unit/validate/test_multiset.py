"""What a value must be in D1, said beforehand and asked of the engine."""

from __future__ import annotations

import math

from hypothesis import assume, given

from streamer.model import Storage
from streamer.validate.multiset import canonical_cell, canonical_sql
from tests.engines.limited_sqlite import (
    LimitedSqlite,
    Sample,
    column,
    layout_of,
    packed,
    page_of,
    samples,
)

# '1e400' is an infinity for SQLite; no plan reads such a text into a column of numbers.
UNREAD = {"9223372036854775808", "1e400", "inf", "-inf", "nan"}


@given(samples())
def test_a_cell_is_read_back_as_it_was_predicted(sample: Sample) -> None:
    assume(all(not UNREAD & set(row) for row in sample.rows))
    database = LimitedSqlite(sample.plan.create_sql)
    database.write(packed(layout_of(sample.plan), page_of(sample.rows)))
    outputs = ", ".join(map(canonical_sql, sample.plan.columns))

    found = database.rows(f"SELECT {outputs} FROM t AS o ORDER BY k")

    assert found == [
        tuple(canonical_cell(c, cell) for c, cell in zip(sample.plan.columns, row, strict=True))
        for row in sample.rows
    ]


def test_zero_has_no_sign_and_texts_that_are_no_numbers_stay_texts() -> None:
    real, whole = column("r", Storage.REAL), column("i", Storage.INTEGER)

    zero = canonical_cell(real, "-0")
    assert isinstance(zero, float)
    assert math.copysign(1, zero) == 1
    assert canonical_cell(real, "NaN") == "t4E614E"
    assert canonical_cell(whole, "-Infinity") == "t2D496E66696E697479"
    assert canonical_cell(whole, "9007199254740993") == "i9007199254740993"
    assert canonical_cell(column("t"), "7") == "t37"
