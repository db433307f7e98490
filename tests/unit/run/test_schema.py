"""Making tables and emptying them, on SQLite with its foreign keys on, every request sent twice."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from streamer import limits
from streamer.model import Plan
from streamer.run import schema
from streamer.run.schema import (
    create,
    create_stages,
    empty,
    empty_behind,
    remove,
    repeatable,
)
from streamer.run.survey import survey
from tests.engines.catalogs import (
    INT4,
    TEXT,
    column,
    identified,
    index,
    plan_of,
    primary,
    table,
)
from tests.engines.graphs import Reference, fill, planned, references
from tests.engines.sqlite_database import SqliteDatabase, steps_in


async def made(plan: Plan, *, lose_answers: bool = True) -> SqliteDatabase:
    """A database with the plan's tables."""
    database = SqliteDatabase(lose_answers=lose_answers)
    await create(database, plan.tables)
    return database


def names(database: SqliteDatabase, kind: str = "table") -> set[object]:
    sql = "SELECT name FROM sqlite_master WHERE type = ? AND name NOT LIKE 'sqlite_%'"
    return {name for (name,) in database.rows(sql, kind)}


def counts(database: SqliteDatabase, plan: Plan) -> dict[str, object]:
    return {
        t.target: database.rows(f'SELECT count(*) FROM "{t.target}"')[0][0] for t in plan.tables
    }


@pytest.mark.parametrize("head", ["CREATE TABLE", "CREATE INDEX", "CREATE UNIQUE INDEX"])
def test_a_create_statement_can_be_sent_again_however_often_that_was_said(head: str) -> None:
    once = repeatable(f'{head} "IF NOT EXISTS "("CREATE TABLE ")')

    assert once == f'{head} IF NOT EXISTS "IF NOT EXISTS "("CREATE TABLE ")'
    assert repeatable(once) == once


def test_other_statements_stay_as_they_are() -> None:
    assert repeatable("DROP TABLE IF EXISTS x") == "DROP TABLE IF EXISTS x"


async def test_tables_their_stages_and_only_their_early_indexes_are_made() -> None:
    plan = plan_of(
        identified("plain", column("a", TEXT), indexes=[index("late", "a")]),
        table("named", column("k", TEXT, not_null=True), indexes=[index("u", "k", unique=True)]),
        *[t.table for t in planned([(0, 1, True), (1, 0, True)]).tables],
    )

    database = await made(plan)

    stages = {t.stage for t in plan.tables if t.stage}
    assert len(stages) == 2
    assert names(database) == {t.target for t in plan.tables} | stages
    assert names(database, "index") == {i.name for t in plan.tables for i in t.indexes if i.early}
    assert any(not i.early for t in plan.tables for i in t.indexes)


async def test_a_table_that_is_there_keeps_its_rows_and_a_stage_of_an_abandoned_run_does_not() -> (
    None
):
    plan = planned([(0, 0, True)])
    staged = next(t for t in plan.tables if t.stage)
    database = await made(plan)
    fill(database, plan, 1)
    database.rows(f'INSERT INTO "{staged.stage}" SELECT * FROM "{staged.target}"')

    await create(database, plan.tables)

    assert set(counts(database, plan).values()) == {1}
    assert database.rows(f'SELECT * FROM "{staged.stage}"') == []


async def test_stages_are_made_alone_where_the_tables_are_there() -> None:
    plan = planned([(0, 1, True), (1, 0, True)])
    database = SqliteDatabase(lose_answers=True)

    await create_stages(database, plan.tables)

    assert names(database) == {t.stage for t in plan.tables if t.stage}


async def test_many_tables_are_made_in_few_requests_and_none_is_too_long() -> None:
    plan = plan_of(*[identified(f"t{n:03}") for n in range(250)])

    database = await made(plan, lose_answers=False)

    assert [len(sql) for sql in database.requests] == [limits.BATCH_STATEMENTS - 1] * 2 + [52]
    assert len(names(database)) == 250


@given(edges=references, rows=st.integers(0, 5))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(edges=[(0, 1, True), (1, 0, True), (1, 2, True), (3, 1, True)], rows=3)
@example(edges=[(0, 1, False), (1, 2, False), (2, 0, False)], rows=5)
async def test_emptying_gets_rid_of_every_row_whatever_refers_to_whatever(
    monkeypatch: pytest.MonkeyPatch, edges: list[Reference], rows: int
) -> None:
    monkeypatch.setattr(schema, "EMPTY_ROWS", 2)
    plan = planned(edges)
    database = await made(plan)
    fill(database, plan, rows)

    await empty(database, plan.tables)

    assert set(counts(database, plan).values()) == {0}


