"""What rows of files come to in D1, without printing all of them again."""

from __future__ import annotations

import orjson
import pytest

from streamer.files.manifest import TransformedColumn
from streamer.files.sizes import Sizes
from streamer.model import Storage, Wire

COLUMNS = (
    TransformedColumn("id", Storage.INTEGER),
    TransformedColumn("name", Storage.TEXT),
    TransformedColumn("share", Storage.REAL),
    TransformedColumn("raw", Storage.BLOB, Wire.HEX),
)


def test_a_row_is_measured_as_it_is_stored_and_as_it_is_sent() -> None:
    sizes = Sizes(COLUMNS)
    row = ["1000", 'kůň "Ž"', "0.125", "00ff00ff"]

    characters = sizes.add(row)
    measure = sizes.measure()

    assert characters == sum(map(len, row))
    assert measure.rows == 1
    assert measure.stored_bytes == (1 + 2, 1 + len(row[1].encode()), 1 + 5, 1 + 4)
    sent = orjson.dumps(orjson.dumps([row, row]).decode()).removeprefix(b'"[').removesuffix(b']"')
    assert measure.body_bytes == pytest.approx((len(sent) - 1) / 2 + 1)


def test_nulls_take_their_type_alone() -> None:
    sizes = Sizes(COLUMNS)

    sizes.add([None, None, None, None])

    assert sizes.measure().stored_bytes == (1, 1, 1, 1)
    assert sizes.measure().body_bytes == len("[null,null,null,null],")


def test_long_rows_count_wherever_they_stand() -> None:
    sizes, rows = Sizes(COLUMNS[:2]), 10_001
    for number in range(1, rows + 1):
        sizes.add(["7", "x" * (50_000 if number % 100 == 1 else 10)])

    measure = sizes.measure()

    texts = 101 * 50_000 + (rows - 101) * 10
    assert measure.stored_bytes[1] == pytest.approx(1 + texts / rows)
    assert measure.body_bytes == pytest.approx(texts / rows, rel=0.05)


def test_no_rows_take_nothing() -> None:
    assert Sizes(COLUMNS).measure().rows == 0
