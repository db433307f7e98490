"""Small jobs that share requests: each is done once, in order, and one that fails stands alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer import limits
from streamer.errors import BadRowsError, FencedError
from streamer.model import Answer, Statement
from streamer.pipeline import Position
from streamer.run.sharing import BODY_BYTES, Task, index_load, together
from streamer.translate.indexes import LARGE_INDEX_BYTES, LARGE_TABLE_BYTES
from tests.engines.catalogs import TEXT, column, identified, index, plan_of

(SHOP,) = plan_of(
    identified("shop", column("name", TEXT), indexes=[index("by_name", "name")])
).tables


@dataclass
class Picky:
    """Refuses every request with a statement called bad."""

    error: Exception = field(default_factory=lambda: BadRowsError("bad"))
    requests: list[list[str]] = field(default_factory=list[list[str]])

    async def execute(self, statements: Sequence[Statement]) -> Answer:
        texts = [b"".join(statement.pieces).decode() for statement in statements]
        self.requests.append(texts)
        if any("bad" in text for text in texts):
            raise self.error
        return Answer(())


def tasks_of(*specs: tuple[bool, int, float]) -> list[Task[int]]:
    return [
        Task(at, (Statement.of("SELECT 'bad'" if bad else "SELECT 1"),) * count, load)
        for at, (bad, count, load) in enumerate(specs)
    ]


@given(
    st.lists(
        st.tuples(
            st.booleans(), st.integers(1, 60), st.sampled_from([0.0, 0.01, 0.3, 0.7, 1.0, 5.0])
        ),
        max_size=40,
    )
)
async def test_every_task_has_one_outcome_in_order_and_only_failing_ones_fail(
    specs: list[tuple[bool, int, float]],
) -> None:
    database, tasks = Picky(), tasks_of(*specs)

    outcomes = [outcome async for outcome in together(database, tasks)]

    assert [task.of for outcome in outcomes for task in outcome.tasks] == [*range(len(tasks))]
    for outcome in outcomes:
        loads = [task.load for task in outcome.tasks]
        assert len(loads) == 1 or sum(loads) <= 1.0
        assert bool(outcome.error) == any(specs[task.of][0] for task in outcome.tasks)
        assert outcome.error is None or len(outcome.tasks) == 1
    assert all(len(request) <= limits.BATCH_STATEMENTS for request in database.requests)


async def test_two_thousand_small_indexes_take_twenty_requests() -> None:
    database = Picky()

    outcomes = [o async for o in together(database, tasks_of(*[(False, 1, 0.0001)] * 2_000))]

    assert len(outcomes) == len(database.requests) == 20


async def test_one_that_fails_among_a_hundred_costs_two_requests_for_each_halving() -> None:
    database = Picky()

    [o async for o in together(database, tasks_of(*[(at == 70, 1, 0.0) for at in range(100)]))]

    assert len(database.requests) <= 1 + 2 * 7


async def test_statements_of_many_bytes_do_not_share_a_request() -> None:
    long = Task(0, (Statement.of(f"SELECT '{'x' * (BODY_BYTES // 2)}'"),))
    database = Picky()

    [outcome async for outcome in together(database, [long, long, long])]

    assert len(database.requests) == 3


async def test_who_stops_asking_stops_what_is_not_done_yet() -> None:
    database = Picky()

    async for _ in together(database, tasks_of(*[(False, 60, 0.0)] * 5)):
        break

    assert len(database.requests) == 1


async def test_a_run_that_lost_its_tables_tries_nothing_alone() -> None:
    database = Picky(FencedError("bad"))

    with pytest.raises(FencedError):
        [outcome async for outcome in together(database, tasks_of(*[(True, 1, 0.0)] * 4))]

    assert len(database.requests) == 1


def test_an_index_takes_as_much_as_the_bigger_of_what_is_known_of_it() -> None:
    (by_name,) = SHOP.indexes
    nothing = Position()

    assert index_load(by_name, SHOP, nothing) < 0.01
    assert index_load(replace(by_name, source_bytes=LARGE_INDEX_BYTES), SHOP, nothing) >= 1.0
    assert index_load(by_name, SHOP, Position(rows=LARGE_INDEX_BYTES // 22 + 1)) >= 1.0
    assert index_load(by_name, SHOP, Position(bytes=LARGE_TABLE_BYTES)) >= 1.0
