"""The last looks at the tables: shared out over requests, and what they find."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from streamer.errors import (
    FencedError,
    StreamerError,
    TargetError,
    TargetUnavailableError,
)
from streamer.model import Answer, Statement
from streamer.pipeline import Position
from streamer.run.finish import (
    CHECK_ROWS,
    CHECK_TABLES,
    Checked,
    build_index,
    check,
    check_groups,
)
from streamer.run.schema import create
from tests.engines.catalogs import INT4, TEXT, column, identified, index, plan_of, refers
from tests.engines.sqlite_database import SqliteDatabase

(TABLE,) = plan_of(identified("t")).tables
SHOP = plan_of(
    identified("shop", column("name", TEXT), indexes=[index("by_name", "name", unique=True)]),
    identified("it's", column("shop", INT4), keys=[refers("f", "shop", "shop")]),
)


class Refusing:
    """A database that answers every request with an error."""

    def __init__(self, error: StreamerError) -> None:
        self.error = error

    async def execute(self, _statements: Sequence[Statement]) -> Answer:
        raise self.error


@given(st.lists(st.integers(0, 2 * CHECK_ROWS)))
@example([0])
@example([0] * 100)
def test_every_table_is_checked_once_and_no_request_counts_too_much(rows: list[int]) -> None:
    tables = [(TABLE, Position(rows=count)) for count in rows]

    groups = check_groups(tables)

    assert [found for group in groups for found in group] == tables
    for group in groups:
        assert len(group) <= CHECK_TABLES
        assert len(group) == 1 or sum(at.rows for _, at in group) <= CHECK_ROWS


def test_a_foreign_key_costs_as_much_as_a_count() -> None:
    child = next(t for t in SHOP.tables if t.foreign_keys)
    half = Position(rows=CHECK_ROWS // 2)

    assert len(check_groups([(TABLE, half), (TABLE, half)])) == 1
    assert len(check_groups([(child, half), (TABLE, half)])) == 2


def test_nothing_to_check_takes_no_request() -> None:
    assert check_groups([]) == []


async def test_rows_and_those_without_their_parent_are_counted() -> None:
    database = SqliteDatabase()
    await create(database, SHOP.tables)
    database.rows("PRAGMA foreign_keys=off")
    database.rows("INSERT INTO shop(id) VALUES (1), (2)")
    database.rows("""INSERT INTO "it's" VALUES (1, 1), (2, NULL), (3, 7), (4, 8)""")

    counted = await check(database, SHOP.tables)

    assert counted == {"shop": Checked(2, 0), "it's": Checked(4, 2)}


async def test_an_index_is_built_once_however_often_it_is_sent() -> None:
    database = SqliteDatabase(lose_answers=True)
    await create(database, SHOP.tables)
    (late,) = [i for t in SHOP.tables for i in t.indexes if not i.early]

    assert await build_index(database, late) == ""
    assert await build_index(database, late) == ""
    assert database.rows("SELECT 1 FROM sqlite_master WHERE name = ?", late.name) == [(1,)]


async def test_an_index_that_can_not_be_built_is_named_with_the_reason() -> None:
    database = SqliteDatabase()
    await create(database, SHOP.tables)
    database.rows("INSERT INTO shop VALUES (1, 'canary'), (2, 'canary')")
    (late,) = [i for t in SHOP.tables for i in t.indexes if not i.early]

    problem = await build_index(database, late)

    assert problem.startswith(f"shop: the index {late.name} couldn't be built: UNIQUE")
    assert "canary" not in problem


@pytest.mark.parametrize("error", [FencedError("x"), TargetUnavailableError("x"), TargetError("x")])
async def test_an_index_is_not_given_up_for_what_is_no_fault_of_its(error: StreamerError) -> None:
    (late,) = [i for t in SHOP.tables for i in t.indexes if not i.early]

    with pytest.raises(type(error)):
        await build_index(Refusing(error), late)
