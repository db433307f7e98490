"""What follows the rows: statements of tables, and views; once each, and told where it fails."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from checkpoints import RunRecord
from streamer.errors import FencedError, InterruptedRunError, TargetUnavailableError
from streamer.model import Answer, Statement, TablePlan
from streamer.model.plan import ViewPlan
from streamer.progress import Events
from streamer.run import resume, steps
from streamer.run.ending import Ending
from streamer.run.journal import Journal
from streamer.run.schema import create
from streamer.run.states import RunState, Start, State
from streamer.run.survey import survey
from streamer.sinks import Ownership
from tests.engines.catalogs import TEXT, column, identified, index, plan_of, qualified
from tests.engines.sqlite_database import SqliteDatabase
from tests.fakes.memory_checkpoint import MemoryCheckpoint, Place

(WHOLE,) = plan_of(identified("shop", column("name", TEXT))).tables
SHOP = replace(WHOLE, after_sql=("INSERT OR IGNORE INTO shop VALUES (7, 'after')",))
NAMES = ViewPlan(qualified("names"), "names", "CREATE VIEW names AS SELECT name FROM shop")
BROKEN = ViewPlan(qualified("broken"), "broken", "CREATE VIEW broken AS SELECT nosuch FROM shop")

UNTOUCHED = {steps.empty_step(WHOLE), steps.schema_step(WHOLE)}  # what comes before the rows


def never() -> None:
    """Nobody asks the run to end."""


class Target:
    """A database that a run has moved everything to, and the run's journal."""

    def __init__(self, *sql: str, lose_answers: bool = False) -> None:
        self.database = SqliteDatabase(*sql)
        self.database.lose_answers = lose_answers
        self.ownership = Ownership(self.database, run="run", epoch=1, holder="one")
        self.events = Events(lambda: 0.0)
        self.place = Place()

    async def begin(self, table: TablePlan, *views: ViewPlan, earlier: str = "") -> None:
        facts = resume.view_facts(views, await survey(self.database), {earlier})
        self.journal = Journal(await MemoryCheckpoint.open(self.place), None)
        start = Start(facts, frozenset())
        run = RunRecord("run", RunState.RUNNING, 1, {})
        await self.journal.begin(run, steps.named([table], views), start)
        await self.ownership.take([table.target])
        await create(self.database, [table])

    async def end(
        self,
        table: TablePlan,
        *views: ViewPlan,
        create_schema: bool = True,
        heed_stop: Callable[[], None] = never,
    ) -> list[str]:
        """End the run; the problems that are written down."""
        ending = Ending(
            self.database,
            self.ownership,
            self.journal,
            self.events,
            tables=[table],
            views=views,
            create_schema=create_schema,
            heed_stop=heed_stop,
        )
        await ending.carry_out()
        await ending.finish()
        documents = [step.document for step in self.journal.steps.values()]
        return [str(found["problem"]) for found in documents if found.get("problem")]

    async def is_cut_off(self, at: int, table: TablePlan, *views: ViewPlan, executed: bool) -> bool:
        """End the run, whose request number `at` (from 1) fails; whether there was such a one."""
        execute, requests = self.database.execute, 0

        async def failing(statements: Sequence[Statement]) -> Answer:
            nonlocal requests
            requests += 1
            if requests != at:
                return await execute(statements)
            if executed:
                await execute(statements)
            raise TargetUnavailableError("gone")

        self.database.execute = failing
        try:
            await self.end(table, *views)
        except TargetUnavailableError:
            return True
        finally:
            self.database.execute = execute
        return False


async def test_statements_that_follow_the_rows_are_carried_out_once() -> None:
    target = Target(lose_answers=True)
    await target.begin(SHOP)

    await target.end(SHOP)
    target.database.rows("DELETE FROM shop")
    await target.end(SHOP)

    assert target.database.rows("SELECT * FROM shop") == []
    assert target.journal.is_done(steps.after_step(SHOP))


async def test_who_makes_the_tables_does_what_follows_and_makes_the_views() -> None:
    target = Target()
    await target.begin(SHOP, NAMES)

    assert await target.end(SHOP, NAMES, create_schema=False) == []

    assert target.database.rows("SELECT * FROM shop") == []
    assert target.database.rows("SELECT 1 FROM sqlite_schema WHERE type = 'view'") == []


