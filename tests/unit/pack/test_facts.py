"""What a run leaves in its ledger of itself: with the claim, as it is now, until the run has ended."""

from __future__ import annotations

import pytest

from streamer import limits
from streamer.model import Result, Statement
from streamer.pack import (
    OF_THE_RUN,
    Facts,
    before_rows,
    create_ledger,
    facts_of,
    read_facts,
    record_emptied,
    record_facts,
    release,
    take_over,
)
from tests.engines.limited_sqlite import LimitedSqlite


class Target(LimitedSqlite):
    def __init__(self) -> None:
        super().__init__("CREATE TABLE t(x)")
        self.request(create_ledger())

    def claim(self, facts: dict[str, str], run: str = "run", epoch: int = 1) -> int:
        claim = take_over(["a", "b"], (), run=run, epoch=epoch, holder="one")
        return self.request([claim, *record_facts(facts, run)])

    def facts(self) -> dict[str, Facts]:
        return facts_of(Result(rows=tuple(self.rows(read_facts().sql))))


def test_facts_come_with_the_claim_and_later_ones_replace_them() -> None:
    target = Target()
    target.claim({OF_THE_RUN: "first", "a": "old", "b": 'quote"'})

    target.request(record_facts({OF_THE_RUN: "first", "a": "new", "b": 'quote"'}, "run"))

    assert target.facts()["run"].texts == {OF_THE_RUN: "first", "a": "new", "b": 'quote"'}
    assert target.request(record_facts({"a": "new"}, "run")) == 0


def test_a_claim_that_fails_leaves_no_facts() -> None:
    target = Target()
    target.claim({"a": "theirs"}, run="other")

    with pytest.raises(Exception, match="NOT NULL constraint failed"):
        target.claim({"a": "ours"})

    assert {run: facts.texts for run, facts in target.facts().items()} == {"other": {"a": "theirs"}}


def test_facts_are_nobodys_rows_tables_may_still_be_prepared_and_are_then_known_as_emptied() -> (
    None
):
    target = Target()
    target.claim({"a": "", "b": ""})

    target.request([record_emptied(["a"], "run"), before_rows(["a"], run="run", epoch=1)])
    target.request([Statement("SELECT 1"), before_rows(["a", "b"], run="run", epoch=1)])

    assert target.facts()["run"].emptied == {"a"}
    assert target.facts()["run"].begun == set()


def test_many_tables_facts_are_cut_into_parameters_that_d1_takes_and_none_is_lost() -> None:
    target = Target()
    facts = {f"table {n}": 'é"\\' * 400 for n in range(1500)}

    statements = record_facts(facts, "run")
    target.request(statements)

    assert len(statements) > 2
    assert all(len(s.params) < 2 * limits.VALUE_BYTES for s in statements)
    assert target.facts()["run"].texts == facts


def test_a_text_that_d1_has_no_room_for_is_left_out() -> None:
    target = Target()

    target.request(record_facts({"a": "x" * limits.VALUE_BYTES, "b": "y"}, "run"))

    assert target.facts()["run"].texts == {"b": "y"}


def test_a_run_that_has_ended_leaves_no_facts() -> None:
    target = Target()
    target.claim({OF_THE_RUN: "x", "a": "y"})

    target.request(release(["a", "b"], run="run", epoch=1))

    assert target.facts() == {}
