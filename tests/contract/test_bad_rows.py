"""Which rows of a batch are bad, found out on both local D1s and in a plain file, in few requests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace

import pytest

from streamer.model import Answer, Batch, Chunk, Clause, Pack, Reject, StepId, StepKind, Storage
from streamer.pack import LedgerStep
from streamer.sinks import BadRow, Carried, D1Sink, Diagnosing, FoundBadRowsError, Rejecting
from tests.contract.owned import Target, opened
from tests.engines.limited_sqlite import column, layout_of, packed, page_of, table_plan

COLUMNS = [column("k", Storage.INTEGER), column("n"), column("u"), column("j"), column("big")]
PLAN = replace(
    table_plan(COLUMNS, name="c"),
    clauses=(Clause("", "", 'CONSTRAINT "odd" CHECK ("k" % 10 <> 3)'),),
)
CREATE = """CREATE TABLE c (k INTEGER PRIMARY KEY, n TEXT NOT NULL, u TEXT UNIQUE, j TEXT, big TEXT,
CONSTRAINT odd CHECK (k % 10 <> 3), CHECK (json_array_length(j) IS NULL OR json_array_length(j) >= 0))"""
STEP = StepId(1)
LEDGER = LedgerStep("c", StepKind.ROWS)
FORMS = [Pack.JSON, Pack.VALUES, Pack.ROWS]


@pytest.fixture(params=["workerd_d1", "local_d1", "sqlite_file"])
async def target(request: pytest.FixtureRequest) -> AsyncIterator[Target]:
    async with opened(request.getfixturevalue(request.param)) as target:
        target.server.run(target.uuid, CREATE)
        await target.owner().take(["c"])
        yield target


@dataclass
class Finding:
    """A sink that finds bad rows of `c`, and what it was given."""

    target: Target
    form: Pack

    def __post_init__(self) -> None:
        self.layout = layout_of(PLAN, self.form)
        self.rejected: list[BadRow] = []

    def batch(self, rows: Sequence[tuple[str, str | None, str | None, str | None]]) -> Batch:
        made: list[Chunk] = packed(self.layout, page_of([(*row, None) for row in rows]))
        return Batch(tuple(replace(chunk, step=STEP) for chunk in made))

    def sink(self) -> Rejecting:
        owner = self.target.owner()
        sink = D1Sink(
            self.target.database, owner, layouts={STEP: self.layout}, steps={STEP: LEDGER}
        )
        steps = {STEP: (Carried(PLAN, self.layout), LEDGER)}

        async def settle(batch: Batch) -> Batch:
            return batch

        found = Diagnosing(sink, self.target.database, owner, steps, settle=settle)
        return Rejecting(found, self.record)

    async def record(self, rows: Sequence[BadRow]) -> list[Reject]:
        self.rejected += rows
        return [Reject(str(n), row.key, row.reason) for n, row in enumerate(rows)]

    async def write(self, rows: Sequence[tuple[str, str | None, str | None, str | None]]) -> Answer:
        self.target.server.stats(reset=True)
        return await self.sink().write(self.batch(rows))

    @property
    def reasons(self) -> dict[str, str]:
        return {row.key[0]: row.reason for row in self.rejected}


@pytest.mark.parametrize("form", FORMS)
async def test_only_the_bad_rows_of_a_batch_are_left_out_each_with_its_own_reason(
    target: Target, form: Pack
) -> None:
    finding = Finding(target, form)
    rows = [(str(n), "x", str(n), "{}") for n in range(1, 61)]
    rows[4] = ("5", None, "5", "{}")
    rows[9] = ("10", "x", "9", "{}")
    rows[19] = ("20", None, "20", "{}")

    answer = await finding.write(rows)

    odd, null = "CHECK constraint failed: odd", "NOT NULL constraint failed: c.n"
    threes = {str(n): odd for n in range(3, 60, 10)}
    assert finding.reasons == {
        **threes,
        "5": null,
        "20": null,
        "10": "UNIQUE constraint failed: c.u",
    }
    stored = {row[0] for row in target.rows("SELECT k FROM c")}
    assert stored == set(range(1, 61)) - set(map(int, finding.reasons))
    ((at, rejected),) = answer.rejected.items()
    assert at == (STEP, 0)
    assert {reject.key[0] for reject in rejected} == finding.reasons.keys()


async def test_what_fails_in_another_way_is_cut_down_to_its_row(target: Target) -> None:
    finding = Finding(target, Pack.JSON)
    rows = [(str(n), "x", None, "{}") for n in range(50, 90) if n % 10 != 3]
    rows[17] = (rows[17][0], "x", None, "no json")

    await finding.write(rows)

    assert list(finding.reasons) == [rows[17][0]]
    assert "malformed JSON" in finding.reasons[rows[17][0]]
    assert len(target.rows("SELECT k FROM c")) == len(rows) - 1


async def test_rows_that_are_there_with_other_values_are_tried_as_they_come(
    target: Target,
) -> None:
    target.server.run(
        target.uuid, "INSERT INTO c VALUES (1,'old','a','{}',NULL),(2,'old','b',NULL,NULL)"
    )
    finding = Finding(target, Pack.JSON)

    await finding.write([("1", None, "a", "{}"), ("2", "new", "b", None)])

    assert list(finding.reasons) == ["1"]
    assert target.rows("SELECT k, n FROM c ORDER BY k") == [[1, "old"], [2, "new"]]


async def test_fault_12_a_value_that_a_bad_row_holds_makes_no_other_row_bad(target: Target) -> None:
    target.server.run(
        target.uuid, "INSERT INTO c VALUES (1,'x','a','{}',NULL),(2,'x','b','{}',NULL)"
    )
    finding = Finding(target, Pack.JSON)
    sink = finding.sink()._sink

    with pytest.raises(FoundBadRowsError) as met:
        await sink.write(finding.batch([("1", "x", "b", "{}"), ("2", None, "c", "{}")]))

    assert [row.key for row in met.value.bad] == [("2",)]
    target.server.run(target.uuid, "UPDATE c SET u = NULL WHERE k = 2")  # it lets go of the value
    await sink.write(met.value.rest)
    assert target.rows("SELECT k, n, u FROM c ORDER BY k") == [[1, "x", "b"], [2, "x", None]]


async def test_fault_12_and_36_a_row_that_waits_for_a_value_of_its_batch_is_not_bad_as_another_is(
    target: Target,
) -> None:
    old = "INSERT INTO c VALUES (1,'x','a','{}',NULL),(2,'x','b','{}',NULL),(4,'x','d','{}',NULL)"
    target.server.run(target.uuid, old)
    finding = Finding(target, Pack.JSON)

    await finding.write(
        [("1", "x", "b", "{}"), ("2", "x", "d", "{}"), ("3", "x", "c", "{}"), ("4", "x", "e", "{}")]
    )

    assert finding.reasons == {"3": "CHECK constraint failed: odd"}
    rows = target.rows("SELECT k, u FROM c ORDER BY k")
    assert rows == [[1, "b"], [2, "d"], [4, "e"]]


async def test_without_a_place_for_bad_rows_the_first_is_named(target: Target) -> None:
    finding = Finding(target, Pack.JSON)
    sink = finding.sink()._sink

    with pytest.raises(FoundBadRowsError) as met:
        await sink.write(finding.batch([("1", "x", None, None), ("13", "precious", None, None)]))

    assert met.value.what == "public.c, key 13: CHECK constraint failed: odd"
    assert "precious" not in str(met.value)
