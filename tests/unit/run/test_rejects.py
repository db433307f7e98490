"""Rejected rows in the checkpoint and in files: neither lost nor doubled, whatever was killed between."""

from __future__ import annotations

import json
import stat
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkpoints import StepRecord
from streamer.errors import CheckpointFullError
from streamer.model import (
    ForeignKeyPlan,
    KeyKind,
    KeyPlan,
    QualifiedName,
    Reject,
    StepId,
    StepKind,
    Storage,
)
from streamer.run.rejected import Rejected, all_rejected, pages_with, pages_without, settled
from streamer.run.rejects import Rejects, TooManyRejectsError, beside, lines_of
from streamer.sinks import BadRow, Carried
from tests.engines.limited_sqlite import column, layout_of, table_plan

PLAN = table_plan([column("k", Storage.INTEGER), column("v")], name="t")
CARRIED = Carried(PLAN, layout_of(PLAN))
TABLE = str(PLAN.name)


def bad(key: int, value: str = "precious") -> BadRow:
    return BadRow(CARRIED, StepId(1), 0, (str(key), value), "CHECK constraint failed: c")


def rejects(folder: Path, known: list[Rejected], run: str = "run", most: int = 10) -> Rejects:
    return Rejects(folder / "rejects", run, [PLAN], known, most=most)


def lines(folder: Path) -> list[dict[str, object]]:
    path = folder / "rejects" / "t.ndjson"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def known(found: list[Reject]) -> list[Rejected]:
    return [Rejected(TABLE, StepKind.ROWS, reject) for reject in found]


def a_step(number: int, kind: str, rejected: int = 0) -> StepRecord:
    return StepRecord(number, TABLE, kind, "doing", None, 0, 5, 0, {"rejected": rejected})


@given(st.lists(st.lists(st.integers(0, 9), max_size=450), max_size=4))
def test_pages_hold_every_row_once_in_order_however_they_came(commits: list[list[int]]) -> None:
    records = {1: a_step(1, "rows"), 2: a_step(2, "edges")}
    expected: list[Reject] = []
    for at, keys in enumerate(commits):
        more = [Reject(f"{at}-{n}", (str(key),), "why") for n, key in enumerate(keys)]
        pages = pages_with(records.values(), [(TABLE, StepKind.ROWS, more)])
        records |= {page.step_id: page for page in pages}
        expected += more

    found = all_rejected(records.values())

    assert [row.reject for row in found] == expected
    assert {row.kind for row in found} <= {StepKind.ROWS}
    assert len(
        {str(r.document.get("which")) for r in records.values() if r.kind == "rejected"}
    ) == (len([r for r in records.values() if r.kind == "rejected"]))


def test_rows_that_are_settled_leave_their_pages_and_the_counts_of_their_step() -> None:
    rows = [Reject(str(n), (str(n),), "why") for n in range(5)]
    records = [a_step(1, "rows", 3), a_step(2, "edges", 2)]
    records += pages_with(
        records, [(TABLE, StepKind.ROWS, rows[:3]), (TABLE, StepKind.EDGES, rows[3:])]
    )

    changed = {r.step_id: r for r in settled(records, TABLE, {"0", "3"}, {"1"})}

    assert (changed[1].rows, changed[1].document) == (6, {"rejected": 1, "skipped": 1})
    assert (changed[2].rows, changed[2].document) == (5, {"rejected": 1, "skipped": 0})
    after = {**{r.step_id: r for r in records}, **changed}
    assert [row.reject.line for row in all_rejected(after.values())] == ["2", "4"]
    assert pages_without(after.values(), lambda row: row.reject.line == "9") == []


async def test_a_line_is_whole_private_and_names_row_and_reason(tmp_path: Path) -> None:
    found = await rejects(tmp_path, []).record([bad(1), bad(2, "é\n")])

    one, two = lines(tmp_path)
    assert one == {
        "id": found[0].line,
        "run": "run",
        "table": TABLE,
        "step": "rows",
        "key": {"k": "1"},
        "reason": "CHECK constraint failed: c",
        "row": {"k": "1", "v": "precious"},
    }
    assert two["row"] == {"k": "2", "v": "é\n"}
    assert [reject.key for reject in found] == [("1",), ("2",)]
    modes = [stat.S_IMODE(p.stat().st_mode) for p in sorted((tmp_path / "rejects").rglob("*"))]
    assert modes == [0o600, 0o600]
    assert stat.S_IMODE((tmp_path / "rejects").stat().st_mode) == 0o700


async def test_a_line_that_the_checkpoint_does_not_know_goes_and_others_runs_lines_stay(
    tmp_path: Path,
) -> None:
    await rejects(tmp_path, [], run="other").record([bad(9)])
    first = rejects(tmp_path, [])
    kept = known(await first.record([bad(1)]))
    await first.record([bad(2)])  # and killed before the checkpoint's commit

    resumed = rejects(tmp_path, kept)
    await resumed.forget_unknown(kept)
    await resumed.record([bad(2)])

    assert [row["key"] for row in lines(tmp_path)] == [{"k": "9"}, {"k": "1"}, {"k": "2"}]
    assert resumed.count == 2


