"""Whose batches D1 takes: those of the run, and the start, that owns the tables."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

import pytest

from streamer.errors import FencedError, StreamerError
from streamer.model import Answer, Batch, Statement, StepKind
from streamer.pack import LedgerStep, drop_unused, owners_of, read_owners, release, take_over
from streamer.sinks import Ownership
from tests.contract.owned import Target, numbered


async def test_batches_of_an_earlier_start_write_nothing_any_more(target: Target) -> None:
    await target.owner(epoch=2).take(["a", "b"], resumed=["a", "b"])

    with pytest.raises(FencedError):
        await target.sink(epoch=1).write(Batch((target.a(numbered(3)),)))
    await target.sink(epoch=2).write(Batch((target.a(numbered(1)),)))

    assert target.rows("SELECT k FROM a") == [[1]]
    assert [row[2] for row in target.ledger()] == [2]


async def test_batches_of_another_run_write_nothing(target: Target) -> None:
    with pytest.raises(FencedError):
        await target.sink(run="other").write(Batch((target.a(numbered(3)),)))

    assert target.rows("SELECT * FROM a") == []
    assert target.ledger() == []


async def test_fault_34_a_batch_is_fenced_when_one_of_its_tables_is_another_s(
    target: Target,
) -> None:
    await target.owner("other").take(["b"])

    with pytest.raises(FencedError):
        await target.sink().write(Batch((target.a(numbered(3)), target.b([("x", "y", "z")]))))
    await target.sink().write(Batch((target.a(numbered(1)),)))

    assert target.rows("SELECT k FROM a") == [[1]]
    assert target.rows("SELECT * FROM b") == []


async def test_a_resume_does_not_take_what_another_run_has_taken_since(target: Target) -> None:
    await target.owner("other").take(["b"])

    with pytest.raises(FencedError, match="b: another run") as caught:
        await target.owner(epoch=2).take(["a", "b"], resumed=["a", "b"])

    assert "other" in caught.value.what
    await target.sink().write(Batch((target.a(numbered(1)),)))


async def test_an_older_start_does_not_take_its_tables_back(target: Target) -> None:
    await target.owner(epoch=3).take(["a", "b"], resumed=["a", "b"])

    with pytest.raises(FencedError, match="start 3"):
        await target.owner(epoch=2).take(["a", "b"], resumed=["a", "b"])


async def test_a_resume_that_finds_no_mark_of_its_own_stops(target: Target) -> None:
    target.server.run(target.uuid, "DROP TABLE _streamer_owner")

    with pytest.raises(FencedError, match="the mark of this run is gone"):
        await target.owner(epoch=2).take(["a", "b"], resumed=["a", "b"])


@pytest.mark.parametrize("lost", [1, 2, 3])
async def test_a_claim_whose_answer_was_lost_is_made_once(remote: Target, lost: int) -> None:
    remote.server.set_faults({"match": "/raw", "abort": True, "after": True, "times": lost})

    await remote.owner(epoch=2).take(["a", "b"], resumed=["a", "b"])

    owners = remote.rows('SELECT "table", run, epoch FROM _streamer_owner ORDER BY 1')
    assert owners == [["a", "run", 2], ["b", "run", 2]]


MAKING = [
    Statement("CREATE TABLE IF NOT EXISTS C(k INTEGER PRIMARY KEY)"),
    Statement("DROP TABLE IF EXISTS staged"),
    Statement("CREATE TABLE staged(k)"),
]
FACTS = {"C": "of C"}


async def test_tables_that_are_not_there_are_claimed_and_made_in_one_request_even_if_it_is_repeated(
    remote: Target,
) -> None:
    remote.server.set_faults({"match": "/raw", "abort": True, "after": True, "times": 2})

    assert await remote.owner("new").take_new(["C"], facts=FACTS, making=MAKING)

    assert remote.server.stats().get("requests") == 3
    owners = "SELECT \"table\", run, epoch FROM _streamer_owner WHERE run = 'new'"
    assert remote.rows(owners) == [["C", "new", 1]]
    assert remote.rows("SELECT last FROM _streamer_ledger WHERE run = 'new'") == [["of C"]]
    assert {"C", "staged"} <= remote.tables()


async def test_what_claims_and_makes_tables_changes_nothing_once_rows_have_come(
    target: Target,
) -> None:
    owner = target.owner("new")
    assert await owner.take_new(["C"], facts=FACTS, making=MAKING)
    rows = [Statement("INSERT INTO C VALUES (1)"), Statement("INSERT INTO staged VALUES (1)")]
    await target.database.execute([*rows, owner.guard(LedgerStep("C", StepKind.ROWS))])

    assert not await owner.take_new(["C"], facts=FACTS, making=MAKING)

    assert (target.rows("SELECT * FROM C"), target.rows("SELECT * FROM staged")) == ([[1]], [[1]])


async def test_what_claims_and_makes_tables_leaves_no_mark_once_the_run_is_over(
    target: Target,
) -> None:
    owner = target.owner("new")
    await target.owner().leave(["a", "b"])
    assert await owner.take_new(["C"], facts=FACTS, making=MAKING)
    await owner.leave(["C"])

    assert not await owner.take_new(["C"], facts=FACTS, making=MAKING)

    assert target.tables() == {"a", "b", "C", "staged"}


@pytest.mark.parametrize("epoch", [1, 2])
async def test_tables_that_another_start_has_made_are_not_claimed_as_new(
    target: Target, epoch: int
) -> None:
    await target.owner("new" if epoch == 2 else "other").take_new(["C"], facts={}, making=MAKING)

    assert not await target.owner("new", epoch).take_new(["C"], facts=FACTS, making=MAKING)
    assert not await target.owner("new", epoch).take_new(["A"], facts=FACTS, making=MAKING)

    owners = 'SELECT "table", epoch FROM _streamer_owner ORDER BY 1'
    assert target.rows(owners) == [["a", 1], ["b", 1], ["C", 1]]


async def test_more_tables_than_one_request_can_make_are_not_claimed_with_that(
    target: Target,
) -> None:
    making = [Statement(f"CREATE TABLE t{n}(k)") for n in range(94)]

    assert not await target.owner("new").take_new(["t0"], facts=FACTS, making=making)
    assert target.tables() == {"a", "b", "_streamer_owner", "_streamer_ledger"}

    assert await target.owner("new").take_new(["t0"], facts=FACTS, making=making[1:])


EMPTY_A = [Statement("DELETE FROM a"), Statement("SELECT count(*) FROM a")]


async def test_tables_are_prepared_by_their_owner_before_the_first_rows(target: Target) -> None:
    target.server.run(target.uuid, "INSERT INTO a VALUES (1, 'old')")

    answer = await target.owner().preparing(["a", "b"]).execute(EMPTY_A)

    assert [result.rows for result in answer.results] == [(), ((0,),)]


async def test_a_preparation_that_comes_after_the_first_rows_takes_none_away(
    target: Target,
) -> None:
    preparing = target.owner().preparing(["a", "b"])
    await target.sink().write(Batch((target.a(numbered(3)),)))

    with pytest.raises(FencedError):
        await preparing.execute(EMPTY_A)

    assert len(target.rows("SELECT * FROM a")) == 3


async def test_a_later_start_prepares_again_and_an_earlier_one_does_not(target: Target) -> None:
    await target.sink().write(Batch((target.a(numbered(3)),)))
    await target.owner(epoch=2).take(["a", "b"], resumed=["a", "b"])

    with pytest.raises(FencedError):
        await target.owner(epoch=1).preparing(["b"]).execute(EMPTY_A)
    assert len(target.rows("SELECT * FROM a")) == 3

    await target.owner(epoch=2).preparing(["a", "b"]).execute(EMPTY_A)
    assert target.rows("SELECT * FROM a") == []


async def test_tables_of_another_run_are_not_prepared(target: Target) -> None:
    await target.owner("other").take(["b"])
    target.server.run(target.uuid, "INSERT INTO a VALUES (1, 'old')")

    with pytest.raises(FencedError):
        await target.owner().preparing(["a", "b"]).execute(EMPTY_A)

    assert len(target.rows("SELECT * FROM a")) == 1


async def test_the_end_of_a_run_takes_everything_of_ours_away(target: Target) -> None:
    await target.sink().write(Batch((target.a(numbered(1)),)))

    await target.owner().leave(["a", "b"])
    await target.owner().leave(["a", "b"])

    assert target.tables() == {"a", "b"}
    assert target.rows("SELECT k FROM a") == [[1]]


async def test_the_end_of_a_run_leaves_what_another_run_needs(target: Target) -> None:
    await target.owner("other").take(["b"])
    await target.sink().write(Batch((target.a(numbered(1)),)))
    await target.sink(run="other").write(Batch((target.b([("x", "y", "z")]),)))

    await target.owner().leave(["a", "b"])

    assert target.rows('SELECT "table", run FROM _streamer_owner') == [["b", "other"]]
    assert [row[:2] for row in target.ledger()] == [["b", "other"]]
    await target.sink(run="other").write(Batch((target.b([("x", "z", "z")]),)))


async def test_a_late_end_of_an_earlier_start_leaves_a_later_one_its_marks(target: Target) -> None:
    await target.owner(epoch=2).take(["a", "b"], resumed=["a", "b"])
    await target.sink(epoch=2).write(Batch((target.a(numbered(1)),)))

    await target.owner(epoch=1).leave(["a", "b"])

    await target.sink(epoch=2).write(Batch((target.a(numbered(2)),)))
    assert target.rows("SELECT k FROM a") == [[1], [2]]
    assert [row[2] for row in target.ledger()] == [2, 2]


class Late:
    """A database that plays `late`, which another start sent, behind the first request."""

    def __init__(self, target: Target, late: Sequence[tuple[Statement, ...]]) -> None:
        self._target = target
        self._late = late

    async def execute(self, statements: Sequence[Statement]) -> Answer:
        """Answer as if nothing had come between."""
        answer = await self._target.database.execute(statements)
        late, self._late = self._late, ()
        for request in late:
            await self._target.database.execute(request)
        return answer


@pytest.mark.parametrize("owned", [True, False])
async def test_a_late_end_of_an_earlier_start_between_looking_and_claiming_changes_nothing(
    target: Target, *, owned: bool
) -> None:
    ended = [release(["a", "b"], run="run", epoch=1), drop_unused()]
    if not owned:
        await target.owner().leave(["a", "b"])
    owner = Ownership(Late(target, ended), run="run", epoch=2, holder="late")

    await owner.take(["a", "b"], whoever_came=True)

    await target.sink(epoch=2).write(Batch((target.a(numbered(1)),)))
    assert target.rows("SELECT k FROM a") == [[1]]


@pytest.mark.parametrize("late", ["end", "claim"])
async def test_a_late_request_of_an_abandoned_run_between_looking_and_claiming_changes_nothing(
    target: Target, late: str
) -> None:
    requests = [release(["a", "b"], run="run", epoch=1), drop_unused()]
    if late == "claim":
        seen = owners_of((await target.database.execute([read_owners()])).results[0])
        requests = [(take_over(["a", "b"], seen, run="run", epoch=2, holder="run2"),)]
    owner = Ownership(Late(target, requests), run="next", epoch=1, holder="next")

    was_left = await owner.take(["a", "b"], abandoned=["earlier", "run"])

    assert was_left
    await target.sink(run="next").write(Batch((target.a(numbered(1)),)))
    assert target.rows("SELECT k FROM a") == [[1]]


@pytest.mark.parametrize("comes", [True, False], ids=["it is there", "it has ended"])
async def test_another_run_s_claim_between_wins_over_one_that_takes_over_from_an_abandoned_one(
    target: Target, *, comes: bool
) -> None:
    if comes:  # after the abandoned run's end
        requests = [
            release(["a", "b"], run="run", epoch=1),
            (take_over(["a", "b"], [], run="other", epoch=1, holder="other"),),
        ]
    else:
        await target.owner("other", epoch=2).take(["a", "b"])
        requests = [release(["a", "b"], run="other", epoch=2), drop_unused()]
    owner = Ownership(Late(target, requests), run="next", epoch=1, holder="next")

    with pytest.raises(FencedError):
        await owner.take(["a", "b"], abandoned=["earlier", "run"])


async def test_a_run_that_came_and_ended_between_looking_and_claiming_is_not_overlooked(
    target: Target,
) -> None:
    await target.owner().leave(["a", "b"])
    owner = Ownership(Late(target, [drop_unused()]), run="run", epoch=2, holder="late")

    with pytest.raises(FencedError):
        await owner.take(["a", "b"])


class Kept:
    """A database that keeps what it was sent, as a network may that delivers it once more later."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self.sent: list[Sequence[Statement]] = []

    async def execute(self, statements: Sequence[Statement]) -> Answer:
        """Answer as usual."""
        self.sent.append(statements)
        return await self._target.database.execute(statements)

    async def deliver_again(self) -> None:
        """Have D1 execute once more what it was sent, whatever becomes of it."""
        for request in self.sent:
            with suppress(StreamerError):
                await self._target.database.execute(request)


@pytest.mark.parametrize("next_run", ["run", "other"])
@pytest.mark.parametrize("ended", [False, True])
async def test_a_late_claim_and_a_late_emptying_take_no_rows_of_a_later_start_or_run(
    target: Target, next_run: str, *, ended: bool
) -> None:
    await target.owner().leave(["a", "b"])
    target.server.run(target.uuid, "INSERT INTO a VALUES (7, 'old')")
    late = Kept(target)
    first = Ownership(late, run="run", epoch=1, holder="first")
    await first.take(["a", "b"], from_others=False)
    await first.preparing(["a", "b"]).execute(EMPTY_A)
    resumed = ["a", "b"] if next_run == "run" else []
    await target.owner(next_run, epoch=2).take(["a", "b"], resumed=resumed)
    await target.sink(run=next_run, epoch=2).write(Batch((target.a(numbered(3)),)))
    if ended:
        await target.owner(next_run, epoch=2).leave(["a", "b"])
    late.sent = [
        request for request in late.sent if request[0].sql.startswith(("INSERT", "DELETE"))
    ]

    await late.deliver_again()

    assert len(late.sent) == 2
    assert target.rows("SELECT k FROM a") == [[1], [2], [3]]