KEYS = plan_of(
    identified("by_number"),
    table(
        "by_text",
        column("code", TEXT, not_null=True),
        column("part", INT4, not_null=True),
        indexes=[primary("code", "part")],
    ),
    table("keyless", column("rowid", INT4), column("a", TEXT)),
)


@pytest.mark.parametrize("one", KEYS.tables, ids=lambda t: t.target)
async def test_tables_of_every_sort_of_key_are_emptied_a_few_rows_a_request(
    monkeypatch: pytest.MonkeyPatch, one
) -> None:
    monkeypatch.setattr(schema, "EMPTY_ROWS", 2)
    database = await made(KEYS, lose_answers=False)
    for number in range(5):
        cells = ",".join(["?"] * len(one.columns))
        database.rows(
            f'INSERT INTO "{one.target}" VALUES ({cells})', *[str(number)] * len(one.columns)
        )
    database.requests.clear()

    await empty(database, [one])

    assert counts(database, KEYS)[one.target] == 0
    assert len(database.requests) == 3


def test_the_samples_hold_each_sort_of_table() -> None:
    assert [t.without_rowid for t in KEYS.tables] == [False, True, False]
    assert [t.key.kind.value for t in KEYS.tables] == [
        "primary key",
        "primary key",
        "physical position",
    ]


@pytest.mark.parametrize(
    ("last", "left"), [(None, []), (("3",), [1, 2, 3]), (("9",), [1, 2, 3, 4, 5])]
)
async def test_rows_that_a_killed_run_had_not_written_down_are_taken_back(
    monkeypatch: pytest.MonkeyPatch, last: tuple[str] | None, left: list[int]
) -> None:
    monkeypatch.setattr(schema, "EMPTY_ROWS", 2)
    (keyless,) = (one for one in KEYS.tables if one.target == "keyless")
    database = await made(KEYS)
    for number in range(1, 6):
        database.rows(
            f'INSERT INTO keyless (_rowid_, "rowid", a) VALUES ({number}, {-number}, NULL)'
        )

    await empty_behind(database, keyless, last)

    assert database.rows("SELECT _rowid_ FROM keyless ORDER BY 1") == [(n,) for n in left]


async def steps_to_empty(edges: list[Reference], rows: int) -> int:
    """Thousands of SQLite's own steps that emptying takes, where no index leads to children."""
    plan = planned(edges)
    database = await made(plan, lose_answers=False)
    database.drop_indexes()
    fill(database, plan, rows)

    with steps_in(database) as taken:
        await empty(database, plan.tables)

    assert set(counts(database, plan).values()) == {0}
    assert names(database, "index") == set()
    return taken()


TANGLED: list[list[Reference]] = [
    [(0, 0, False)],
    [(0, 1, False), (1, 0, True)],
    [(0, 1, False), (1, 2, False), (2, 0, False)],
    [(0, 0, True)],
    [(0, 1, True), (1, 0, True)],
]


async def steps_to_remove(edges: list[Reference], rows: int) -> int:
    """As `steps_to_empty`, where the tables are dropped."""
    plan = planned(edges)
    database = await made(plan, lose_answers=False)
    database.drop_indexes()
    fill(database, plan, rows)
    seen = await survey(database)

    with steps_in(database) as taken:
        await remove(database, seen, [table.target for table in plan.tables])

    assert names(database) == {table.stage for table in plan.tables if table.stage}
    return taken()


@pytest.mark.parametrize("edges", TANGLED)
async def test_dropping_does_not_look_at_all_rows_for_each_row_that_goes(
    edges: list[Reference],
) -> None:
    once, twice = [await steps_to_remove(edges, rows) for rows in (1_000, 2_000)]

    assert twice < 3 * once


@pytest.mark.parametrize("edges", [*TANGLED, [(0, 1, False)], [(0, 1, False), (1, 1, False)]])
async def test_tables_are_dropped_with_all_their_rows_also_after_lost_answers(
    edges: list[Reference],
) -> None:
    plan = planned(edges)
    database = await made(plan)
    fill(database, plan, 3)

    await remove(database, await survey(database), [table.target for table in plan.tables])

    assert names(database) == {table.stage for table in plan.tables if table.stage}


@pytest.mark.parametrize("edges", TANGLED)
async def test_emptying_does_not_look_at_all_rows_for_each_row_that_goes(
    edges: list[Reference],
) -> None:
    once, twice = [await steps_to_empty(edges, rows) for rows in (1_000, 2_000)]

    assert twice < 2.5 * once
