"""A resume looks whether the target still has what the checkpoint counts on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from streamer.errors import FencedError
from streamer.model import Batch, Loading, Pack, StepKind, TablePlan
from streamer.pack import Layout, LedgerStep
from streamer.pipeline import Position
from streamer.run.proof import Begun, prove
from streamer.run.publish import drop_stages, publish
from streamer.run.schema import create
from streamer.sinks import Ownership
from tests.engines.catalogs import BYTEA, INT4, TEXT, column, identified, plan_of, primary, table
from tests.engines.graphs import planned
from tests.engines.limited_sqlite import packed, page_of
from tests.engines.sqlite_database import SqliteDatabase

PLAN = plan_of(
    identified("shop", column("name", TEXT)),
    table("coded", column("code", BYTEA, not_null=True), indexes=[primary("code")]),
    table("log", column("line", TEXT)),
)
CODED, LOG, SHOP = sorted(PLAN.tables, key=lambda t: t.target)
ROWS = {
    "shop": [[str(n), "x"] for n in range(1, 5)],
    "coded": [["0a"], ["0b"], ["0c"], ["0d"]],
    "log": [[str(65_536 + n), "x"] for n in range(1, 5)],
}


class Target:
    """A database that this run owns, with the plan's tables."""

    def __init__(self, tables: Sequence[TablePlan]) -> None:
        self.tables = tables
        self.database = SqliteDatabase()
        self.ownership = Ownership(self.database, run="run", epoch=1, holder="here")

    async def begin(self) -> None:
        await self.ownership.take([t.target for t in self.tables])
        await create(self.database, self.tables)

    async def move(
        self, one: TablePlan, rows: Sequence[Sequence[str | None]], kind: StepKind = StepKind.ROWS
    ) -> Begun:
        """Write the rows, one chunk each, as the run does; how far that is."""
        staged = one.loading is Loading.STAGED and kind is StepKind.ROWS
        layout = Layout.of(one, kind, Pack.JSON, into_stage=staged)
        position = Position()
        for number, row in enumerate(rows):
            (chunk,) = packed(layout, page_of([row]))
            chunk = replace(chunk, number=number, after=position.last)
            steps = {chunk.step: LedgerStep(one.target, kind, keys_hidden=one.hides_key)}
            record = self.ownership.record(Batch((chunk,)), steps)
            await self.database.execute([*chunk.statements, record])
            position = position.moved_over(chunk)
        return Begun(one, kind, position)

    async def resumed(self, *begun: Begun, epoch: int = 2) -> None:
        """Look as a resume does."""
        again = Ownership(self.database, run="run", epoch=epoch, holder=f"start {epoch}")
        names = [t.target for t in self.tables]
        hidden = {
            step.ledger_step: step.position.next_number for step in begun if step.table.hides_key
        }
        await again.take(names, resumed=names, since=epoch - 1, reached=hidden)
        await prove(self.database, again, begun)


@pytest.fixture
async def target() -> Target:
    made = Target(PLAN.tables)
    await made.begin()
    return made


async def test_what_was_written_is_there(target: Target) -> None:
    begun = [await target.move(t, ROWS[t.target]) for t in PLAN.tables]

    await target.resumed(*begun)


async def test_a_target_ahead_of_its_checkpoint_is_fine(target: Target) -> None:
    begun = await target.move(SHOP, ROWS["shop"])
    behind = Position(last=("2",), first=("1",), next_number=2, rows=2)

    await target.resumed(replace(begun, position=behind))


async def test_a_run_that_has_begun_nothing_asks_nothing(target: Target) -> None:
    target.database.requests.clear()

    await prove(target.database, target.ownership, [])

    assert target.database.requests == []


@pytest.mark.parametrize("one", PLAN.tables, ids=lambda t: t.target)
async def test_fault_33_a_ledger_that_ends_before_the_checkpoint_stops_the_resume(
    target: Target, one: TablePlan
) -> None:
    begun = await target.move(one, ROWS[one.target])
    target.database.rows("DELETE FROM _streamer_ledger WHERE first = 2")

    with pytest.raises(FencedError, match=f"{one.target}: its ledger ends") as caught:
        await target.resumed(begun)

    assert "--restart" in caught.value.hint


@pytest.mark.parametrize("key", ["1", "4"])
async def test_a_first_or_last_row_that_is_gone_stops_the_resume(target: Target, key: str) -> None:
    others = [await target.move(t, ROWS[t.target]) for t in (CODED, LOG)]
    begun = await target.move(SHOP, ROWS["shop"])
    target.database.rows("DELETE FROM shop WHERE id = ?", key)

    with pytest.raises(FencedError, match="shop: a row that D1 had acknowledged isn't there"):
        await target.resumed(*others, begun)


async def test_a_row_without_a_key_is_found_by_its_number(target: Target) -> None:
    begun = await target.move(LOG, ROWS["log"])
    target.database.rows("DELETE FROM log WHERE rowid = 65540")

    with pytest.raises(FencedError, match="log: a row"):
        await target.resumed(begun)


