"""What may flow together: whatever refers to whatever, every row comes after those it needs."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count

from hypothesis import example, given

from streamer.model import Loading, Pack, Plan, StepId, StepKind, TablePlan
from streamer.pack import Layout
from streamer.pipeline import Load
from streamer.run.waves import Wave, levels, waves
from tests.engines.catalogs import plan_of
from tests.engines.graphs import Reference, planned, references


def waves_of(plan: Plan) -> list[Wave]:
    numbers = count(1)

    def load(table: TablePlan, kind: StepKind) -> Load:
        staged = table.loading is Loading.STAGED and kind is StepKind.ROWS
        layout = Layout.of(table, kind, Pack.JSON, into_stage=staged)
        return Load(StepId(next(numbers)), kind, table, layout)

    return waves(plan.tables, load)


def before(load: Load) -> list[Load]:
    """All loads that are surely done when `load` begins; fails where it waits for itself."""
    found: list[Load] = []
    waiting = list(load.after_loads)
    while waiting:
        other = waiting.pop()
        assert other is not load, f"{load.name} waits for itself"
        if other not in found:
            found.append(other)
            waiting += other.after_loads
    return found


def there(waves: Sequence[Wave], at: int, load: Load | None) -> set[str]:
    """Target tables whose rows can be referred to when `load` of wave `at` begins.

    None: when the wave's loads have ended and its cycles are published.
    """
    rows: set[str] = set()
    for number, wave in enumerate(waves[: at + 1]):
        for other in wave.loads:
            done = number < at or load is None or other in before(load)
            if done and other.kind is StepKind.ROWS and other.plan.loading is not Loading.STAGED:
                rows.add(other.plan.target)
        if number < at:
            rows.update(table.target for cycle in wave.cycles for table in cycle)
    return rows


@given(references)
@example([(0, 1, True), (1, 0, True), (2, 0, True), (3, 2, True), (2, 3, False)])
def test_every_row_comes_after_the_rows_that_it_refers_to(edges: list[Reference]) -> None:
    flow = waves_of(planned(edges))

    for at, wave in enumerate(flow):
        for load in wave.loads:
            if load.plan.loading is Loading.STAGED:
                continue
            late = set(load.plan.deferred) if load.kind is StepKind.ROWS else set[str]()
            own = {load.plan.target}
            needed = {k.parent for k in load.plan.foreign_keys if not set(k.columns) & late}
            if load.kind is StepKind.EDGES:
                assert own <= there(flow, at, load)
            assert needed <= there(flow, at, load) | own


@given(references)
def test_a_cycle_is_published_after_what_its_rows_refer_to(edges: list[Reference]) -> None:
    flow = waves_of(planned(edges))

    for at, wave in enumerate(flow):
        for cycle in wave.cycles:
            members = {table.target for table in cycle}
            needed = {key.parent for table in cycle for key in table.foreign_keys}
            staged = {load.plan.target for w in flow[: at + 1] for load in w.loads}
            assert members <= staged
            assert needed <= there(flow, at, None) | members


@given(references)
def test_every_load_flows_once_and_every_cycle_is_published_once(
    edges: list[Reference],
) -> None:
    plan = planned(edges)

    flow = waves_of(plan)

    rows = [w for wave in flow for w in wave.loads if w.kind is StepKind.ROWS]
    edges = [w for wave in flow for w in wave.loads if w.kind is StepKind.EDGES]
    published = [table.name for wave in flow for cycle in wave.cycles for table in cycle]
    assert sorted(load.name for load in rows) == sorted(str(t.name) for t in plan.tables)
    assert sorted(load.name for load in edges) == sorted(
        str(t.name) for t in plan.tables if t.loading is Loading.TWO_PASS
    )
    assert sorted(published) == sorted(t.name for t in plan.tables if t.loading is Loading.STAGED)
    assert all(len({t.cycle for t in c}) == 1 for wave in flow for c in wave.cycles)


@given(references)
def test_no_load_waits_for_one_of_a_later_wave(edges: list[Reference]) -> None:
    seen: list[Load] = []

    for wave in waves_of(planned(edges)):
        seen += wave.loads
        assert all(other in seen for load in wave.loads for other in load.after_loads)


def test_without_cycles_everything_flows_in_one_wave() -> None:
    flow = waves_of(planned([(1, 0, True), (2, 1, True), (3, 1, False)]))

    (wave,) = flow
    assert len(wave.loads) == 7
    assert wave.cycles == ()


def test_who_refers_to_a_published_table_waits_for_the_publishing() -> None:
    plan = planned([(0, 1, True), (1, 0, True), (2, 0, True), (3, 2, True)])

    level = levels(plan.tables)
    flow = waves_of(plan)

    assert {name.name: at for name, at in level.items() if at} == {"t2": 1, "t3": 1}
    assert [len(wave.cycles) for wave in flow] == [1, 0]


def test_there_are_no_waves_without_tables() -> None:
    assert waves_of(plan_of()) == []
