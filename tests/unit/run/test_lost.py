"""Which run's checkpoint is lost, of those that the target tells of; whatever is in doubt is refused."""

from __future__ import annotations

import orjson
import pytest

from streamer.config import Selection
from streamer.errors import UsageError
from streamer.model import SourceIdentity
from streamer.pack import OF_THE_RUN, Facts, Owner
from streamer.run.lost import STARTS, choose, find_lost
from streamer.run.survey import survey
from tests.engines.sqlite_database import SqliteDatabase

SOURCE = SourceIdentity("7001", 1, "shop", 170000)


def facts(*tables: str, database: str = "shop", run: bool = True) -> Facts:
    found = Facts()
    source = {"system_identifier": "7001", "database": database}
    if run:
        found.texts[OF_THE_RUN] = orjson.dumps({"source": source}).decode()
    for table in tables:
        found.texts[table] = orjson.dumps({"name": f"public.{table}"}).decode()
    return found


def owners(run: str, *tables: str, epoch: int = 3) -> list[Owner]:
    return [Owner(table, run, epoch, "holder") for table in tables]


def test_the_run_that_owns_its_tables_is_found_and_counts_its_starts_out_of_the_lost_ones_reach() -> (
    None
):
    lost = choose(
        [*owners("one", "a", epoch=4), *owners("one", "b")],
        {"one": facts("a", "b"), "abandoned": facts("a")},
        SOURCE,
        Selection(),
    )

    assert (lost.run_id, lost.since, lost.newest) == ("one", 3, 4)
    assert lost.targets == {"public.a": "a", "public.b": "b"}
    assert lost.starts == STARTS
    assert (
        choose(
            owners("one", "a", epoch=STARTS + 1), {"one": facts("a")}, SOURCE, Selection()
        ).starts
        == 2 * STARTS
    )


@pytest.mark.parametrize(
    ("owned", "runs", "words", "hint"),
    [
        ([], {"one": facts("a")}, "no ledger of an unfinished run", "validate"),
        (owners("one", "a"), {}, "older version", "--restart"),
        (owners("one", "a"), {"one": facts("a", run=False)}, "older version", "--restart"),
        (
            owners("one", "a"),
            {"one": facts("a", database="bank")},
            "another source: database bank of cluster 7001, not database shop",
            "Connect",
        ),
        (
            [*owners("one", "a"), *owners("two", "b")],
            {"one": facts("a", "b"), "two": facts("b", database="bank")},
            "another run took b over",
            "--restart",
        ),
        (owners("one", "a", "b"), {"one": facts("a")}, "doesn't tell of all", "--restart"),
        (
            [*owners("one", "a"), *owners("two", "b")],
            {"one": facts("a"), "two": facts("b")},
            "2 unfinished runs",
            "--table",
        ),
    ],
)
def test_what_is_in_doubt_is_refused_with_what_to_do(
    owned: list[Owner], runs: dict[str, Facts], words: str, hint: str
) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        choose(owned, runs, SOURCE, Selection())

    assert hint in caught.value.hint


def test_of_several_runs_the_one_is_meant_whose_tables_are_selected() -> None:
    runs = {"one": facts("a"), "two": facts("b")}
    owned = [*owners("one", "a"), *owners("two", "b")]

    assert choose(owned, runs, SOURCE, Selection(tables=("b",))).run_id == "two"


async def test_a_target_without_a_ledger_is_refused() -> None:
    database = SqliteDatabase()

    with pytest.raises(UsageError, match="no ledger"):
        await find_lost(database, await survey(database), SOURCE, Selection())
