"""Rows read back from a target: whole, in order, and in answers that aren't too long."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import orjson
import pytest

from streamer.d1 import AnswerTooLongError, Failure, FailureKind, TooLargeError
from streamer.errors import StreamerError, TargetError
from streamer.model import Answer, Statement, TablePlan
from streamer.validate.differences import Differences, Kind
from streamer.validate.extras import extra_rows
from streamer.validate.multiset import compare_multisets
from streamer.validate.read_back import ANSWER_BYTES, rows_to_begin_with
from streamer.validate.sides import Sides
from tests.engines.limited_sqlite import column, table_plan
from tests.engines.sqlite_database import SqliteDatabase
from tests.fakes.empty_source import EmptySource

LONG = AnswerTooLongError("an answer over 64 MB")
SLOW = TooLargeError("the isolate's memory", Failure(FailureKind.TOO_SLOW, 7500))
LOG = table_plan([column("line")], key=())


class Capped(SqliteDatabase):
    """A database of whose answers no more than `most_bytes` are read; `error` where they are longer."""

    def __init__(self, *schema: str, most_bytes: int, error: StreamerError = LONG) -> None:
        super().__init__(*schema)
        self._most_bytes = most_bytes
        self._error = error

    async def execute(self, statements: Sequence[Statement]) -> Answer:
        answer = await super().execute(statements)
        size = sum(len(orjson.dumps(result.rows)) for result in answer.results)
        if size > self._most_bytes:
            raise self._error
        return answer


def filled(rows: int, length: int, fat: Sequence[int] = ()) -> tuple[str, ...]:
    """SQL of the table LOG with so many rows, those numbered in `fat` of 9 kB and more."""
    long = f"CASE WHEN n IN ({', '.join(map(str, fat)) or 'NULL'}) THEN 9000 + n ELSE {length} END"
    numbers = f"WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c LIMIT {rows})"
    return (
        LOG.create_sql,
        f"INSERT INTO t(rowid, line) {numbers} SELECT n, printf('%.*c', {long}, 'x') FROM c",
    )


async def extra(database: SqliteDatabase, plan: TablePlan = LOG) -> list[str]:
    """The rows found that the source hasn't got: all of them."""
    source = EmptySource()
    with Differences() as differences:
        await compare_multisets(Sides(source, source, database), plan, differences, lambda: None)
        return [one.key[0] for one in differences.of(str(plan.name), [Kind.EXTRA])]


@pytest.mark.parametrize("error", [LONG, SLOW], ids=["too long", "too much work"])
@pytest.mark.parametrize("fat", [range(1, 601), (600,), (3, 4, 5)], ids=["all", "last", "some"])
async def test_fat_rows_of_a_table_without_a_key_are_read_few_at_a_time(
    fat: Sequence[int], error: StreamerError
) -> None:
    database = Capped(*filled(600, 10, fat), most_bytes=60_000, error=error)

    assert await extra(database) == [str(n) for n in range(1, 601)]


async def test_a_row_that_no_answer_holds_is_an_error_that_says_so() -> None:
    database = Capped(*filled(40, 10, [30]), most_bytes=9_000)

    with pytest.raises(TargetError, match="t: a single row is too much to be read back") as raised:
        await extra(database)

    assert not isinstance(raised.value, AnswerTooLongError)
    assert "--exclude" in raised.value.hint
    assert "64 MB" in raised.value.what


async def test_keys_of_many_rows_are_read_few_at_a_time_too() -> None:
    plan = table_plan([column("line")], key=("line",), without_rowid=True)
    lines = "SELECT n || printf('%.*c', 900, 'x') FROM c"
    numbers = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c LIMIT 300)"
    database = Capped(plan.create_sql, f"INSERT INTO t {numbers} {lines}", most_bytes=60_000)
    source = EmptySource()

    sides = Sides(source, source, database)
    found = [one.key async for one in extra_rows(sides, plan, lambda: None)]

    assert found == [(str(key),) for (key,) in database.rows("SELECT line FROM t ORDER BY line")]


def of_size(rows: int, size: int) -> TablePlan:
    return replace(LOG, table=replace(LOG.table, rows=rows, bytes=size))


async def test_the_first_page_is_as_long_as_rows_of_that_size_make_a_good_answer() -> None:
    assert rows_to_begin_with(of_size(-1, 0), 500) == 500
    assert rows_to_begin_with(of_size(0, 8_192), 500) == 500
    assert rows_to_begin_with(of_size(1_000_000, 100_000_000), 500) == 500
    assert rows_to_begin_with(of_size(1_000, 1_000_000_000), 500) * 2_000_000 <= ANSWER_BYTES
    assert rows_to_begin_with(of_size(3, 30_000_000), 500) == 1

    database = Capped(*filled(40, 9_000), most_bytes=1_000_000)
    plan = of_size(40, 40 * 1_000_000)
    await extra(database, plan)
    assert database.requests[0][0].endswith(" LIMIT 1")
