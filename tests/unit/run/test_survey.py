"""What a run sees in its target before it writes."""

from __future__ import annotations

from collections.abc import Sequence

from streamer import limits
from streamer.model import Answer, Statement
from streamer.pack import CURRENT, Engine, create_ledger, drop_unused
from streamer.run.survey import survey
from tests.engines.sqlite_database import SqliteDatabase

SHOP = (
    'CREATE TABLE "Order"("Id" INTEGER PRIMARY KEY, "What" text, n) ',
    """CREATE TABLE item(part TEXT, "ORDER" INTEGER REFERENCES "Order"("Id"), line INTEGER,
    boss INTEGER REFERENCES item(line), PRIMARY KEY("ORDER", part)) WITHOUT ROWID""",
    'CREATE VIEW "view of 2" AS SELECT 1 AS one',
    "CREATE TABLE _cf_KV(key TEXT PRIMARY KEY)",
    "CREATE TABLE _streamer_owner(epoch INTEGER)",
    "CREATE TABLE xcf_not_hidden(a)",
    """INSERT INTO "Order" VALUES (1, 'a', 2)""",
)


async def test_tables_are_found_by_name_without_case_with_columns_keys_and_whether_rows_are_there() -> (
    None
):
    seen = await survey(SqliteDatabase(*SHOP))

    order, item = seen.find("ORDER"), seen.find("Item")
    assert order is not None
    assert item is not None
    assert (order.name, order.key, order.holds_rows) == ("Order", ("id",), True)
    assert order.columns == {"id": "INTEGER", "what": "TEXT", "n": ""}
    assert (item.key, item.holds_rows) == (("order", "part"), False)
    assert seen.find("nosuch") is None


async def test_columns_that_sqlite_computes_are_told_from_those_that_are_written() -> None:
    seen = await survey(
        SqliteDatabase(
            "CREATE TABLE t (a INTEGER, B INTEGER AS (a + 1) STORED, c TEXT AS (a || '') VIRTUAL)"
        )
    )

    found = seen.find("t")
    assert found is not None
    assert found.columns == {"a": "INTEGER"}
    assert found.generated == {"b", "c"}


async def test_unique_indexes_that_tell_texts_apart_by_another_collation_are_known() -> None:
    seen = await survey(
        SqliteDatabase(
            "CREATE TABLE a (K TEXT COLLATE nocase PRIMARY KEY, n TEXT UNIQUE)",
            "CREATE TABLE b (k TEXT COLLATE RTRIM, n INTEGER, PRIMARY KEY (n, k)) WITHOUT ROWID",
            "CREATE TABLE c (k TEXT PRIMARY KEY, i INTEGER UNIQUE, n TEXT COLLATE NOCASE)",
            "CREATE UNIQUE INDEX some ON c(n) WHERE i > 0",
            "CREATE INDEX plain ON c(n)",
        )
    )

    loose = {name: found.loose for name, found in seen.tables.items()}
    assert loose == {
        "a": {frozenset({("k", "NOCASE")})},
        "b": {frozenset({("n", "BINARY"), ("k", "RTRIM")})},
        "c": frozenset(),
    }


async def test_views_are_told_from_tables_and_neither_they_nor_ours_are_names() -> None:
    seen = await survey(SqliteDatabase(*SHOP))

    view = seen.find("view of 2")
    assert view is not None
    assert view.is_view
    assert seen.names == {"Order", "item", "xcf_not_hidden"}
    assert seen.find("_cf_kv") is None


async def test_who_refers_to_a_table_is_known_and_a_table_is_not_its_own_child() -> None:
    seen = await survey(SqliteDatabase(*SHOP))

    assert seen.children_of("oRDER") == {"item"}
    assert seen.children_of("item") == frozenset()


async def test_an_empty_database_holds_nothing_and_says_how_it_reads_numbers() -> None:
    seen = await survey(SqliteDatabase())

    assert (seen.tables, seen.references, seen.names) == ({}, frozenset(), frozenset())
    assert seen.engine == CURRENT
    assert seen.size_bytes == 4096


async def test_an_engine_without_the_newer_function_is_asked_again_and_known_for_it() -> None:
    seen = await survey(SqliteDatabase("CREATE TABLE jsonb_each(a)"))  # which hides the function

    assert seen.engine == Engine(exact_floats=True, jsonb_each=False)
    assert seen.names == {"jsonb_each"}


async def test_rows_are_looked_for_in_many_tables_a_request() -> None:
    database = SqliteDatabase(*[f"CREATE TABLE t{n}(a)" for n in range(201)])
    database.rows("INSERT INTO t200 VALUES (1)")

    seen = await survey(database)

    assert [t.name for t in seen.tables.values() if t.holds_rows] == ["t200"]
    assert len(database.requests) == 1 + 3
    assert max(map(len, database.requests)) <= limits.BATCH_STATEMENTS


class Late(SqliteDatabase):
    """A database that executes the end of an earlier start once more, behind the first request."""

    async def execute(self, statements: Sequence[Statement]) -> Answer:
        """Answer as if nothing had come between."""
        answer = await super().execute(statements)
        if len(self.requests) == 1:
            await super().execute(drop_unused())
        return answer


async def test_fault_06_marks_that_are_dropped_once_more_while_the_target_is_looked_at_disturb_nothing() -> (
    None
):
    marks = [statement.sql for statement in create_ledger()]

    seen = await survey(Late(*marks, "CREATE TABLE a(b)", "INSERT INTO a VALUES (1)"))

    assert [table.name for table in seen.tables.values() if table.holds_rows] == ["a"]
