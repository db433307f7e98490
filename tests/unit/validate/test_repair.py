"""Extra rows that a repair deletes: each once, and an end also where some have to stay."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from streamer.d1 import RefusedRowsError
from streamer.d1.failures import Failure, FailureKind
from streamer.errors import BadRowsError
from streamer.model import Answer, Batch, Pack, Statement, StepKind, TablePlan
from streamer.pack import Layout
from streamer.sinks import Ownership
from streamer.validate.differences import Difference, Differences, Kind
from streamer.validate.repair import Mending, Repair
from streamer.validate.sides import Sides
from tests.engines.limited_sqlite import STEP, column, table_plan
from tests.engines.sqlite_database import SqliteDatabase
from tests.fakes.empty_source import EmptySource

PARENTS = {
    "without a key": table_plan([column("code")], key=(), constraints=['UNIQUE("code")']),
    "with a key": table_plan([column("code")], key=("code",)),
}
CHILDREN = 'CREATE TABLE child("of" TEXT REFERENCES t("code"))'


class Refusing(SqliteDatabase):
    """A database whose refusals say what failed, as the client's do."""

    async def execute(self, statements: Sequence[Statement]) -> Answer:
        try:
            return await super().execute(statements)
        except BadRowsError as error:
            failure = Failure(FailureKind.CONSTRAINT, message=str(error))
            raise RefusedRowsError(str(error), failure) from None


class Unused:
    """A sink for a repair that sends nothing."""

    batch_bytes = 100_000

    async def write(self, batch: Batch) -> Answer:
        raise AssertionError(batch)


def stopping(most: int) -> Callable[[], None]:
    """Fails where a repair has come by more than `most` times."""
    left = [None] * most

    def heed_stop() -> None:
        assert left, "the repair doesn't end"
        left.pop()

    return heed_stop


async def deleted(database: Refusing, plan: TablePlan) -> int:
    """How many rows a repair says it deleted that was to delete all of `plan`."""
    ownership = Ownership(database, run="r", epoch=1, holder="h")
    await ownership.take(["t"])
    layout = Layout.of(plan, StepKind.ROWS, Pack.JSON, into_stage=False)
    source = EmptySource()
    with Differences() as differences:
        key = "code" if plan.key.targets else "CAST(rowid AS TEXT)"
        for (text,) in database.rows(f"SELECT {key} FROM t"):
            differences.add(Difference(str(plan.name), Kind.EXTRA, (str(text),)))
        repair = Repair(
            Sides(source, source, database),
            ownership,
            Unused(),
            differences,
            tables=[Mending(plan, STEP, layout)],
            kept=(),
            heed_stop=stopping(20),
        )
        await repair.carry_out()
    return repair.deleted


@pytest.mark.parametrize("plan", PARENTS.values(), ids=PARENTS)
@pytest.mark.parametrize("lose_answers", [False, True])
async def test_extra_rows_that_nothing_refers_to_go_and_each_counts_once(
    plan: TablePlan, *, lose_answers: bool
) -> None:
    database = Refusing(plan.create_sql, "INSERT INTO t VALUES ('a'), ('b'), ('c')")
    database.lose_answers = lose_answers

    assert await deleted(database, plan) == 3
    assert database.rows("SELECT * FROM t") == []


@pytest.mark.parametrize("plan", PARENTS.values(), ids=PARENTS)
async def test_an_extra_row_that_others_refer_to_stays_and_the_repair_ends(
    plan: TablePlan,
) -> None:
    database = Refusing(
        plan.create_sql,
        CHILDREN,
        "INSERT INTO t VALUES ('a'), ('b'), ('c'), ('d')",
        "INSERT INTO child VALUES ('b')",
    )

    assert await deleted(database, plan) == 3
    assert database.rows("SELECT * FROM t") == [("b",)]
