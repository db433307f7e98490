"""What D1 hasn't the time for, once the rows are there: named, and not in the way of the run's end."""

from __future__ import annotations

import pytest

from tests.engines.postgres import Database
from tests.faults.test_every_request import OPTIONS, SAMPLE
from tests.stories.command import Streamer
from tests.stories.compare import differences, our_leftovers

TOO_SLOW = {
    "match": "/raw",
    "times": 99,
    "status": 400,
    "code": 7500,
    "message": "D1 DB exceeded its CPU time limit and was reset.: SQLITE_ERROR",
}

pytestmark = [pytest.mark.postgres, pytest.mark.workerd, pytest.mark.processes]


@pytest.fixture(autouse=True)
async def source(database: Database) -> Database:
    await database.execute(SAMPLE)
    return database


@pytest.mark.parametrize(
    ("words", "said", "code"),
    [
        ('CREATE INDEX IF NOT EXISTS \\"employee_country', "employee_country couldn't be built", 3),
        ("pragma_foreign_key_check", "couldn't be counted and checked", 3),
        ("PRAGMA optimize", "", 0),
    ],
    ids=["an index", "the check", "the statistics"],
)
async def test_it_is_named_and_the_run_ends(
    streamer: Streamer, words: str, said: str, code: int
) -> None:
    streamer.program = ("tests.stories.hasty",)
    streamer.target.set_faults({**TOO_SLOW, "contains": words})

    done = streamer("run", *OPTIONS)

    assert done.code == code, done.said
    assert said in done.stderr
    assert said in "\n".join(streamer.report["errors"])
    assert await differences(streamer.source, streamer.target, streamer.uuid) == []
    assert our_leftovers(streamer.target, streamer.uuid) == []


async def test_extra_rows_that_are_too_many_for_one_request_go_in_several(
    streamer: Streamer,
) -> None:
    assert streamer("run", *OPTIONS).code == 0
    rows = ", ".join(f"({number}, 'c1')" for number in range(100, 140))
    streamer.target.rows(streamer.uuid, f"INSERT INTO employee (id, country) VALUES {rows}")
    streamer.program = ("tests.stories.hasty",)
    streamer.target.set_faults({**TOO_SLOW, "contains": 'DELETE FROM \\"employee\\"', "times": 9})

    done = streamer("validate", "--full", "--repair", "--progress", "none")

    assert done.code == 0, done.said
    assert await differences(streamer.source, streamer.target, streamer.uuid) == []
