from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkpoints.records import (
    BadRowError,
    Row,
    RunRecord,
    StepRecord,
    Tally,
    contents,
    run_row,
    step_row,
)


def step(step_id: int = 1, **changes: int) -> StepRecord:
    numbers = {"next_number": 0, "rows": 0, "bytes": 0} | changes
    return StepRecord(step_id, "public.t", "rows", "open", None, **numbers, document={})


RUN = run_row(RunRecord("r", "loading", 1, {}))
EMPTY = Tally("store", 0, None, {})


@pytest.mark.parametrize("field", ["next_number", "rows", "bytes"])
@pytest.mark.parametrize("number", [-1, 2**63])
def test_a_number_that_sqlite_cant_hold_is_refused(field: str, number: int) -> None:
    with pytest.raises(ValueError, match=f"step 1: {field}"):
        step(**{field: number})


def test_a_negative_epoch_is_refused() -> None:
    with pytest.raises(ValueError, match="epoch"):
        RunRecord("r", "loading", -1, {})


@given(st.integers(0, 9), st.data())
def test_any_other_value_in_any_cell_is_noticed(number: int, data: st.DataObject) -> None:
    rows = {"run": RUN, "step": step_row(step(number))}
    tally = EMPTY.after(runs=[rows["run"]], steps=[rows["step"]])
    rows["seal"] = tally.seal_row()
    table = data.draw(st.sampled_from(sorted(rows)))
    row = rows[table]
    place = data.draw(st.integers(0, len(row) - 1))
    cell = data.draw(
        st.none() | st.integers() | st.text() | st.floats() | st.binary() | st.booleans()
    )
    if cell == row[place]:
        cell = "other"
    rows[table] = (*row[:place], cell, *row[place + 1 :])  # type: ignore[assignment] - what SQLite may give

    with pytest.raises(BadRowError):
        contents(seals=[rows["seal"]], runs=[rows["run"]], steps=[rows["step"]])


@given(st.lists(st.sets(st.integers(0, 5), max_size=4), max_size=6))
def test_the_tally_kept_over_saves_is_the_tally_of_what_is_there(saves: list[set[int]]) -> None:
    tally, there = EMPTY.after(runs=[RUN], steps=[]), dict[int, Row]()
    for number, ids in enumerate(saves):
        rows = [step_row(step(step_id, rows=number)) for step_id in ids]
        tally = tally.after(runs=[], steps=rows)
        there |= dict(zip(ids, rows, strict=True))

        found = contents(
            seals=[tally.seal_row()], runs=[RUN], steps=[there[key] for key in sorted(there)]
        )

        assert found.tally == tally


def test_a_row_too_many_is_noticed() -> None:
    tally = EMPTY.after(runs=[RUN], steps=[])

    with pytest.raises(BadRowError, match="2 rows where 1 were saved"):
        contents(seals=[tally.seal_row()], runs=[RUN], steps=[step_row(step())])


def test_complaints_dont_quote_cells() -> None:
    row = step_row(StepRecord(1, "t", "rows", "open", ("secret",), 0, 0, 0, {}))
    bad: Row = (*row[:-1], 0)

    with pytest.raises(BadRowError) as caught:
        contents(seals=[EMPTY.seal_row()], runs=[], steps=[bad])

    assert "secret" not in str(caught.value)