async def test_a_line_that_was_cut_off_spoils_none_behind_it(tmp_path: Path) -> None:
    some = rejects(tmp_path, [])
    kept = known(await some.record([bad(1)]))
    path = some.path(QualifiedName("public", "t"))
    path.write_bytes(path.read_bytes() + b'{"id":"half')

    more = known(await some.record([bad(2)]))
    await some.forget_unknown([*kept, *more])

    assert [row["key"] for row in lines(tmp_path)] == [{"k": "1"}, {"k": "2"}]
    assert list(await some.rows(PLAN.name)) == [row.reject.line for row in [*kept, *more]]


async def test_a_line_that_cannot_be_read_while_somebody_mends_it_stays(tmp_path: Path) -> None:
    others = await rejects(tmp_path, [], run="other").record([bad(9)])
    some = rejects(tmp_path, [])
    kept = known(await some.record([bad(1), bad(2)]))
    path = some.path(QualifiedName("public", "t"))
    other, first, second = path.read_text().splitlines()
    spread = json.dumps(json.loads(second), indent=1)
    edited = f"{other[:-1]},\n{first[:-1]},}}\n{spread}\n"
    torn = second.replace(kept[1].reject.line, "0123456789abcdef")[:-5]
    path.write_text(f"{edited}{torn}\n")

    await some.forget_unknown(kept)

    assert path.read_text() == edited
    assert others[0].line in edited


async def test_one_row_more_than_allowed_stops_the_run_and_is_not_written_down(
    tmp_path: Path,
) -> None:
    some = rejects(tmp_path, [], most=2)
    await some.record([bad(1), bad(2)])

    with pytest.raises(TooManyRejectsError, match=r"t, key 3: CHECK.*more than 2 rejected rows"):
        await some.record([bad(3)])

    assert len(lines(tmp_path)) == 2


async def test_the_children_of_a_rejected_row_are_told_by_its_key(tmp_path: Path) -> None:
    some = rejects(tmp_path, [])
    await some.record([bad(7)])

    assert some.holds("t", ("k",), ("7",))
    assert not some.holds("t", ("k",), ("8",))
    assert not some.holds("t", ("v",), ("7",))


async def test_a_folder_that_cannot_be_written_ends_the_run_resumable(tmp_path: Path) -> None:
    (tmp_path / "rejects").write_text("a file")

    with pytest.raises(CheckpointFullError, match="can't be written"):
        await rejects(tmp_path, []).record([bad(1)])


def test_files_lie_beside_the_checkpoint(tmp_path: Path) -> None:
    assert beside(tmp_path / "any.db") == tmp_path / "rejects"
    long = QualifiedName("ü" * 31, "é" * 31)
    assert len(rejects(tmp_path, []).path(long).name) < 255


async def test_lines_that_a_lost_checkpoint_knew_are_found_and_the_same_rows_get_no_others(
    tmp_path: Path,
) -> None:
    await rejects(tmp_path, []).record([bad(1), bad(2)])
    await rejects(tmp_path, [], run="other").record([bad(3)])

    found = await lines_of(tmp_path / "rejects", "run")
    again = rejects(tmp_path, found)
    rejected = await again.record([bad(2), bad(4)])

    assert [(row.table, row.kind, row.reject.key) for row in found] == [
        (TABLE, StepKind.ROWS, ("1",)),
        (TABLE, StepKind.ROWS, ("2",)),
    ]
    assert rejected[0] == found[1].reject
    assert [line["key"] for line in lines(tmp_path)] == [{"k": str(n)} for n in (1, 2, 3, 4)]
    assert again.count == 3
    assert await lines_of(tmp_path / "nothing", "run") == []


def test_a_row_whose_line_is_known_is_in_the_pages_once() -> None:
    rows = [Reject(str(n), (str(n),), "why") for n in range(3)]
    records = {1: a_step(1, "rows")}
    records |= {p.step_id: p for p in pages_with(records.values(), [(TABLE, StepKind.ROWS, rows)])}

    pages = pages_with(records.values(), [(TABLE, StepKind.ROWS, [rows[1], Reject("9", (), "")])])

    records |= {page.step_id: page for page in pages}
    assert [row.reject.line for row in all_rejected(records.values())] == ["0", "1", "2", "9"]


async def test_a_rejected_row_without_a_key_is_known_by_what_others_refer_to_it_by(
    tmp_path: Path,
) -> None:
    keyless = replace(PLAN, key=KeyPlan(KeyKind.PHYSICAL))
    key = ForeignKeyPlan(("r",), keyless.target, ("v",), "to_v")
    child = replace(table_plan([column("r")], name="child"), foreign_keys=(key,))
    carried = Carried(keyless, layout_of(keyless))
    rows = [
        BadRow(carried, StepId(1), 0, (place, "1", value), "CHECK constraint failed: c")
        for place, value in (("65537", "a"), ("65538", None))
    ]

    def begun(known: list[Rejected]) -> Rejects:
        return Rejects(tmp_path / "rejects", "run", [keyless, child], known, most=10)

    before = begun([])
    found = known(await before.record(rows))
    after = begun(found)
    await after.forget_unknown(found)
    settled = begun(found[1:])
    await settled.forget_unknown(found[1:])

    held = [one.holds(keyless.target, ("v",), ("a",)) for one in (before, after, settled)]
    assert held == [True, True, False]
    assert not after.holds(keyless.target, ("v",), ("b",))
    assert not after.holds(keyless.target, ("k",), ("1",))
