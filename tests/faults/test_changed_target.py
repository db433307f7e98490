"""The target isn't any more what the checkpoint counts on: restored, emptied, or changed by someone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.engines.local_d1 import LocalD1Process
from tests.engines.postgres import Database
from tests.faults.test_every_request import SAMPLE
from tests.stories.command import Streamer
from tests.stories.compare import differences, our_leftovers, quoted

OPTIONS = ("--batch-bytes", "3000", "--concurrency", "1", "--progress", "none")

pytestmark = [pytest.mark.postgres, pytest.mark.processes]


@pytest.fixture
async def streamer(
    database: Database, local_d1: LocalD1Process, tmp_path: Path
) -> Iterator[Streamer]:
    """A run that was stopped in the middle of a table, with others whole."""
    await database.execute(SAMPLE)
    uuid = local_d1.create(database.name)
    streamer = Streamer(tmp_path, database, local_d1, uuid)
    streamer.stopped_at('INTO "feather"', *OPTIONS, requests=2)
    yield streamer
    local_d1.set_faults()
    local_d1.delete(uuid)


def tables(streamer: Streamer) -> list[str]:
    names = (
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '\\_cf%' ESCAPE '\\'"
    )
    found = [str(name) for (name,) in streamer.target.rows(streamer.uuid, names)]
    return sorted(name for name in found if not name.startswith(("sqlite_", "_streamer_")))


def held(streamer: Streamer) -> dict[str, list[list[object]]]:
    """The rows of every table but the run's marks."""
    return {
        name: streamer.target.rows(streamer.uuid, f"SELECT * FROM {quoted(name)}")
        for name in tables(streamer)
    }


def emptied(streamer: Streamer) -> None:
    every = [*tables(streamer), "_streamer_ledger", "_streamer_owner"]
    drops = [(f"DROP TABLE {quoted(name)}", ()) for name in every]
    streamer.target.batch(streamer.uuid, [("PRAGMA defer_foreign_keys=on", ()), *drops])


def restored(streamer: Streamer) -> None:
    """To the moment of the first stop; since then a resume has sent more."""
    moment = time_travel(streamer, "GET", "bookmark")
    streamer.stopped_at('INTO "feather"', "--resume", *OPTIONS, requests=1)
    time_travel(streamer, "POST", f"restore?bookmark={moment}")


def time_travel(streamer: Streamer, method: str, what: str) -> str:
    answer = streamer.target.api(method, f"/{streamer.uuid}/time_travel/{what}")
    assert answer.status == 200
    return str(answer.body["result"]["bookmark"])


def without_one(streamer: Streamer) -> None:
    streamer.target.run(streamer.uuid, "DROP TABLE feather")


def changed(streamer: Streamer) -> None:
    streamer.target.run(streamer.uuid, "DELETE FROM feather")


@pytest.mark.parametrize(
    ("meanwhile", "says"),
    [
        (emptied, "the mark of this run is gone from D1; the database was restored or emptied"),
        (restored, "the mark of this run is an older one now; the database was restored"),
        (without_one, "feather: the table isn't there any more"),
        (changed, "feather: a row that D1 had acknowledged isn't there"),
    ],
    ids=lambda one: "" if isinstance(one, str) else one.__name__,
)
async def test_fault_33_what_happened_to_the_target_stops_every_resume_until_the_run_starts_over(
    streamer: Streamer, meanwhile: Callable[[Streamer], None], says: str
) -> None:
    meanwhile(streamer)
    before = held(streamer)

    refused = [streamer("run", "--resume", *OPTIONS) for _ in range(2)]

    for each in refused:
        assert each.code == 1, each.said
        assert says in each.stderr
        assert "start over with --restart" in each.stderr
    assert held(streamer) == before
    done = streamer("run", "--restart", *OPTIONS)
    assert done.code == 0, done.said
    assert await differences(streamer.source, streamer.target, streamer.uuid) == []
    assert our_leftovers(streamer.target, streamer.uuid) == []


@pytest.mark.parametrize("meanwhile", [emptied, changed])
async def test_fault_33_a_run_that_has_only_to_finish_looks_at_what_the_target_holds_too(
    streamer: Streamer, meanwhile: Callable[[Streamer], None]
) -> None:
    streamer.stopped_at("DELETE FROM _streamer_ledger WHERE run = ?1", "--resume", *OPTIONS)
    meanwhile(streamer)

    refused = streamer("run", "--resume", *OPTIONS)
    done = streamer("run", "--restart", "--if-exists", "replace", *OPTIONS)

    assert refused.code == 1, refused.said
    assert "restored, emptied or changed since" in refused.stderr
    assert done.code == 0, done.said
    assert await differences(streamer.source, streamer.target, streamer.uuid) == []
    assert our_leftovers(streamer.target, streamer.uuid) == []


async def test_fault_33_tables_that_went_before_a_row_came_are_made_again(
    streamer: Streamer,
) -> None:
    streamer.stopped_at('INTO "', "--restart", *OPTIONS)
    drops = [(f"DROP TABLE {quoted(name)}", ()) for name in tables(streamer)]
    streamer.target.batch(streamer.uuid, [("PRAGMA defer_foreign_keys=on", ()), *drops])

    done = streamer("run", "--resume", *OPTIONS)

    assert drops
    assert done.code == 0, done.said
    assert our_leftovers(streamer.target, streamer.uuid) == []
    assert await differences(streamer.source, streamer.target, streamer.uuid) == []


async def test_fault_01_a_run_that_started_over_and_was_stopped_before_its_claim_is_started_over(
    streamer: Streamer,
) -> None:
    streamer.stopped_at('INTO _streamer_owner("table", run', "--restart", *OPTIONS)
    streamer.stopped_at('INTO _streamer_owner("table", run', "--restart", *OPTIONS)
    before = held(streamer)

    done = streamer("run", "--restart", *OPTIONS)

    assert before["country"]
    assert done.code == 0, done.said
    assert our_leftovers(streamer.target, streamer.uuid) == []
    assert await differences(streamer.source, streamer.target, streamer.uuid) == []
