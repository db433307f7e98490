"""Rows that D1 will never take, of tables that are published together, and of those without a key."""

from __future__ import annotations

import json

import pytest

from tests.stories.command import Streamer
from tests.stories.compare import differences, our_leftovers

pytestmark = [pytest.mark.postgres, pytest.mark.workerd, pytest.mark.processes]

OPTIONS = ("--progress", "none")
REJECT = (*OPTIONS, "--on-error", "reject")
CYCLE = """
CREATE TABLE chicken (id int PRIMARY KEY, egg int NOT NULL, name text, mark text UNIQUE);
CREATE TABLE egg (id int PRIMARY KEY, chicken int NOT NULL, colour text);
CREATE TABLE feather (id int PRIMARY KEY, chicken int NOT NULL REFERENCES chicken);
INSERT INTO chicken SELECT n, n, 'precious ' || n, 'm' || n FROM generate_series(1, 90) AS n;
INSERT INTO egg SELECT n, 1 + n % 90, 'precious' FROM generate_series(1, 90) AS n;
INSERT INTO feather SELECT n, n FROM generate_series(1, 90) AS n;
ALTER TABLE chicken ADD FOREIGN KEY (egg) REFERENCES egg DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE egg ADD FOREIGN KEY (chicken) REFERENCES chicken DEFERRABLE INITIALLY DEFERRED;
UPDATE chicken SET egg = 1 WHERE id IN (30, 60);
UPDATE egg SET chicken = 2 WHERE id IN (29, 59);
UPDATE chicken SET name = NULL WHERE id = 60
"""
# As the run would make it, and two constraints that the source knows nothing of.
TARGET = """
CREATE TABLE chicken (id INTEGER PRIMARY KEY, egg INTEGER NOT NULL REFERENCES egg (id)
    DEFERRABLE INITIALLY DEFERRED, name TEXT NOT NULL, mark TEXT UNIQUE,
    CONSTRAINT thirty CHECK (name <> 'precious 30'))
"""
THIRTY, NULL = "CHECK constraint failed: thirty", "NOT NULL constraint failed: chicken.name"
NODES = """
CREATE TABLE node (id int UNIQUE, up int REFERENCES node (id), line text);
INSERT INTO node SELECT n, NULL, 'precious ' || n FROM generate_series(1, 40) AS n;
UPDATE node SET up = 1 + id % 40;
UPDATE node SET line = 'precious 7' WHERE id IN (8, 9)
"""


async def test_fault_12_bad_rows_of_a_cycle_stop_it_by_key_and_reason_and_are_read_again_once_mended(
    streamer: Streamer,
) -> None:
    await streamer.source.execute(CYCLE)
    streamer.target.run(streamer.uuid, TARGET)

    stopped = streamer("run", *OPTIONS)
    await streamer.source.execute("UPDATE chicken SET name = 'free' WHERE id IN (30, 60)")
    done = streamer("run", "--resume", *OPTIONS)

    assert stopped.code == 1, stopped.said
    assert f"public.chicken, key 30: {THIRTY}" in " ".join(stopped.stderr.split())
    assert "precious" not in stopped.said
    assert done.code == 0, done.said
    assert our_leftovers(streamer.target, streamer.uuid) == []
    assert await differences(streamer.source, streamer.target, streamer.uuid) == []


async def test_fault_12_bad_rows_of_a_cycle_are_rejected_with_what_refers_to_them_and_sent_again(
    streamer: Streamer,
) -> None:
    await streamer.source.execute(CYCLE)
    streamer.target.run(streamer.uuid, TARGET)

    done = streamer("run", *REJECT)
    report, bad = streamer.report, rejects(streamer)
    await streamer.source.execute("UPDATE chicken SET name = 'free' WHERE id IN (30, 60)")
    retried = streamer("run", "--retry-rejects", *OPTIONS)

    referring = "it refers to a row of public.chicken, key {}, that was rejected"
    assert done.code == 3, done.said
    assert "precious" not in done.said
    assert bad == {
        ("chicken", "30", THIRTY),
        ("chicken", "60", NULL),
        *(("feather", str(n), referring.format(n)) for n in (30, 60)),
    }
    totals = report["totals"]
    assert (totals["rows_read"], totals["rows_written"], totals["rows_rejected"]) == (270, 266, 4)
    assert retried.code == 0, retried.said
    assert rejects(streamer) == set()
    assert our_leftovers(streamer.target, streamer.uuid) == []
    assert await differences(streamer.source, streamer.target, streamer.uuid) == []


@pytest.mark.parametrize("pack", ["json", "values", "rows"])
async def test_fault_12_rejected_rows_without_a_key_keep_what_they_refer_to(
    streamer: Streamer, pack: str
) -> None:
    await streamer.source.execute(NODES)
    streamer.target.run(
        streamer.uuid,
        "CREATE TABLE node (id INTEGER UNIQUE, up INTEGER REFERENCES node (id), line TEXT)",
    )
    streamer.target.run(streamer.uuid, "CREATE UNIQUE INDEX once ON node (line)")

    done = streamer("run", *REJECT, "--pack", pack)
    bad = rejects(streamer, "rowid")
    streamer.target.run(streamer.uuid, "DROP INDEX once")
    retried = streamer("run", "--retry-rejects", *OPTIONS)

    assert done.code == 3, done.said
    assert len(bad) == 3  # two rows, and one whose reference to the first is left out
    assert retried.code == 0, retried.said
    assert await differences(streamer.source, streamer.target, streamer.uuid) == []


def rejects(streamer: Streamer, key: str = "id") -> set[tuple[str, str, str]]:
    found: set[tuple[str, str, str]] = set()
    for path in (streamer.folder / "rejects").glob("*.ndjson"):
        for line in map(json.loads, path.read_text().splitlines()):
            found.add((path.stem, line["key"][key], line["reason"]))
    return found
