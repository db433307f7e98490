"""Rows through the user's function: what it is given, what may come back, what is refused."""

from __future__ import annotations

import enum
import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.errors import BadRowsError
from streamer.model import Storage
from streamer.pipeline.transform.rows import RowTransform, Value
from tests.engines.limited_sqlite import Sample, column, samples, table_plan

KINDS = [column("k", Storage.INTEGER)] + [
    column(name, storage)
    for name, storage in (
        ("n", Storage.INTEGER),
        ("x", Storage.REAL),
        ("t", Storage.TEXT),
        ("b", Storage.BLOB),
    )
]
PLAN = replace(table_plan(KINDS), transform="m:f")
CELLS = ("7", "5", "0.5", "five", "05ff")


def made(**changes: object) -> list[str | None] | None:
    """The cells of a row in which the function changed these values."""
    return RowTransform(PLAN, lambda row: {**row, **changes}).apply(CELLS, ("7",))


def refused(returned: object) -> str:
    with pytest.raises(BadRowsError) as caught:
        RowTransform(PLAN, lambda _: returned).apply(CELLS, ("7",))
    assert caught.value.what.startswith("public.t, key 7: the transform m:f returned ")
    assert "canary" not in str(caught.value)
    return caught.value.what.removeprefix("public.t, key 7: the transform m:f returned ")


def test_a_row_is_given_as_values_of_its_columns() -> None:
    seen: list[dict[str, Value]] = []

    RowTransform(PLAN, seen.append).apply(CELLS, ("7",))
    RowTransform(PLAN, seen.append).apply(("8", "NaN", "Infinity", None, None), ("8",))

    assert seen == [
        {"k": 7, "n": 5, "x": 0.5, "t": "five", "b": b"\x05\xff"},
        {"k": 8, "n": "NaN", "x": "Infinity", "t": None, "b": None},
    ]


@given(samples())
@settings(max_examples=60, deadline=None)
def test_what_comes_back_as_it_was_given_stays_as_postgresql_printed_it(sample: Sample) -> None:
    transform = RowTransform(sample.plan, dict)

    for row in sample.rows:
        assert transform.apply(row, None) == list(row)


@pytest.mark.parametrize(
    ("change", "cell"),
    [
        ({"n": -(2**63)}, "-9223372036854775808"),
        ({"n": True}, "1"),
        ({"n": None}, None),
        ({"x": 0.1 + 0.2}, "0.30000000000000004"),
        ({"x": math.nan}, "NaN"),
        ({"x": -math.inf}, "-Infinity"),
        ({"x": "Infinity"}, "Infinity"),
        ({"x": 2**60}, str(2**60)),
        ({"t": "é😀"}, "é😀"),
        ({"b": b"\x00"}, "00"),
        ({"b": bytearray()}, ""),
    ],
)
def test_values_become_the_cells_that_store_them(
    change: dict[str, object], cell: str | None
) -> None:
    places = {one.source: at for at, one in enumerate(KINDS)}
    ((name, _),) = change.items()

    assert made(**change) == [cell if at == places[name] else was for at, was in enumerate(CELLS)]


class Colour(str, enum.Enum):  # noqa: UP042 (as users write it, and whose str() is 'Colour.RED')
    RED = "red"


class Answer(enum.IntEnum):
    YES = 1


def test_values_of_derived_types_are_stored_as_the_values_that_they_are() -> None:
    assert made(t=Colour.RED, n=Answer.YES, x=Answer.YES) == ["7", "1", "1", "red", "05ff"]


@given(st.floats())
def test_a_double_is_stored_as_a_text_that_is_that_double(value: float) -> None:
    cells = made(x=value)

    assert cells is not None
    assert math.isnan(value) or float(str(cells[2])) == value


def test_a_row_may_be_left_out() -> None:
    assert RowTransform(PLAN, lambda _: None).apply(CELLS, ("7",)) is None


GIVEN = {"k": 7, "n": 5, "x": 0.5, "t": "five", "b": b"\x05\xff"}


@pytest.mark.parametrize(
    ("returned", "said"),
    [
        (["canary"], "list, not a dict or None"),
        ({"k": 7, "n": 5}, "a row without the columns x, t, b"),
        ({**GIVEN, "canary": 1}, "1 columns that aren't there"),
        ({**GIVEN, "k": 8}, "another value in the key column k"),
        ({**GIVEN, "k": "7"}, "another value in the key column k"),
        ({**GIVEN, "n": "canary"}, "str in the column n, which takes int"),
        ({**GIVEN, "n": 1.0}, "float in the column n, which takes int"),
        ({**GIVEN, "n": 2**63}, "an int in the column n that takes more than 64 bits"),
        ({**GIVEN, "x": "canary"}, "str in the column x, which takes float"),
        ({**GIVEN, "x": 2**60 + 1}, "an int in the column x that no double holds exactly"),
        ({**GIVEN, "x": 10**400}, "an int in the column x that no double holds exactly"),
        ({**GIVEN, "t": 5}, "int in the column t, which takes str"),
        ({**GIVEN, "t": "canary\0"}, "a text with a NUL in the column t"),
        ({**GIVEN, "t": "canary\ud800"}, "a text in the column t that isn't valid Unicode"),
        ({**GIVEN, "b": "canary"}, "str in the column b, which takes bytes"),
    ],
)
def test_what_cannot_be_stored_is_refused_without_a_value(returned: object, said: str) -> None:
    assert refused(returned) == said


def test_a_column_that_takes_no_null_gets_none() -> None:
    plan = replace(PLAN, columns=(*KINDS[:3], replace(KINDS[3], not_null=True), KINDS[4]))

    with pytest.raises(BadRowsError, match="None in the column t, which is NOT NULL"):
        RowTransform(plan, lambda row: {**row, "t": None}).apply(CELLS, ("7",))


def test_a_hidden_key_is_in_no_message() -> None:
    plan = replace(PLAN, hides_key=True)

    with pytest.raises(BadRowsError, match=r"^public\.t: the transform m:f failed with KeyError"):
        RowTransform(plan, lambda row: row["canary"]).apply(CELLS, ("7",))
