"""Claiming tables while claims that were sent before are still on their way."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from streamer.d1 import TooLargeError
from streamer.d1.failures import Failure, FailureKind
from streamer.errors import BadRowsError, FencedError, StreamerError
from streamer.model import Answer, Statement
from streamer.pack import drop_unused, owners_of, read_owners
from streamer.run.finish import OPTIMIZE
from streamer.sinks import Ownership
from tests.engines.sqlite_database import SqliteDatabase


class Late:
    """A database that carries out `late` requests right after somebody looked at the owners."""

    def __init__(self, database: SqliteDatabase, *late: Sequence[Statement]) -> None:
        self._database = database
        self._late = list(late)

    async def execute(self, statements: Sequence[Statement]) -> Answer:
        answer = await self._database.execute(statements)
        if statements[-1] == read_owners() and self._late:
            await self._database.execute(self._late.pop(0))
        return answer


class Between:
    """A database that carries out `late` right before the first request that ends in `end`."""

    def __init__(self, database: SqliteDatabase, late: Sequence[Statement], end: Statement) -> None:
        self._database = database
        self._late = [late]
        self._end = end

    async def execute(self, statements: Sequence[Statement]) -> Answer:
        if statements[-1] == self._end and self._late:
            await self._database.execute(self._late.pop())
        return await self._database.execute(statements)


class Recorded:
    """A database that notes requests without carrying them out, but for looks at the owners."""

    def __init__(self, database: SqliteDatabase) -> None:
        self.requests: list[Sequence[Statement]] = []
        self._database = database

    async def execute(self, statements: Sequence[Statement]) -> Answer:
        if statements[-1] == read_owners():
            return await self._database.execute(statements)
        self.requests.append(statements)
        return Answer(())


async def claim_on_its_way(
    database: SqliteDatabase, *, run: str, epoch: int
) -> Sequence[Statement]:
    recorded = Recorded(database)
    await Ownership(recorded, run=run, epoch=epoch, holder=f"{run} {epoch}").take(["a", "b"])
    (claim,) = recorded.requests
    return claim


async def owners(database: SqliteDatabase) -> set[tuple[str, str, int]]:
    answer = await database.execute([read_owners()])
    return {(owner.table, owner.run, owner.epoch) for owner in owners_of(answer.results[0])}


async def test_a_claim_of_an_older_start_that_is_heard_late_keeps_nobody_out() -> None:
    database = SqliteDatabase()
    late = await claim_on_its_way(database, run="run", epoch=1)

    await Ownership(Late(database, late), run="run", epoch=2, holder="new").take(["a", "b"])

    assert await owners(database) == {("a", "run", 2), ("b", "run", 2)}
    with pytest.raises(FencedError):
        await database.execute(late)


async def test_a_claim_of_another_run_that_comes_between_wins() -> None:
    database = SqliteDatabase()
    late = await claim_on_its_way(database, run="other", epoch=1)

    with pytest.raises(FencedError):
        await Ownership(Late(database, late), run="run", epoch=2, holder="new").take(["a", "b"])

    assert await owners(database) == {("a", "other", 1), ("b", "other", 1)}


async def test_a_claim_of_a_newer_start_that_comes_between_wins() -> None:
    database = SqliteDatabase()
    late = await claim_on_its_way(database, run="run", epoch=3)

    with pytest.raises(FencedError):
        await Ownership(Late(database, late), run="run", epoch=2, holder="new").take(["a", "b"])

    assert await owners(database) == {("a", "run", 3), ("b", "run", 3)}


async def marks(database: SqliteDatabase) -> list[tuple[object, ...]]:
    return database.rows(
        "SELECT name FROM sqlite_schema WHERE name LIKE '#_streamer#_%' ESCAPE '#'"
    )


async def test_a_claim_of_its_own_that_is_heard_while_a_run_leaves_leaves_no_mark() -> None:
    database = SqliteDatabase()
    late = await claim_on_its_way(database, run="run", epoch=1)
    between = Between(database, late, drop_unused()[-1])
    ours = Ownership(between, run="run", epoch=1, holder="run 1")
    await ours.take(["a", "b"])

    await ours.leave(["a", "b"])

    assert await marks(database) == []


async def test_nor_does_one_that_is_heard_while_another_run_owns_tables() -> None:
    database = SqliteDatabase()
    late = await claim_on_its_way(database, run="run", epoch=1)
    await Ownership(database, run="other", epoch=1, holder="other").take(["c"])
    await Ownership(database, run="run", epoch=1, holder="run 1").take(["a", "b"])
    between = Between(database, late, read_owners())
    ours = Ownership(between, run="run", epoch=1, holder="run 1")

    await ours.leave(["a", "b"])

    assert await owners(database) == {("c", "other", 1)}


class Objecting:
    """A database to which a request that holds `what` is too much, in a way."""

    def __init__(self, database: SqliteDatabase, what: Statement, error: StreamerError) -> None:
        self._database = database
        self._what = what
        self._error = error

    async def execute(self, statements: Sequence[Statement]) -> Answer:
        if self._what in statements:
            raise self._error
        return await self._database.execute(statements)


def too_large() -> StreamerError:
    return TooLargeError("too slow", Failure(FailureKind.TOO_SLOW, 7500))


@pytest.mark.parametrize("error", [BadRowsError("not authorized"), too_large()])
@pytest.mark.parametrize("others", [False, True])
async def test_what_is_sent_along_with_the_end_is_nothing_to_fail_for(
    error: StreamerError, *, others: bool
) -> None:
    database = SqliteDatabase()
    if others:
        await Ownership(database, run="other", epoch=1, holder="other").take(["c"])
    ours = Ownership(Objecting(database, OPTIMIZE, error), run="run", epoch=1, holder="run 1")
    await ours.take(["a", "b"])

    await ours.leave(["a", "b"], along=[OPTIMIZE])

    if others:
        assert await owners(database) == {("c", "other", 1)}
    else:
        assert await marks(database) == []


@pytest.mark.parametrize("others", [False, True])
async def test_it_is_carried_out_whether_another_run_is_there_or_not(*, others: bool) -> None:
    database = SqliteDatabase()
    if others:
        await Ownership(database, run="other", epoch=1, holder="other").take(["c"])
    ours = Ownership(database, run="run", epoch=1, holder="run 1")
    await ours.take(["a", "b"])
    done = Statement("CREATE TABLE along (x)")

    await ours.leave(["a", "b"], along=[done])

    assert database.rows("SELECT name FROM sqlite_schema WHERE name = 'along'") == [("along",)]


async def test_nobody_else_there_a_run_leaves_in_one_request() -> None:
    database = SqliteDatabase()
    ours = Ownership(database, run="run", epoch=1, holder="run 1")
    await ours.take(["a", "b"])
    before = len(database.requests)

    await ours.leave(["a", "b"], along=[OPTIMIZE])

    assert len(database.requests) - before == 1