async def test_a_key_that_is_stored_otherwise_is_not_looked_up(target: Target) -> None:
    begun = await target.move(CODED, ROWS["coded"])
    target.database.rows("DELETE FROM coded")

    await target.resumed(begun)


async def test_fault_33_an_emptied_database_stops_the_resume(target: Target) -> None:
    begun = await target.move(SHOP, ROWS["shop"])
    target.database.rows("DROP TABLE shop")
    target.database.rows("DROP TABLE _streamer_owner")
    target.database.rows("DROP TABLE _streamer_ledger")

    with pytest.raises(FencedError, match="gone from D1"):
        await target.resumed(begun)


async def test_a_hundred_tables_are_looked_at_a_few_a_request() -> None:
    plan = plan_of(*[identified(f"t{n:03}", column("a", INT4)) for n in range(100)])
    target = Target(plan.tables)
    await target.begin()
    begun = [await target.move(t, [["1", "2"], ["2", "3"]]) for t in plan.tables]
    target.database.requests.clear()

    await prove(target.database, target.ownership, begun)

    assert sum(map(len, target.database.requests)) == 300
    assert max(map(len, target.database.requests)) <= 99
    target.database.rows("DELETE FROM t099")
    with pytest.raises(FencedError, match="t099"):
        await prove(target.database, target.ownership, begun)


HIDDEN = replace(SHOP, hides_key=True)


async def test_hidden_keys_are_proved_by_the_numbers_of_their_chunks(target: Target) -> None:
    begun = await target.move(HIDDEN, ROWS["shop"])
    await target.database.execute([target.ownership.guard(begun.ledger_step)])

    await target.resumed(begun)

    assert target.database.rows("SELECT DISTINCT behind, last FROM _streamer_ledger") == [("", "")]
    target.database.rows("DELETE FROM _streamer_ledger WHERE first = 1")
    with pytest.raises(FencedError, match="shop: its ledger ends"):
        await target.resumed(begun, epoch=3)


async def test_numbers_beyond_the_position_are_forgotten_for_others_will_have_them(
    target: Target,
) -> None:
    begun = await target.move(HIDDEN, ROWS["shop"])
    behind = replace(begun, position=replace(begun.position, next_number=2))

    await target.resumed(behind)

    first = "SELECT first FROM _streamer_ledger ORDER BY first"
    assert target.database.rows(first) == [(0,), (1,)]
    with pytest.raises(FencedError, match="shop: its ledger ends"):
        await target.resumed(begun, epoch=3)


async def test_fault_33_the_mark_of_an_older_start_shows_that_the_database_was_restored(
    target: Target,
) -> None:
    begun = await target.move(SHOP, ROWS["shop"])

    with pytest.raises(FencedError, match="an older one now; the database was restored"):
        await target.resumed(begun, epoch=3)


CYCLE = planned([(0, 1, True), (1, 0, True)])
STAGED = [t for t in CYCLE.tables if t.stage]


async def test_a_cycle_is_published_in_one_request_which_may_come_twice() -> None:
    target = Target(CYCLE.tables)
    await target.begin()
    begun = [await target.move(t, [["1", "2"], ["2", "1"]]) for t in STAGED]
    await target.resumed(*begun)
    now = Ownership(target.database, run="run", epoch=2, holder="again")
    target.database.requests.clear()

    target.database.lose_answers = True
    await publish(target.database, now, STAGED)
    await drop_stages(target.database, now, STAGED)

    assert len(target.database.requests) == 4
    assert target.database.rows("SELECT id, c0 FROM t0") == [(1, 2), (2, 1)]
    assert target.database.rows("SELECT id, c1 FROM t1") == [(1, 2), (2, 1)]
    assert target.database.rows("SELECT 1 FROM sqlite_master WHERE name = ?", STAGED[0].stage) == []


async def test_a_cycle_of_a_run_that_lost_its_claim_is_not_published() -> None:
    target = Target(CYCLE.tables)
    await target.begin()
    for one in STAGED:
        await target.move(one, [["1", "1"]])
    await target.resumed()

    with pytest.raises(FencedError):
        await publish(target.database, target.ownership, STAGED)

    assert target.database.rows("SELECT * FROM t0") == []


async def test_stages_of_a_run_that_lost_its_claim_are_left_to_the_one_that_has_it() -> None:
    target = Target(CYCLE.tables)
    await target.begin()
    await target.resumed()

    with pytest.raises(FencedError):
        await drop_stages(target.database, target.ownership, STAGED)

    assert target.database.rows(f'SELECT * FROM "{STAGED[0].stage}"') == []


async def test_rows_that_refer_to_nothing_are_not_published() -> None:
    target = Target(CYCLE.tables)
    await target.begin()
    await target.move(STAGED[0], [["1", "9"]])

    with pytest.raises(Exception, match="FOREIGN KEY"):
        await publish(target.database, target.ownership, STAGED)

    assert target.database.rows("SELECT * FROM t0") == []
