"""The ledger fences other writers and remembers which keys came."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.model import Batch, Chunk, Reject, Result, Statement, StepId, StepKind
from streamer.pack import (
    Entry,
    LedgerStep,
    Owner,
    Reach,
    before_rows,
    covers,
    create_ledger,
    drop_unused,
    entries_of,
    forget,
    owners_of,
    reach,
    reaches,
    read_ledger,
    read_owners,
    record_batch,
    release,
    take_over,
)
from tests.engines.limited_sqlite import LimitedSqlite, chunk

STEPS = {
    StepId(1): LedgerStep("a", StepKind.ROWS),
    StepId(2): LedgerStep("b", StepKind.EDGES),
    StepId(3): LedgerStep("masked", StepKind.ROWS, keys_hidden=True),
}
TABLES = ["a", "b", "masked"]
REFUSED = r"NOT NULL constraint failed: _streamer_"


class Target(LimitedSqlite):
    """A database with a table `sent` that shows whether a request was rolled back."""

    def __init__(self) -> None:
        super().__init__("CREATE TABLE sent(x)")
        self.request(create_ledger())

    def owners(self) -> tuple[Owner, ...]:
        return owners_of(Result(rows=tuple(self.rows(read_owners().sql))))

    def take(
        self, run: str, seen: tuple[Owner, ...], holder: str, tables: list[str] = TABLES
    ) -> int:
        epoch = max((owner.epoch for owner in seen), default=0) + 1
        self.request([take_over(tables, seen, run=run, epoch=epoch, holder=holder)])
        return epoch

    def send(self, run: str, epoch: int, *chunks: Chunk) -> int:
        ledger = record_batch(Batch(chunks), STEPS, run=run, epoch=epoch)
        self.rows("DELETE FROM sent")
        return self.request([Statement.of("INSERT INTO sent VALUES(1)"), ledger]) - 1

    def entries(self, table: str, kind: StepKind = StepKind.ROWS) -> tuple[Entry, ...]:
        query = read_ledger("run", table, kind)
        return entries_of(Result(rows=tuple(self.rows(query.sql, "run", table, kind.value))))


def test_a_batch_of_the_owner_is_recorded_once_however_often_it_is_sent() -> None:
    target = Target()
    epoch = target.take("run", (), "one")

    assert target.send("run", epoch, chunk(0), chunk(1)) == 1
    assert target.send("run", epoch, chunk(0), chunk(1)) == 0
    assert target.entries("a") == (
        Entry("a", StepKind.ROWS, first=0, next=2, after=None, last=("1",), rows=2),
    )


def test_batches_of_an_older_epoch_another_run_or_no_owner_roll_back() -> None:
    target = Target()
    with pytest.raises(Exception, match=REFUSED + "ledger"):
        target.send("run", 1, chunk(0))
    old = target.take("run", (), "one")
    target.send("run", old, chunk(0))
    new = target.take("run", target.owners(), "two")

    for run, epoch in [("run", old), ("run", new + 1), ("other", new)]:
        with pytest.raises(Exception, match=REFUSED + "ledger"):
            target.send(run, epoch, chunk(0))
        assert target.rows("SELECT * FROM sent") == []
    assert target.send("run", new, chunk(1)) == 1


def test_one_fenced_table_rolls_back_the_batch_of_all() -> None:
    target = Target()
    epoch = target.take("run", (), "one")
    target.take("other", target.owners(), "two", ["b"])

    with pytest.raises(Exception, match=REFUSED + "ledger"):
        target.send("run", epoch, chunk(0), chunk(0, step=2))

    assert target.send("run", epoch, chunk(0)) == 1


def test_tables_are_prepared_by_their_owner_and_only_before_the_first_rows_of_its_epoch() -> None:
    target = Target()
    old = target.take("run", (), "one")
    target.send("run", old, chunk(0))
    new = target.take("run", target.owners(), "two")
    emptying = Statement.of("DELETE FROM sent")

    assert target.request([emptying, before_rows(TABLES, run="run", epoch=new)]) == 1
    target.send("run", new, chunk(1))

    for tables, run, epoch in [(TABLES, "run", new), (["a"], "run", old), (["c"], "other", new)]:
        with pytest.raises(Exception, match=REFUSED + "owner"):
            target.request([emptying, before_rows(tables, run=run, epoch=epoch)])
        assert target.rows("SELECT count(*) FROM sent") == [(1,)]


def test_an_older_start_that_wrote_nothing_prepares_no_tables_that_a_newer_one_owns() -> None:
    target = Target()
    old = target.take("run", (), "one")
    new = target.take("run", target.owners(), "two")
    target.send("run", new, chunk(0))

    with pytest.raises(Exception, match=REFUSED + "owner"):
        target.request(
            [Statement.of("DELETE FROM sent"), before_rows(TABLES, run="run", epoch=old)]
        )

    assert target.rows("SELECT count(*) FROM sent") == [(1,)]


def test_steps_that_start_over_lose_their_older_claims_and_no_others() -> None:
    target = Target()
    old = target.take("run", (), "one")
    target.send("run", old, chunk(0), chunk(0, step=2))
    new = target.take("run", target.owners(), "two")
    target.send("run", new, chunk(1))

    forgetting = forget([LedgerStep("a", StepKind.ROWS)], run="run", epoch=new)
    assert target.request([forgetting]) == 1

    assert [entry.first for entry in target.entries("a")] == [1]
    assert len(target.entries("b", StepKind.EDGES)) == 1


def test_of_two_that_resume_at_the_same_moment_one_wins() -> None:
    target = Target()
    target.take("run", (), "one")
    seen = target.owners()

    epoch = target.take("run", seen, "two")

    with pytest.raises(Exception, match=REFUSED + "owner"):
        target.take("run", seen, "three")
    assert target.owners() == tuple(Owner(t, "run", epoch, "two") for t in TABLES)
    assert epoch == 2


def test_of_two_that_start_at_the_same_moment_one_wins() -> None:
    target = Target()
    target.take("run", (), "one")

    with pytest.raises(Exception, match=REFUSED + "owner"):
        target.take("other", (), "two", ["new", "A"])

    assert [owner.table for owner in target.owners()] == TABLES


def test_taking_over_can_be_sent_again_when_its_answer_was_lost() -> None:
    target = Target()
    seen = (Owner("a", "dead", 4, "zero"),)
    target.request([take_over(["a"], (), run="dead", epoch=4, holder="zero")])

    statement = take_over(["A", "b"], seen, run="run", epoch=5, holder="one")

    assert (target.request([statement]), target.request([statement])) == (2, 0)
    assert {(o.table, o.run, o.epoch) for o in target.owners()} == {
        ("a", "run", 5),
        ("b", "run", 5),
    }


def test_only_contiguous_chunks_of_a_step_share_an_entry() -> None:
    target = Target()
    epoch = target.take("run", (), "one")

    target.send("run", epoch, chunk(0), chunk(0, step=2), chunk(1), chunk(5), chunk(6))

    spans = [(e.first, e.next, e.after, e.last, e.rows) for e in target.entries("a")]
    assert spans == [(0, 2, None, ("1",), 2), (5, 7, ("4",), ("6",), 2)]
    assert [e.first for e in target.entries("b", StepKind.EDGES)] == [0]


def test_hidden_keys_and_unfinished_parts_claim_nothing_but_are_fenced() -> None:
    target = Target()
    epoch = target.take("run", (), "one")
    part = Chunk(StepId(1), 0, 1, None, ("9",), (), 0, claims=False)

    target.send("run", epoch, part, chunk(0, step=3), chunk(1, step=3))

    assert target.entries("masked") == (
        Entry("masked", StepKind.ROWS, first=0, next=2, after=None, last=None, rows=2),
    )
    assert reach(target.entries("a")).last is None
    assert b"9" not in str(target.rows("SELECT * FROM _streamer_ledger WHERE last <> ''")).encode()


def test_the_last_part_of_a_chunk_claims_the_rows_of_all_its_parts() -> None:
    target = Target()
    epoch = target.take("run", (), "one")
    one = Chunk(StepId(1), 0, 3, None, ("9",), (), 0, claims=False)
    two = Chunk(StepId(1), 0, 4, None, ("9",), (), 0, before=3)

    target.send("run", epoch, one)
    target.send("run", epoch, two)

    assert reach(target.entries("a")) == Reach(("9",), rows=7, next_number=1)


def test_claims_say_how_many_rows_between_their_keys_were_rejected_when_they_were_last_sent() -> (
    None
):
    target = Target()
    epoch = target.take("run", (), "one")
    rejects = tuple(Reject(f"line {n}", (str(n),), "why") for n in range(2))
    first = Chunk(StepId(1), 0, 3, None, ("5",), (), 0, rejected=rejects)
    second = Chunk(StepId(1), 1, 4, ("5",), ("9",), (), 0, rejected=rejects[:1])

    target.send("run", epoch, first, second)
    assert reach(target.entries("a")) == Reach(("9",), rows=7, next_number=2, rejected=3)

    epoch = target.take("run", target.owners(), "two")
    target.send("run", epoch, replace(first, rows=5, rejected=()), second)
    assert reach(target.entries("a")) == Reach(("9",), rows=9, next_number=2, rejected=1)


def test_claims_that_go_in_circles_have_an_end() -> None:
    around = [entry(0, None, 1), entry(1, 1, 2, rows=1), entry(2, 2, 1, rows=1)]

    assert reach(around).last in {("1",), ("2",)}


def test_keys_come_back_as_they_were() -> None:
    target = Target()
    epoch = target.take("run", (), "one")
    key = ('quote"', "", "é\n,[]", "\\")

    target.send("run", epoch, Chunk(StepId(1), 0, 1, ("",), key, (), 0))

    assert [(e.after, e.last) for e in target.entries("a")] == [(("",), key)]


def entry(first: int, after: int | None, last: int, rows: int | None = None) -> Entry:
    count = last - (after or 0) if rows is None else rows
    start = None if after is None else (str(after),)
    return Entry("a", StepKind.ROWS, first, first + 1, start, (str(last),), count)


def test_intervals_are_joined_by_their_keys_though_numbers_moved_after_a_resume() -> None:
    entries = [entry(0, None, 10), entry(1, 10, 20), entry(3, 30, 40), entry(1, 10, 25)]

    assert reach(entries).last == ("25",)
    assert reach([*entries, entry(2, 20, 30)]).last == ("40",)
    assert reach(entries).next_number == 4
    assert reach([]) == reach([entry(2, 10, 20)][:0])
    assert reach([entry(2, 10, 20)]).last is None
    assert reaches(entries, ("20",))
    assert reaches(entries, None)
    assert not reaches(entries, ("40",))


@given(st.data())
def test_the_reach_is_the_farthest_key_without_a_gap_before_it(data: st.DataObject) -> None:
    edges = data.draw(
        st.lists(st.tuples(st.integers(0, 12), st.integers(1, 5)), max_size=25), label="edges"
    )
    entries = [entry(n, at or None, at + length) for n, (at, length) in enumerate(edges)]
    covered = {0}
    for at, length in sorted(edges):
        if at in covered:
            covered.add(at + length)

    farthest = reach(entries)

    best = max(covered)
    assert farthest.last == ((str(best),) if best else None)
    assert farthest.rows == best
    assert all(reaches(entries, (str(key),)) == (key in covered) for key in range(1, 18))


def test_the_tables_stay_while_another_run_owns_something() -> None:
    target = Target()
    epoch = target.take("run", (), "one", ["a"])
    target.take("other", target.owners(), "two", ["b"])
    target.send("run", epoch, chunk(0))

    target.request(release(["A"], run="run", epoch=epoch))

    assert target.entries("a") == ()
    assert [owner.table for owner in target.owners()] == ["b"]
    with pytest.raises(Exception, match=REFUSED + "owner"):
        target.request(drop_unused())
    assert [owner.table for owner in target.owners()] == ["b"]


def test_a_finished_run_leaves_nothing_and_may_finish_twice() -> None:
    target = Target()
    epoch = target.take("run", (), "one")

    for _ in range(2):
        target.request(release(TABLES, run="run", epoch=epoch))
        target.request(drop_unused())

    assert target.rows("SELECT name FROM sqlite_master WHERE name LIKE '%streamer%'") == []


def test_parts_and_guards_of_a_step_whose_keys_are_hidden_claim_no_number() -> None:
    target = Target()
    epoch = target.take("run", (), "one")
    parts = [
        Chunk(StepId(3), 1, 1, ("8",), ("9",), (), 0, claims=claims) for claims in (False, True)
    ]

    target.send("run", epoch, chunk(0, step=3))
    target.send("run", epoch, parts[0])
    assert not covers(target.entries("masked"), 2)
    target.send("run", epoch, parts[1])
    target.send("run", epoch, parts[0])  # executed late

    assert covers(target.entries("masked"), 2)
    assert not covers(target.entries("masked"), 3)
    assert covers((), 0)
