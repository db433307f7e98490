"""What every checkpoint promises: the file's store and the one in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from checkpoints import JSON, CheckpointStore, Locked, RunRecord, Saved, StepRecord, peek
from tests.fakes.memory_checkpoint import MemoryCheckpoint, Place


class Checkpoint(Protocol):
    async def read(self) -> Saved | None: ...
    async def begin(self, run: RunRecord, steps: Sequence[StepRecord]) -> None: ...
    async def save(
        self, run: RunRecord | None = None, steps: Sequence[StepRecord] = ()
    ) -> None: ...
    async def close(self) -> None: ...


@dataclass(frozen=True)
class Kind:
    open: Callable[[], Awaitable[Checkpoint]]
    peek: Callable[[], Saved | None]


def of_file(path: Path) -> Kind:
    return Kind(lambda: CheckpointStore.open(path), lambda: peek(path))


def in_memory() -> Kind:
    place = Place()
    return Kind(lambda: MemoryCheckpoint.open(place), place.peek)


@pytest.fixture(params=["file", "memory"])
def kind(request: pytest.FixtureRequest, tmp_path: Path) -> Kind:
    return of_file(tmp_path / "run.db") if request.param == "file" else in_memory()


RUN = RunRecord("run-1", "loading", 3, {"source": {"database": "shop", "timeline": 1}, "n": [1.5]})


def step(step_id: int, *, next_number: int = 0, key: tuple[str, ...] | None = None) -> StepRecord:
    return StepRecord(
        step_id, f"public.t{step_id}", "rows", "open", key, next_number, 10, 20, {"oid": 16_400}
    )


async def test_a_new_checkpoint_holds_no_run(kind: Kind) -> None:
    store = await kind.open()

    assert await store.read() is None
    assert kind.peek() is None
    await store.close()


async def test_what_was_begun_is_read_back_equal_after_opening_again(kind: Kind) -> None:
    store = await kind.open()
    await store.begin(RUN, [step(2), step(1)])
    await store.close()

    again = await kind.open()

    assert await again.read() == Saved(RUN, (step(1), step(2)))
    await again.close()


async def test_a_save_changes_the_named_records_and_no_others(kind: Kind) -> None:
    store = await kind.open()
    await store.begin(RUN, [step(1), step(2)])

    await store.save(None, [step(2, next_number=7, key=("a", "é\n"))])
    await store.save(replace(RUN, state="finishing"))
    await store.save(steps=[step(9)])

    steps = (step(1), step(2, next_number=7, key=("a", "é\n")), step(9))
    assert await store.read() == Saved(replace(RUN, state="finishing"), steps)
    await store.close()


async def test_beginning_again_forgets_the_run_before(kind: Kind) -> None:
    store = await kind.open()
    await store.begin(RUN, [step(1), step(2)])

    await store.begin(replace(RUN, run_id="run-2"), [step(3)])

    assert await store.read() == Saved(replace(RUN, run_id="run-2"), (step(3),))
    await store.close()


async def test_of_several_records_of_one_step_the_last_counts(kind: Kind) -> None:
    store = await kind.open()
    await store.begin(RUN, [step(1)])

    await store.save(None, [step(1, next_number=1), step(1, next_number=2)])

    assert await store.read() == Saved(RUN, (step(1, next_number=2),))
    await store.close()


async def test_saving_nothing_is_allowed_and_changes_nothing(kind: Kind) -> None:
    store = await kind.open()

    await store.save()

    assert await store.read() is None
    await store.close()


async def test_steps_without_a_run_are_refused(kind: Kind) -> None:
    store = await kind.open()

    with pytest.raises(ValueError, match="no run was begun"):
        await store.save(None, [step(1)])

    assert await store.read() is None
    await store.close()


async def test_beginning_with_one_step_twice_is_refused(kind: Kind) -> None:
    store = await kind.open()

    with pytest.raises(ValueError, match="two steps share an id"):
        await store.begin(RUN, [step(1), step(1)])

    assert await store.read() is None
    await store.close()


async def test_a_document_that_is_no_json_is_refused_and_nothing_is_saved(kind: Kind) -> None:
    store = await kind.open()
    await store.begin(RUN, [step(1)])

    with pytest.raises(ValueError, match="JSON"):
        await store.save(replace(RUN, document={"rate": float("nan")}), [step(1, next_number=5)])

    assert await store.read() == Saved(RUN, (step(1),))
    await store.close()


async def test_an_open_checkpoint_is_refused_to_a_second_opener(kind: Kind) -> None:
    store = await kind.open()

    with pytest.raises(Locked):
        await kind.open()

    await store.close()
    await (await kind.open()).close()


async def test_closing_twice_is_the_same_as_once_and_nothing_works_afterwards(kind: Kind) -> None:
    store = await kind.open()
    await store.begin(RUN, [])

    await store.close()
    await store.close()

    with pytest.raises(ValueError, match="closed"):
        await store.read()
    with pytest.raises(ValueError, match="closed"):
        await store.save(RUN)


async def test_onlookers_see_each_save_at_once(kind: Kind) -> None:
    store = await kind.open()
    await store.begin(RUN, [step(1)])

    for number in range(1, 4):
        await store.save(None, [step(1, next_number=number)])

        assert kind.peek() == Saved(RUN, (step(1, next_number=number),))
    await store.close()


async def test_saves_of_many_tasks_all_arrive(kind: Kind) -> None:
    store = await kind.open()
    await store.begin(RUN, [])

    async with asyncio.TaskGroup() as group:
        for number in range(20):
            group.create_task(store.save(None, [step(number, next_number=number)]))

    expected = tuple(step(number, next_number=number) for number in range(20))
    assert await store.read() == Saved(RUN, expected)
    await store.close()


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
COUNTS = st.integers(0, 2**63 - 1)
VALUES: st.SearchStrategy[JSON] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)  # fmt: skip
DOCUMENTS: st.SearchStrategy[Mapping[str, JSON]] = st.dictionaries(TEXTS, VALUES, max_size=4)
RUNS = st.builds(RunRecord, TEXTS, TEXTS, COUNTS, DOCUMENTS)
STEPS = st.builds(
    StepRecord,
    COUNTS,
    TEXTS,
    TEXTS,
    TEXTS,
    st.none() | st.lists(TEXTS, max_size=3).map(tuple),
    COUNTS,
    COUNTS,
    COUNTS,
    DOCUMENTS,
)


@pytest.mark.parametrize("medium", ["file", "memory"])
@given(run=RUNS, steps=st.lists(STEPS, max_size=4, unique_by=lambda step: step.step_id))
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_record_comes_back_as_it_was_saved(
    tmp_path_factory: pytest.TempPathFactory,
    medium: str,
    run: RunRecord,
    steps: list[StepRecord],
) -> None:
    kind = of_file(tmp_path_factory.mktemp("any") / "c") if medium == "file" else in_memory()

    async def saved_then_read() -> Saved | None:
        store = await kind.open()
        await store.begin(run, steps)
        await store.close()
        again = await kind.open()
        try:
            return await again.read()
        finally:
            await again.close()

    ordered = tuple(sorted(steps, key=lambda step: step.step_id))
    assert asyncio.run(saved_then_read()) == Saved(run, ordered)
