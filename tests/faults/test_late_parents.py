"""Children whose parents came after the parents' table was read: what a run makes of them."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engines.postgres import Database
from tests.engines.workerd import Workerd
from tests.stories.command import Streamer, ended
from tests.stories.compare import differences, our_leftovers

SAMPLE = """
CREATE TABLE country (code text PRIMARY KEY, name text);
INSERT INTO country SELECT 'c' || n, repeat('x', n) FROM generate_series(1, 20) AS n;
CREATE TABLE customer (id int PRIMARY KEY, country text NOT NULL REFERENCES country, name text);
INSERT INTO customer SELECT n, 'c' || 1 + n % 20, 'name ' || n FROM generate_series(1, 400) AS n;
CREATE TABLE purchase (id int PRIMARY KEY, customer int NOT NULL REFERENCES customer, note text);
INSERT INTO purchase SELECT n, 1 + n % 400, repeat('n', 40) FROM generate_series(1, 2000) AS n;
"""
OPTIONS = ("--batch-bytes", "20000", "--concurrency", "2", "--progress", "none")
PURCHASES = 'INTO "purchase"'

pytestmark = [pytest.mark.postgres, pytest.mark.workerd, pytest.mark.processes]


@pytest.fixture
async def source(database: Database) -> Database:
    await database.execute(SAMPLE)
    return database


@pytest.fixture
def streamer(source: Database, workerd_d1: Workerd, tmp_path: Path) -> Iterator[Streamer]:
    uuid = workerd_d1.create(source.name)
    yield Streamer(tmp_path, source, workerd_d1, uuid)
    workerd_d1.set_faults()
    workerd_d1.delete(uuid)


def stopped_at(streamer: Streamer, words: str, *options: str, requests: int = 1) -> None:
    """Run until D1 refuses a request that holds `words`, `requests` of them let through."""
    fault = {"match": "/raw", "contains": words.replace('"', '\\"'), "skip": requests, "times": 99}
    refused = {"status": 400, "code": 7500, "message": "not authorized"}
    streamer.target.set_faults({**fault, **refused})
    stopped = streamer("run", *OPTIONS, *options)
    assert stopped.code == 1, stopped.said
    streamer.target.set_faults()


def resumed(streamer: Streamer, *options: str) -> None:
    done = streamer("run", "--resume", *OPTIONS, *options)
    assert done.code == 0, done.said
    assert our_leftovers(streamer.target, streamer.uuid) == []


async def differing(streamer: Streamer) -> list[str]:
    return await differences(streamer.source, streamer.target, streamer.uuid)


def killed_after(streamer: Streamer, requests: int) -> None:
    streamer.target.stats(reset=True)
    process = streamer.start("run", *OPTIONS)
    while streamer.target.stats()["by"].get("POST raw", 0) < requests:
        assert process.poll() is None, process.communicate()
    process.send_signal(signal.SIGKILL)
    assert ended(process).code == -signal.SIGKILL


def requests_of_rest(streamer: Streamer) -> int:
    """How many requests a resume takes."""
    streamer.target.stats(reset=True)
    resumed(streamer)
    return streamer.target.stats()["by"]["POST raw"]


async def test_parents_that_came_between_a_kill_and_the_resume_are_sent_first(
    streamer: Streamer,
) -> None:
    streamer.target.set_faults({"match": "/raw", "contains": PURCHASES[5:-1], "skip": 1,
                                "times": 99, "delay_ms": 400})  # fmt: skip
    killed_after(streamer, 12)
    streamer.target.set_faults()
    await streamer.source.execute(
        "INSERT INTO customer VALUES (-5, 'c1', 'behind'), (9000, 'c2', 'ahead');"
        "INSERT INTO purchase VALUES (5001, -5, 'late'), (5002, 9000, 'late'), (5003, 7, 'late')"
    )

    resumed(streamer)

    assert await differing(streamer) == []


async def test_a_chain_of_new_tables_rows_is_followed_to_its_beginning(streamer: Streamer) -> None:
    stopped_at(streamer, PURCHASES)
    await streamer.source.execute(
        "INSERT INTO country VALUES ('new', 'new');"
        "INSERT INTO customer SELECT n, 'new', 'late' FROM generate_series(-50, -1) AS n;"
        "INSERT INTO purchase SELECT n, -1 - n % 50, 'late' FROM generate_series(5000, 5499) AS n"
    )

    resumed(streamer)

    assert await differing(streamer) == []
    report = streamer.report
    rows = {table["name"]: table["rows_written"] for table in report["tables"]}
    assert rows == {"public.country": 20, "public.customer": 400, "public.purchase": 2500}
    several = report["consistency"]["tables_in_several_snapshots"]
    assert set(several) == {"public.country", "public.customer", "public.purchase"}


async def test_a_row_that_was_pointed_at_a_newer_parent_takes_it_along(streamer: Streamer) -> None:
    stopped_at(streamer, PURCHASES)
    await streamer.source.execute(
        "INSERT INTO customer VALUES (500, 'c3', 'late');"
        "UPDATE purchase SET customer = 500 WHERE id % 3 = 0 AND id > 1900"
    )

    resumed(streamer)

    assert await differing(streamer) == []


async def test_late_parents_cost_few_requests(streamer: Streamer) -> None:
    stopped_at(streamer, PURCHASES, requests=3)
    await streamer.source.execute("INSERT INTO purchase VALUES (5001, 7, 'late')")
    before = requests_of_rest(streamer)
    uuid = streamer.target.create(f"{streamer.source.name} again")
    other = Streamer(streamer.folder, streamer.source, streamer.target, uuid)
    streamer.checkpoint.unlink()
    stopped_at(other, PURCHASES, requests=3)
    await streamer.source.execute(
        "INSERT INTO customer SELECT n, 'c1', 'late' FROM generate_series(-20, -1) AS n;"
        "UPDATE purchase SET customer = -1 - id % 20 WHERE id > 1970"
    )

    after = requests_of_rest(other)

    assert await differing(other) == []
    assert after <= before + 4  # the missing are asked for, sent, and the batch is sent again
    streamer.target.delete(uuid)
