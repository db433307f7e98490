"""Claiming tables while claims that were sent before are still on their way."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from streamer.errors import FencedError
from streamer.model import Answer, Statement
from streamer.pack import drop_unused, owners_of, read_owners
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
    """A database that carries out `late` right before it is asked to drop what nobody needs."""

    def __init__(self, database: SqliteDatabase, late: Sequence[Statement]) -> None:
        self._database = database
        self._late = [late]

    async def execute(self, statements: Sequence[Statement]) -> Answer:
        if list(statements) == list(drop_unused()) and self._late:
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


async def test_a_claim_of_its_own_that_is_heard_while_a_run_leaves_leaves_no_mark() -> None:
    database = SqliteDatabase()
    late = await claim_on_its_way(database, run="run", epoch=1)
    ours = Ownership(Between(database, late), run="run", epoch=1, holder="run 1")
    await ours.take(["a", "b"])

    await ours.leave(["a", "b"])

    answer = await database.execute(
        [Statement("SELECT count(*) FROM sqlite_schema WHERE name LIKE '#_streamer#_%' ESCAPE '#'")]
    )
    assert int(str(answer.results[0].rows[0][0])) == 0
