"""What a resume makes of tables that are others than those that the run began with."""

from __future__ import annotations

import pytest

from tests.engines.postgres import Database
from tests.faults.test_every_request import OPTIONS, SAMPLE
from tests.stories.command import Streamer
from tests.stories.compare import differences, our_leftovers

EMPLOYEES = """
DROP TABLE employee;
CREATE TABLE employee (id int PRIMARY KEY, boss int REFERENCES employee,
    country text NOT NULL REFERENCES country);
INSERT INTO employee SELECT n, nullif(n * 3 % 60, n), 'c' || 1 + n % 10
FROM generate_series(0, 59) AS n;
CREATE INDEX employee_country ON employee (country);
"""
CYCLE = """
DROP TABLE feather, chicken, egg;
CREATE TABLE chicken (id int PRIMARY KEY, egg int NOT NULL);
CREATE TABLE egg (id int PRIMARY KEY, chicken int NOT NULL);
INSERT INTO chicken SELECT n, 41 - n FROM generate_series(1, 40) AS n;
INSERT INTO egg SELECT n, n FROM generate_series(1, 40) AS n;
ALTER TABLE chicken ADD FOREIGN KEY (egg) REFERENCES egg DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE egg ADD FOREIGN KEY (chicken) REFERENCES chicken DEFERRABLE INITIALLY DEFERRED;
CREATE TABLE feather (id int PRIMARY KEY, chicken int NOT NULL REFERENCES chicken, kind text);
INSERT INTO feather SELECT n, 1 + n % 40, repeat('x', 40) FROM generate_series(1, 1300) AS n;
"""

pytestmark = [pytest.mark.postgres, pytest.mark.workerd, pytest.mark.processes]


@pytest.fixture(autouse=True)
async def source(database: Database) -> Database:
    await database.execute(SAMPLE)
    return database


def stopped_at(streamer: Streamer, words: str, *options: str, requests: int = 0) -> None:
    """Run or resume until D1 refuses a request that holds `words`, some of them let through."""
    streamer.stopped_at(words, "--resume", *OPTIONS, *options, requests=requests)


async def assert_resumes(streamer: Streamer, *options: str) -> str:
    resumed = streamer("run", "--resume", *OPTIONS, *options)
    assert resumed.code == 0, resumed.said
    assert await differences(streamer.source, streamer.target, streamer.uuid) == []
    assert our_leftovers(streamer.target, streamer.uuid) == []
    return resumed.stderr


async def test_fault_21_a_table_made_anew_is_moved_again_with_its_second_pass(
    streamer: Streamer,
) -> None:
    stopped_at(streamer, 'INTO "feather"')
    await streamer.source.execute(EMPLOYEES)

    said = await assert_resumes(streamer)

    assert "made anew" in said


async def test_a_published_cycle_made_anew_is_moved_and_published_again(
    streamer: Streamer,
) -> None:
    stopped_at(streamer, 'INTO "feather"', requests=1)
    await streamer.source.execute(CYCLE)

    await assert_resumes(streamer)


async def test_half_of_a_published_cycle_made_anew_is_published_again(streamer: Streamer) -> None:
    stopped_at(streamer, 'INTO "feather"')
    await streamer.source.execute(
        "ALTER TABLE chicken DROP CONSTRAINT chicken_egg_fkey; DROP TABLE egg;"
        "CREATE TABLE egg (id int PRIMARY KEY, chicken int NOT NULL);"
        "INSERT INTO egg SELECT n, 31 - n FROM generate_series(1, 30) AS n;"
        "ALTER TABLE chicken ADD FOREIGN KEY (egg) REFERENCES egg DEFERRABLE INITIALLY DEFERRED;"
        "ALTER TABLE egg ADD FOREIGN KEY (chicken) REFERENCES chicken"
        " DEFERRABLE INITIALLY DEFERRED;"
    )

    await assert_resumes(streamer)


async def test_a_table_made_anew_starts_over_once_not_at_every_resume(streamer: Streamer) -> None:
    stopped_at(streamer, 'INTO "feather"')
    await streamer.source.execute(EMPLOYEES)
    stopped_at(streamer, 'INTO "feather"')

    said = await assert_resumes(streamer)

    assert "made anew" not in said


async def test_fault_21_a_keyless_table_rewritten_after_some_rows_leaves_none_of_the_old_ones(
    streamer: Streamer,
) -> None:
    stopped_at(streamer, 'INTO "log"', requests=1)
    await streamer.source.execute("DELETE FROM log WHERE line LIKE '%7'")
    await streamer.source.execute("VACUUM FULL log")

    await assert_resumes(streamer)


async def test_a_keyless_table_that_was_done_isnt_touched_when_it_is_rewritten(
    streamer: Streamer,
) -> None:
    stopped_at(streamer, 'INTO "feather"')
    await streamer.source.execute("VACUUM FULL log")

    said = await assert_resumes(streamer)

    assert "public.log was rewritten" in said
    assert "moved again" not in said
    assert "public.log: started" not in said


async def test_a_table_added_while_the_run_was_finishing_is_named_and_left_out(
    streamer: Streamer,
) -> None:
    stopped_at(streamer, "DELETE FROM _streamer_ledger WHERE run = ?1", "--exclude", "setting")

    finished = streamer("run", "--resume", *OPTIONS)

    assert finished.code == 0, finished.said
    assert "public.setting" in finished.stderr
    assert streamer("run", "--table", "setting").code == 0
    assert await differences(streamer.source, streamer.target, streamer.uuid) == []
    assert our_leftovers(streamer.target, streamer.uuid) == []


async def test_a_keyless_table_whose_rows_moved_before_its_second_pass_starts_over(
    streamer: Streamer,
) -> None:
    await streamer.source.execute(
        "CREATE TABLE node (code int UNIQUE, up int REFERENCES node (code), v text);"
        "INSERT INTO node SELECT n, nullif(n * 7 % 50, n), 'v' FROM generate_series(0, 49) AS n;"
    )
    stopped_at(streamer, 'UPDATE "node"')
    await streamer.source.execute("UPDATE node SET v = 'w' WHERE code % 3 = 0")

    await assert_resumes(streamer)


@pytest.mark.parametrize(
    ("words", "table", "reference"),
    [
        ('UPDATE "employee"', "employee", "employee_boss_fkey"),
        ('INTO "chicken"', "chicken", "chicken_egg_fkey"),
    ],
    ids=["before the second pass", "before the publishing"],
)
async def test_fault_21_a_reference_dropped_before_its_rows_were_whole_stops_the_resume_until_it_is_back(
    streamer: Streamer, words: str, table: str, reference: str
) -> None:
    stopped_at(streamer, words)
    (definition,) = await streamer.source.fetch(
        "SELECT pg_get_constraintdef(oid) AS sql FROM pg_constraint WHERE conname = $1", reference
    )
    await streamer.source.execute(f"ALTER TABLE {table} DROP CONSTRAINT {reference}")

    refused = streamer("run", "--resume", *OPTIONS)

    assert refused.code == 1, refused.said
    assert f"public.{table}: foreign keys changed" in refused.stderr
    await streamer.source.execute(
        f"ALTER TABLE {table} ADD CONSTRAINT {reference} {definition['sql']}"
    )
    await assert_resumes(streamer)
