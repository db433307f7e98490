"""What a run remembers: whatever was written down is there again for the next process."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from checkpoints import (
    CheckpointStore,
    Damaged,
    Foreign,
    Locked,
    Newer,
    RunRecord,
    Unwritable,
)
from checkpoints.errors import CheckpointError
from streamer.errors import CheckpointFullError, CheckpointProblemError, ExitCode
from streamer.model import Chunk, Pack, StepId, StepKind
from streamer.pack import Layout
from streamer.pipeline import Load, Position
from streamer.run import steps
from streamer.run.journal import Journal
from streamer.run.states import RunState, Start, State, StepName, Work
from streamer.run.unwritable import translated
from tests.engines.graphs import planned
from tests.fakes.memory_checkpoint import MemoryCheckpoint, Place

PLAN = planned([(0, 0, False), (1, 2, True), (2, 1, True)])
LOOP = next(t for t in PLAN.tables if t.deferred)
ROWS, EDGES = steps.rows_step(LOOP), steps.edges_step(LOOP)
RUN = RunRecord("run-1", RunState.RUNNING, 1, {"started_at": "2026-11-22", "snapshots": []})
NOTHING_KNOWN = Start(facts={}, done=frozenset())


@dataclass(frozen=True)
class Kind:
    """Opens the journal of one checkpoint, again and again; each closes the one before."""

    store: Callable[[], Awaitable[CheckpointStore | MemoryCheckpoint]]

    async def journal(self) -> Journal:
        store = await self.store()
        return Journal(store, await store.read())


@pytest.fixture(params=["file", "memory"])
def kind(request: pytest.FixtureRequest, tmp_path: Path) -> Kind:
    place = Place()
    if request.param == "file":
        return Kind(lambda: CheckpointStore.open(tmp_path / "run.db"))
    return Kind(lambda: MemoryCheckpoint.open(place))


async def begun(kind: Kind, start: Start = NOTHING_KNOWN) -> Journal:
    journal = await kind.journal()
    await journal.begin(RUN, steps.named(PLAN.tables), start)
    return journal


async def reopened(journal: Journal, kind: Kind) -> Journal:
    await journal.close()
    return await kind.journal()


def a_load(journal: Journal, kind: StepKind = StepKind.ROWS) -> Load:
    name = ROWS if kind is StepKind.ROWS else EDGES
    return Load(
        step=StepId(journal.steps[name].step_id),
        kind=kind,
        plan=LOOP,
        layout=Layout.of(LOOP, kind, Pack.JSON, into_stage=False),
        position=journal.position(name),
    )


def a_chunk(load: Load, number: int, *, snapshot: int = 0) -> Chunk:
    return Chunk(load.step, number, 10, None, (str(number),), (), 100, snapshot=snapshot)


async def test_a_new_checkpoint_holds_no_run(kind: Kind) -> None:
    journal = await kind.journal()

    assert journal.run is None
    assert not journal.unfinished
    assert not journal.is_done(ROWS)
    await journal.close()


async def test_all_steps_of_a_run_are_there_again(kind: Kind) -> None:
    journal = await begun(kind)
    before = dict(journal.steps)

    again = await reopened(journal, kind)

    assert again.running == RUN
    assert again.steps == before
    assert set(again.steps) == set(steps.named(PLAN.tables))
    assert again.unfinished
    await again.close()


async def test_a_run_begins_with_what_is_known_of_its_steps(kind: Kind) -> None:
    start = Start(facts={ROWS: {"found": "rows"}}, done=frozenset([steps.empty_step(LOOP)]))

    again = await reopened(await begun(kind, start), kind)

    assert again.is_done(steps.empty_step(LOOP))
    assert not again.is_done(ROWS)
    assert again.held_rows(ROWS)
    await again.close()


async def test_rows_that_were_emptied_are_not_held(kind: Kind) -> None:
    start = Start(facts={ROWS: {"found": "rows", "emptied": True}}, done=frozenset())

    journal = await begun(kind, start)

    assert not journal.held_rows(ROWS)
    await journal.close()


async def test_a_new_run_forgets_the_one_before(kind: Kind) -> None:
    journal = await begun(kind)
    journal.see_snapshot({"lsn": "0/1"})
    await journal.mark(ROWS, State.DONE)

    await journal.begin(RunRecord("run-2", RunState.RUNNING, 1, {}), [ROWS], NOTHING_KNOWN)
    again = await reopened(journal, kind)

    assert again.running.run_id == "run-2"
    assert set(again.steps) == {ROWS}
    assert not again.is_done(ROWS)
    assert again.snapshots == []
    await again.close()


async def test_marks_notes_and_facts_are_kept_beside_each_other(kind: Kind) -> None:
    journal = await begun(kind)

    await journal.mark(ROWS, State.DOING, problem="one")
    await journal.describe({ROWS: {"oid": 7}, EDGES: {"oid": 7}})
    await journal.mark_all([ROWS, EDGES], State.DONE)
    await journal.note(RunState.FINISHING, epoch=4, exit_code=3)
    await journal.note(claimed=["a", "b"])
    again = await reopened(journal, kind)

    assert again.steps[ROWS].document == {"which": "", "problem": "one", "oid": 7}
    assert again.is_done(EDGES)
    assert (again.running.state, again.running.epoch) == (RunState.FINISHING, 4)
    assert again.running.document["exit_code"] == 3
    assert again.claimed == {"a", "b"}
    assert again.unfinished
    await again.note(RunState.DONE)
    assert not again.unfinished
    await again.close()


async def test_added_steps_get_numbers_of_their_own_and_known_ones_keep_theirs(kind: Kind) -> None:
    journal = await begun(kind)
    before = dict(journal.steps)
    fresh = StepName("public.new", Work.ROWS)

    await journal.add([ROWS, fresh], Start({fresh: {"oid": 1}, ROWS: {"oid": 2}}, frozenset()))
    again = await reopened(journal, kind)

    assert again.steps.pop(fresh).document["oid"] == 1
    assert again.steps == before
    ids = [step.step_id for step in again.steps.values()]
    assert journal.steps[fresh].step_id == max(ids) + 1
    await again.close()


async def test_a_position_comes_back_with_every_part_of_it(kind: Kind) -> None:
    journal = await begun(kind)
    journal.tally = lambda table: {"table": table or "all"}
    numbers = [journal.see_snapshot({"lsn": f"0/{n}", "visible": f"{n}:{n}:"}) for n in range(2)]
    load = a_load(journal)
    for number in range(3):
        chunk = a_chunk(load, number, snapshot=numbers[number > 0])
        load.acknowledge(replace(chunk, skipped=number, last_skipped=number == 2, gone=number))

    await journal.save_loads([load])
    again = await reopened(journal, kind)

    assert again.position(ROWS) == load.position
    assert again.position(ROWS) == Position(
        last=("2",),
        first=("0",),
        next_number=3,
        rows=30,
        bytes=300,
        snapshots=frozenset({0, 1}),
        last_gone=True,
        skipped=6,
    )
    assert again.steps[ROWS].state == State.DOING
    assert again.steps[ROWS].document["tally"] == {"table": str(LOOP.name)}
    assert again.running.document["tally"] == {"table": "all"}
    assert [s["lsn"] for s in again.snapshots] == ["0/0", "0/1"]
    assert again.recorded_snapshot(ROWS) == "1:1:"
    await again.close()


async def test_the_second_pass_has_a_position_of_its_own_and_its_figures_stand_with_the_rows(
    kind: Kind,
) -> None:
    journal = await begun(kind)
    journal.tally = lambda _: {"rows_written": 1}
    load = a_load(journal, StepKind.EDGES)
    load.acknowledge(a_chunk(load, 0))

    await journal.save_loads([load])
    again = await reopened(journal, kind)

    assert again.position(EDGES).rows == 10
    assert again.position(ROWS) == Position()
    assert again.steps[ROWS].document["tally"] == {"rows_written": 1}
    await again.close()


async def test_a_load_at_its_end_is_a_step_that_is_done(kind: Kind) -> None:
    journal = await begun(kind)
    load = a_load(journal)
    load.end_of_rows()

    await journal.save_loads([load])
    again = await reopened(journal, kind)

    assert again.is_done(ROWS)
    assert again.position(ROWS) == Position(done=True)
    assert again.recorded_snapshot(ROWS) == ""
    await again.close()


async def test_a_table_that_starts_over_keeps_what_is_known_of_it(kind: Kind) -> None:
    journal = await begun(kind, Start({ROWS: {"oid": 7}}, frozenset()))
    load = a_load(journal)
    load.acknowledge(a_chunk(load, 0))
    await journal.save_loads([load])
    await journal.number_leaves(ROWS, {30: 0, 31: 1})

    await journal.start_over([ROWS], {ROWS: {"oid": 8, "again": True}})
    again = await reopened(journal, kind)

    assert again.position(ROWS) == Position()
    assert again.steps[ROWS].state == State.TODO
    assert again.steps[ROWS].document["oid"] == 8
    assert again.may_hold_older(ROWS)
    assert not again.held_rows(ROWS)
    assert again.leaves(ROWS) == {30: 0, 31: 1}
    await again.close()


async def test_what_could_not_be_saved_is_not_believed(tmp_path: Path) -> None:
    place = Place()
    store = await MemoryCheckpoint.open(place)
    journal = Journal(store, None)
    await journal.begin(RUN, [ROWS], NOTHING_KNOWN)
    place.failures.append(Unwritable(tmp_path, "no space left"))

    with pytest.raises(CheckpointFullError, match="no space left"):
        await journal.mark(ROWS, State.DONE)

    assert not journal.is_done(ROWS)


@pytest.mark.parametrize(
    ("error", "kind", "hint"),
    [
        (Unwritable(Path("c.db"), "read-only"), CheckpointFullError, "--resume"),
        (Locked(Path("c.db"), pid=7, host="box"), CheckpointProblemError, "Wait"),
        (Damaged(Path("c.db"), "row 3"), CheckpointProblemError, "backup"),
        (Foreign(Path("c.db"), "a folder"), CheckpointProblemError, "another file"),
        (Newer(Path("c.db"), found=9, known=1), CheckpointProblemError, "--checkpoint"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_whatever_is_wrong_with_the_file_is_said_with_what_to_do(
    error: CheckpointError, kind: type[Exception], hint: str
) -> None:
    with pytest.raises(kind, match=r"c\.db") as caught, translated():
        raise error

    assert hint in caught.value.hint
    assert caught.value.__cause__ is None


async def test_a_checkpoint_that_can_not_be_opened_has_cost_nothing_yet(tmp_path: Path) -> None:
    with pytest.raises(CheckpointProblemError) as caught:
        await Journal.open(tmp_path / "nowhere" / "run.db")

    assert caught.value.exit_code is ExitCode.FAILED


async def test_a_second_run_on_one_checkpoint_is_refused(tmp_path: Path) -> None:
    first = await Journal.open(tmp_path / "run.db")

    with pytest.raises(CheckpointProblemError, match="in use"):
        await Journal.open(tmp_path / "run.db")

    await first.close()


async def test_a_damaged_checkpoint_is_let_go_of(tmp_path: Path) -> None:
    path = tmp_path / "run.db"
    journal = await Journal.open(path)
    await journal.begin(RUN, [ROWS], NOTHING_KNOWN)
    await journal.close()
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b"run-1", b"run-2"))

    for _ in range(2):
        with pytest.raises(CheckpointProblemError, match="backup") as caught:
            await Journal.open(path)
        assert "in use" not in str(caught.value)

    await asyncio.to_thread(path.write_bytes, whole)
    mended = await Journal.open(path)
    assert mended.running == RUN
    await mended.close()