async def test_a_run_that_lost_its_tables_does_nothing_more_to_them() -> None:
    target = Target()
    await target.begin(SHOP)
    await Ownership(target.database, run="other", epoch=1, holder="x").take(["shop"])

    with pytest.raises(FencedError):
        await target.end(SHOP)

    assert target.database.rows("SELECT * FROM shop") == []


async def test_what_cannot_be_done_after_the_rows_is_a_problem_of_the_table() -> None:
    target = Target()
    bad = replace(SHOP, after_sql=("INSERT INTO nosuch VALUES (1)",))
    await target.begin(bad)

    (problem,) = await target.end(bad)

    assert problem.startswith("shop: what follows its rows couldn't be done: ")


@pytest.mark.parametrize(
    ("there", "problem"),
    [(2, []), (1, ["D1 holds 1 rows, 2 were"]), (3, ["D1 holds 3 rows, 2 were"])],
)
async def test_fault_35_a_table_whose_rows_are_done_is_counted_all_the_same_and_once(
    there: int, problem: list[str]
) -> None:
    target = Target()
    await target.begin(WHOLE)
    rows = target.journal.steps[steps.rows_step(WHOLE)]
    target.journal.steps[steps.rows_step(WHOLE)] = replace(rows, state=State.DONE, rows=2)
    for n in range(there):
        target.database.rows(f"INSERT INTO shop (id, name) VALUES ({n}, 'n')")

    found = await target.end(WHOLE)
    target.database.rows("DELETE FROM shop")
    again = await target.end(WHOLE)

    assert [words in said for words, said in zip(problem, found, strict=True)] == [True] * len(
        found
    )
    assert again == found


@pytest.mark.parametrize("executed", [False, True], ids=["before it is done", "once it is done"])
async def test_fault_35_an_end_cut_off_at_any_of_its_requests_is_taken_up_where_it_was(
    *, executed: bool
) -> None:
    (table,) = plan_of(
        identified("shop", column("name", TEXT), indexes=[index("shop_name", "name")])
    ).tables
    table = replace(table, after_sql=SHOP.after_sql)
    cut_off_at, goes_on = 0, True
    while goes_on:
        cut_off_at += 1
        target = Target()
        await target.begin(table, NAMES)
        rows = target.journal.steps[steps.rows_step(table)]
        target.journal.steps[steps.rows_step(table)] = replace(rows, state=State.DONE, rows=1)

        goes_on = await target.is_cut_off(cut_off_at, table, NAMES, executed=executed)

        assert await target.end(table, NAMES) == []
        made = target.database.rows("SELECT type, name FROM sqlite_schema WHERE sql NOT NULL")
        assert {("index", "shop_name"), ("view", "names")} <= {*made}, cut_off_at
        assert target.database.rows("SELECT id, name FROM shop") == [(7, "after")]
        assert all(map(target.journal.is_done, target.journal.steps.keys() - UNTOUCHED))
    assert cut_off_at > 3


def indexed(*, unique: bool = False) -> TablePlan:
    """The table with one index, which is built behind its rows."""
    (table,) = plan_of(
        identified(
            "shop",
            column("name", TEXT),
            indexes=[index("shop_name", "name", unique=unique)],
        )
    ).tables
    return table


def made(target: Target) -> list[str]:
    """What there is in the target, by name."""
    everything = target.database.rows("SELECT name FROM sqlite_schema ORDER BY name")
    return [str(name) for (name,) in everything if not str(name).startswith("sqlite_")]


def is_all_done(target: Target, table: TablePlan) -> bool:
    done = [steps.index_step(table, one) for one in table.indexes]
    return all(map(target.journal.is_done, [*done, steps.check_step(table)]))


async def test_indexes_and_checks_go_with_the_marks_in_one_request() -> None:
    table = indexed()
    target = Target()
    await target.begin(table)
    before = len(target.database.requests)

    assert await target.end(table) == []

    assert len(target.database.requests) - before == 1
    assert made(target) == ["shop", "shop_name"]
    assert is_all_done(target, table)


