"""Rows printed as JSON: the same whether they are sent as a whole, in parts, or looked at singly."""

from __future__ import annotations

import apsw
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.model.printed import PrintedRows, double_quoted, printed_cells
from streamer.postgres.copied import printed_rows
from tests.engines.copied import copied_lines

NO_NUL = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8)
CELLS = (
    st.none()
    | st.integers(-(2**63), 2**63 - 1)
    | NO_NUL
    | st.sampled_from(["\n", '\\"', "\\", "\\'", "'\"'", '"\n', "\u2028\\"])
)
ROWS = st.integers(1, 3).flatmap(
    lambda width: st.lists(st.lists(CELLS, min_size=width, max_size=width), min_size=1, max_size=9)
)
Cell = str | int | None


def made(rows: list[list[Cell]]) -> PrintedRows:
    found = printed_rows(copied_lines(rows), len(rows))
    assert isinstance(found, PrintedRows)
    return found


def parsed(rows: PrintedRows) -> list[list[Cell]]:
    """The rows as D1 sees them in a request."""
    parameter = b"".join(rows.as_parameter())
    (text,) = orjson.loads(parameter)
    assert (len(parameter), len(text.encode())) == (rows.parameter_bytes, rows.json_bytes)
    (standard,) = orjson.loads(b"".join(rows.standard().as_parameter()))
    assert standard == double_quoted(text) == double_quoted(standard)
    assert stored(text) == stored(rows.as_json()) == orjson.loads(standard)
    return orjson.loads(standard)


def stored(rows: str | bytes) -> list[list[Cell]]:
    """What SQLite makes of them, be they text or a BLOB."""
    database = apsw.Connection(":memory:")
    return [
        [database.execute("SELECT ?1->>?2", (row, n)).get for n in range(len(found))]
        for (row,) in database.execute("SELECT jsonb(value) FROM json_each(?1)", (rows,))
        for found in [orjson.loads(database.execute("SELECT json(?1)", (row,)).get)]
    ]


@given(ROWS, st.data())
def test_rows_are_the_same_as_a_whole_in_parts_and_singly(
    rows: list[list[Cell]], data: st.DataObject
):
    found = made(rows)
    end = data.draw(st.integers(1, len(rows)))
    start = data.draw(st.integers(0, end - 1))
    texts = [[cell if cell is None else str(cell) for cell in row] for row in rows]

    assert parsed(found) == rows
    assert parsed(found.part(start, end)) == rows[start:end]
    assert [printed_cells(text) for (text,) in found] == texts
    assert found[start:end] == [found[at] for at in range(start, end)]
    assert printed_cells(found[-1][0]) == texts[-1]


def test_rows_longer_than_a_slice_are_cut_nowhere_else_than_between_them():
    rows: list[list[Cell]] = [[n, "é" * n, '"' * (n % 3)] for n in range(900)]
    rows.append([0, "long" * 100_000])

    assert parsed(made(rows)) == rows
    assert parsed(made(rows[-1:])) == rows[-1:]


@pytest.mark.parametrize("digits", range(1, 9))
def test_no_array_is_taken_for_binary_json(digits: int):
    # JSONB's first byte tells a kind and a length, as "[" could for an array of as many bytes.
    assert stored(made([[10 ** (digits - 1)]]).as_json()) == [[10 ** (digits - 1)]]


def test_of_no_rows_nothing_is_made():
    assert printed_rows(b"", 0) == ()
