"""Tables that a run leaves out because of what their rows hold: asked before it writes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.engines.postgres import Database
from tests.engines.workerd import Workerd
from tests.stories.command import Streamer
from tests.stories.trial import Trial

pytestmark = [pytest.mark.postgres, pytest.mark.workerd, pytest.mark.processes]

SHOP = """
CREATE TABLE customer (id int PRIMARY KEY, name text);
INSERT INTO customer SELECT n, 'precious ' || n % 9 FROM generate_series(1, 30) AS n;
"""


@pytest.fixture
async def trial(database: Database, workerd_d1: Workerd, tmp_path: Path) -> AsyncIterator[Trial]:
    await database.execute(SHOP)
    uuid = workerd_d1.create(database.name)
    trial = Trial(Streamer(tmp_path, database, workerd_d1, uuid))
    trial.streamer.overrides["STREAMER_PROGRESS"] = "none"
    yield trial
    workerd_d1.delete(uuid)


async def test_rows_that_are_too_big_are_refused_by_key_and_size_before_anything_is_written(
    trial: Trial,
) -> None:
    await trial.source.execute("INSERT INTO customer VALUES (77, repeat('precious', 250001))")

    trial.refused(
        "run", code=2, says=r"public.customer.name: more than .*id=77 \(2,000,008 bytes\)"
    )


async def test_a_table_that_was_refused_for_its_rows_stays_refused_when_the_run_goes_on(
    trial: Trial,
) -> None:
    await trial.source.execute("""
        CREATE TABLE fat (id int PRIMARY KEY, t text);
        INSERT INTO fat VALUES (1, repeat('precious', 250001))""")
    trial.d1("CREATE TABLE customer (id INTEGER PRIMARY KEY, name TEXT CHECK (id <> 7))")
    assert trial.run("run", "--skip-refused").code == 1
    await trial.source.execute("DELETE FROM customer WHERE id = 7; DELETE FROM fat")

    done = trial.run("run", "--resume", "--skip-refused")

    assert done.code == 3, done.said
    assert "public.fat.t: more than 2,000,000 bytes" in done.stderr
    assert trial.d1("SELECT count(*) FROM customer") == [[29]]
    assert trial.d1("SELECT count(*) FROM sqlite_master WHERE name = 'fat'") == [[0]]


async def test_rows_that_were_rejected_as_too_big_are_differences_and_no_end_of_a_comparison(
    trial: Trial,
) -> None:
    await trial.source.execute("""
        INSERT INTO customer VALUES (77, repeat('precious', 250001));
        CREATE TABLE loose (a int, t text);
        INSERT INTO loose VALUES (1, 'x'), (2, repeat('precious', 250001)), (3, 'y')""")
    assert trial.run("run", "--on-error", "reject").code == 3

    for depth in ("--full", "--detailed"):
        done = trial.run("validate", depth)

        assert done.code == 3, done.said
        assert "public.customer: primary key customer_pkey: 1 missing" in done.said
        assert "public.loose: rows: 3 compared, 1 missing" in done.said