@pytest.mark.parametrize("executed", [False, True], ids=["before it is done", "once it is done"])
async def test_fault_35_what_goes_with_the_marks_is_taken_up_again_when_it_is_cut_off(
    *, executed: bool
) -> None:
    table = indexed()
    target = Target()
    await target.begin(table)
    target.database.rows("INSERT INTO shop (id, name) VALUES (1, 'one too many')")

    assert await target.is_cut_off(1, table, executed=executed)
    (problem,) = await target.end(table)

    assert "D1 holds 1 rows, 0 were moved" in problem
    assert made(target) == ["shop", "shop_name"]
    assert is_all_done(target, table)


async def test_fault_35_what_was_left_to_the_last_request_is_done_where_sizes_allow_none_any_more() -> (
    None
):
    table = indexed()
    target = Target()
    await target.begin(table)
    target.database.rows("INSERT INTO shop (id, name) VALUES (1, 'one too many')")
    assert await target.is_cut_off(1, table, executed=False)
    (small,) = table.indexes
    grown = replace(table, indexes=(replace(small, source_bytes=100_000_000_000),))

    (problem,) = await target.end(grown)

    assert "D1 holds 1 rows, 0 were moved" in problem
    assert made(target) == ["shop", "shop_name"]
    assert is_all_done(target, table)


async def test_checks_are_done_where_the_marks_of_another_run_stay() -> None:
    table = indexed()
    target = Target()
    await target.begin(table)
    await Ownership(target.database, run="other", epoch=1, holder="x").take(["b"])

    assert await target.end(table) == []

    assert target.database.rows('SELECT "table", run FROM _streamer_owner') == [("b", "other")]
    assert made(target) == ["_streamer_ledger", "_streamer_owner", "shop", "shop_name"]
    assert is_all_done(target, table)


async def test_a_unique_index_is_built_while_the_run_may_still_mend_its_rows() -> None:
    table = indexed(unique=True)
    target = Target()
    await target.begin(table)
    target.database.rows("INSERT INTO shop (id, name) VALUES (1, 'same'), (2, 'same')")
    owned: list[bool] = []
    execute = target.database.execute

    async def watched(statements: Sequence[Statement]) -> Answer:
        if any("shop_name" in statement.sql for statement in statements):
            owned.append(not any("DELETE FROM _streamer" in one.sql for one in statements))
        return await execute(statements)

    target.database.execute = watched
    problems = await target.end(table)

    assert any("the index shop_name couldn't be built" in problem for problem in problems)
    assert owned
    assert all(owned)


async def test_views_are_made_and_those_that_cannot_be_read_are_not() -> None:
    target = Target(lose_answers=True)
    await target.begin(WHOLE, BROKEN, NAMES)

    (problem,) = await target.end(WHOLE, BROKEN, NAMES)

    assert problem.startswith("public.broken: the view couldn't be made: ")
    made = target.database.rows("SELECT name FROM sqlite_schema WHERE type = 'view'")
    assert made == [("names",)]
    assert target.journal.steps[steps.view_step(NAMES)].document["found"] == "absent"


async def test_a_view_that_was_there_stays_and_a_table_keeps_its_name() -> None:
    target = Target("CREATE VIEW names AS SELECT 1 AS one", "CREATE TABLE broken (a)")
    await target.begin(WHOLE, NAMES, BROKEN)

    (problem,) = await target.end(WHOLE, NAMES, BROKEN)

    assert problem == "public.broken: the view wasn't made, D1 has a table broken"
    assert target.events.warnings == ["public.names: D1 had a view names; it stays as it was"]
    assert target.database.rows("SELECT * FROM names") == [(1,)]


async def test_a_view_of_the_run_that_was_given_up_is_made_anew() -> None:
    target = Target("CREATE VIEW names AS SELECT 1 AS one")
    await target.begin(WHOLE, NAMES, earlier="names")

    assert await target.end(WHOLE, NAMES) == []

    await target.database.execute([Statement.of("INSERT INTO shop VALUES (1, 'new')")])
    assert target.database.rows("SELECT * FROM names") == [("new",)]


async def test_a_run_that_is_to_end_leaves_the_rest_for_later() -> None:
    target = Target()
    await target.begin(SHOP, NAMES)

    def stop() -> None:
        raise InterruptedRunError("stopped")

    with pytest.raises(InterruptedRunError):
        await target.end(SHOP, NAMES, heed_stop=stop)

    assert {step.state for step in target.journal.steps.values()} == {State.TODO}
