"""Many values at once give what one by one gives, or leave it to that."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from datetime import UTC, date, datetime
from functools import partial

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from streamer.files import columns, derived
from streamer.files.cells import _TOKENS as MAKERS  # pyright: ignore[reportPrivateUsage]
from streamer.files.derived import Derivation, WrongValueError
from streamer.model import Storage

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
WHOLE = st.integers(-(2**63), 2**63 - 1)
DECIMALS = st.decimals(allow_nan=False, allow_infinity=False, places=3).map("{:f}".format)
DOUBLES = st.floats(allow_nan=False, allow_infinity=False)
MOMENTS = st.datetimes()


def _printed(moment: datetime, zone: str) -> str:
    """A timestamp as PostgreSQL has it in JSON."""
    text = moment.isoformat()
    return (text.rstrip("0") if moment.microsecond else text) + zone


USUAL: dict[str, tuple[Derivation, st.SearchStrategy[object]]] = {
    "text": (derived.text, TEXTS.filter(lambda text: "\0" not in text)),
    "integer": (derived.integer, WHOLE),
    "boolean": (derived.boolean, st.booleans()),
    "double": (derived.double, DOUBLES | WHOLE),
    "double, NULL for NaN": (derived.no_special(derived.double), DOUBLES),
    "decimal": (derived.decimal, DECIMALS),
    "decimal, NULL for NaN": (derived.no_special(derived.decimal), DECIMALS),
    "decimal as double": (derived.nearest_double, DECIMALS),
    "uuid": (derived.uuid, st.uuids().map(str)),
    "bytes": (derived.hex_digits, st.binary(max_size=4).map(lambda found: f"\\x{found.hex()}")),
    "date": (derived.date, st.dates().map(date.isoformat)),
    **{
        f"timestamp {choice}, {'with' if zone else 'without'} zone": (
            derived.moment(choice, zoned=bool(zone)),
            MOMENTS.map(partial(_printed, zone=zone)),
        )
        for choice in ("exact", "iso", "unixms")
        for zone in ("", "+00:00")
    },
}
ODD: Sequence[object] = (
    *(
        True,
        7,
        1.5,
        2**63,
        -(2**63) - 1,
        2**64 - 1,
        [],
        {},
        "",
        "\0",
        "NaN",
        "Infinity",
        "infinity",
    ),
    *("-0", "007", "1\n2", "1.", ".5", "1e3", "1_0", "\u0661", "0x10", "0\n", "\n", " 1", "-"),
    *("2023-02-29", "0000-01-01", "2024-13-01", "2024-02-29", "2024-01-01 BC", "12024-01-01"),
    *("2020-W01-1", "2024-02-30T00:00:00", "2024-01-01T24:00:00", "2024-01-01T24:00:00+00:00"),
    *("2024-01-01T00:00:60", "2024-01-01T00:00:00.50", "2024-01-01T00:00:00.50+00:00"),
    *("2024-01-01T00:00:00.1234567", "2024-01-01T00:00:00+01:00", "2024-01-01 00:00:00"),
    *("2024-01-01T00:00:00Z", "2024-01-01T00:00:00.0+00:00", "0000-01-01T00:00:00+00:00"),
    *(
        "0" * 36,
        "0" * 8 + "-0000-0000-0000-" + "0" * 11 + "\n",
        "A" * 8 + "-0000-0000-0000-" + "0" * 12,
    ),
    *("\\x0", "\\xAB", "\\xgg", "x00", "ä" * 10, "2024-01-0\u0661", "0\u0660-0"),
)


def one_by_one(make: Derivation, values: Sequence[object]) -> list[str | None] | None:
    try:
        return [None if value is None else make(value) for value in values]
    except WrongValueError:
        return None


@pytest.mark.parametrize("name", USUAL)
@given(data=st.data())
def test_usual_values_are_made_at_once_as_they_are_one_by_one(
    name: str, data: st.DataObject
) -> None:
    make, values = USUAL[name]
    column = data.draw(st.lists(st.none() | values, min_size=1, max_size=8))

    found = columns.many(make)(column)

    assert found is not None
    assert [*found] == one_by_one(make, column)


@pytest.mark.parametrize("name", USUAL)
@given(data=st.data())
def test_whatever_is_made_at_once_is_what_one_by_one_makes(name: str, data: st.DataObject) -> None:
    make, usual = USUAL[name]
    values = st.none() | usual | st.sampled_from(ODD)
    column = data.draw(st.lists(values, min_size=1, max_size=5))

    found = columns.many(make)(column)

    assert found is None or [*found] == one_by_one(make, column)


@pytest.mark.parametrize("name", USUAL)
def test_an_odd_value_is_never_taken_for_another(name: str) -> None:
    make, _ = USUAL[name]

    for column in [column for odd in ODD for column in ([odd], [odd, None], [None, odd, odd])]:
        found = columns.many(make)(column)

        assert found is None or [*found] == one_by_one(make, column)


ANY_JSON = st.recursive(
    st.booleans() | st.integers() | st.floats() | TEXTS | st.sampled_from(ODD),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXTS, inner, max_size=2),
    max_leaves=3,
)


@pytest.mark.parametrize("name", USUAL)
@given(value=ANY_JSON)
@example(value=[1])
@example(value={})
def test_whatever_stands_in_a_file_is_made_or_is_a_wrong_value(name: str, value: object) -> None:
    make, _ = USUAL[name]

    try:
        cell = make(value)
    except WrongValueError:
        return
    assert cell is None or isinstance(cell, str)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | TEXTS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXTS, inner, max_size=2),
    max_leaves=4,
).map(partial(json.dumps, ensure_ascii=False))
MARK = '"\u00b7next\u00b7"'
SHARDS = st.sampled_from(
    ("[1", "2]", "1,2", "[", "]", "", '"', '"\\', f"1,{MARK},2", f"[1,{MARK}", MARK, "{}", "1")
)


@given(st.lists(st.none() | JSON, max_size=5))
def test_what_is_json_is_known_as_such(cells: list[str | None]) -> None:
    assert columns.all_json(cells)


@given(st.lists(st.none() | JSON | SHARDS, max_size=5))
@example(["1,2", "[3", "4]"])
@example(["[1", "2]"])
@example([f"1,{MARK},2", "[3", "4]"])
@example(['"', '"'])
def test_what_is_known_as_json_is_json_cell_by_cell(cells: list[str | None]) -> None:
    if columns.all_json(cells):
        for cell in cells:
            assert cell is None or orjson.loads(cell) is not NotImplemented


NUMBERS = (
    WHOLE.map(str)
    | DOUBLES.map(repr)
    | DECIMALS
    | st.sampled_from(("NaN", "Infinity", "null", "007", "1_0", "1e400", "9" * 400, "-0", "1\n2"))
)
CELLS = {
    Storage.INTEGER: NUMBERS | TEXTS,
    Storage.REAL: NUMBERS | TEXTS,
    Storage.TEXT: TEXTS,
    Storage.BLOB: st.binary(max_size=4).map(bytes.hex),
}


@given(st.data(), st.sampled_from((",\n", "\n")))
def test_lines_hold_the_tokens_of_each_cell(data: st.DataObject, between: str) -> None:
    rows = data.draw(st.integers(1, 4))
    table = {
        name: (
            storage,
            data.draw(st.lists(st.none() | CELLS[storage], min_size=rows, max_size=rows)),
        )
        for name, storage in zip(("i", "r%s", 't"ü', "b"), CELLS, strict=True)
    }
    storages = [storage for storage, _ in table.values()]
    made = columns.Lines([*table], storages, [MAKERS[storage] for storage in storages])

    text = made.text([cells for _, cells in table.values()], between)

    assert text.split(between) == [
        "{"
        + ",".join(
            f"{orjson.dumps(name).decode()}:{MAKERS[storage](cells[row])}"
            for name, (storage, cells) in table.items()
        )
        + "}"
        for row in range(rows)
    ]
    for line in text.split(between):
        orjson.loads(line)


@given(NUMBERS | TEXTS)
def test_a_number_stands_as_one_where_json_and_doubles_know_it(cell: str) -> None:
    if derived.is_number(cell):
        assert math.isfinite(float(cell))
        assert isinstance(orjson.loads(cell), int | float)


def test_a_moment_of_the_usual_kind_loses_nothing_but_its_zone() -> None:
    moment = datetime(2024, 2, 29, 23, 59, 59, 120_000, tzinfo=UTC)
    make = columns.many(derived.moment("exact", zoned=True))

    assert make([f"{moment:%Y-%m-%dT%H:%M:%S}.12+00:00", None]) == ["2024-02-29 23:59:59.12", None]
