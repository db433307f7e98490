"""Tables that are published together into a target that holds them already, with older values."""

from __future__ import annotations

import json

import pytest

from tests.stories.command import Streamer
from tests.stories.compare import differences, our_leftovers

pytestmark = [pytest.mark.postgres, pytest.mark.workerd, pytest.mark.processes]

OPTIONS = ("--indexes", "before", "--progress", "none")
AGAIN = ("run", "--restart", "--if-exists", "upsert", *OPTIONS)
CYCLE = """
CREATE TABLE chicken (id int PRIMARY KEY, egg int NOT NULL, name text UNIQUE, org int NOT NULL,
    seat int NOT NULL, place int NOT NULL UNIQUE, nick text, code text, active boolean NOT NULL,
    UNIQUE (org, seat));
CREATE UNIQUE INDEX chicken_nick ON chicken (lower(nick));
CREATE UNIQUE INDEX chicken_code ON chicken (code) WHERE active;
CREATE TABLE egg (id int PRIMARY KEY, chicken int NOT NULL, mark text UNIQUE);
INSERT INTO chicken SELECT n, 101 - n, 'c' || n, n / 10, n % 10, n, 'N' || n, 'c' || n, n % 2 = 0
FROM generate_series(1, 100) AS n;
INSERT INTO egg SELECT n, n, 'm' || n FROM generate_series(1, 100) AS n;
ALTER TABLE chicken ADD FOREIGN KEY (egg) REFERENCES egg DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE egg ADD FOREIGN KEY (chicken) REFERENCES chicken DEFERRABLE INITIALLY DEFERRED;
"""
MOVED = {
    "to another row": "UPDATE chicken SET name = NULL WHERE id = 70;"
    "UPDATE chicken SET name = 'c70' WHERE id = 10",
    "swapped": "UPDATE chicken SET name = 'x' || id WHERE id IN (10, 70);"
    "UPDATE chicken SET name = CASE id WHEN 10 THEN 'c70' ELSE 'c10' END WHERE id IN (10, 70)",
    # Numbers that may not be NULL, the next one behind the largest among them.
    "a list": "UPDATE chicken SET place = -place; UPDATE chicken SET place = 102 + place",
    "of two columns": "UPDATE chicken SET org = -id WHERE id IN (11, 12, 13);"
    "UPDATE chicken SET org = 1, seat = 1 + (id - 10) % 3 WHERE id IN (11, 12, 13)",
    "an expression": "UPDATE chicken SET nick = 'z70' WHERE id = 70;"
    "UPDATE chicken SET nick = 'n70' WHERE id = 10",
    "of some rows": "UPDATE chicken SET active = false WHERE id = 70;"
    "UPDATE chicken SET code = 'c70' WHERE id = 10;"
    "UPDATE chicken SET code = 'c10' WHERE id = 11",
    "several": "UPDATE chicken SET name = 'q70', nick = 'q70', code = 'q70' WHERE id = 70;"
    "UPDATE chicken SET name = 'c70' WHERE id = 10; UPDATE chicken SET nick = 'n70' WHERE id = 20;"
    "UPDATE chicken SET code = 'c70' WHERE id = 30; UPDATE egg SET mark = 'x' WHERE id = 7;"
    "UPDATE egg SET mark = 'm7' WHERE id = 8; UPDATE egg SET mark = 'm8' WHERE id = 7",
    "from rows that are gone": "BEGIN; UPDATE chicken SET egg = 1 WHERE id = 60;"
    "UPDATE egg SET chicken = 60 WHERE id = 70; DELETE FROM chicken WHERE id = 70;"
    "DELETE FROM egg WHERE id = 41; UPDATE chicken SET name = 'c70' WHERE id = 10;"
    "UPDATE chicken SET org = 7, seat = 0 WHERE id = 10; UPDATE egg SET mark = 'm41' WHERE id = 40;"
    "COMMIT",
}
FEATHERS = """
CREATE TABLE farm (id int PRIMARY KEY);
INSERT INTO farm VALUES (1);
CREATE TABLE feather (id int PRIMARY KEY, chicken int NOT NULL REFERENCES chicken,
    farm int NOT NULL REFERENCES farm);
INSERT INTO feather SELECT n, n, 1 FROM generate_series(61, 80) AS n
"""
# A table of D1's own keeps the old row 70 there, which is gone from PostgreSQL, and its name.
KEEPS = """
CREATE TABLE mine (chicken int NOT NULL REFERENCES chicken (id));
INSERT INTO mine VALUES (70)
"""
KEPT = """
BEGIN; UPDATE egg SET chicken = 60 WHERE id = 70; DELETE FROM chicken WHERE id = 70;
INSERT INTO chicken VALUES (110, 110, 'c70', 11, 0, 110, NULL, NULL, true); INSERT INTO egg VALUES (110, 110);
UPDATE egg SET chicken = 110 WHERE id IN (20, 21); COMMIT
"""
TWICE = """
BEGIN; INSERT INTO chicken VALUES (101, 101, 'c101', 11, 0, 101, NULL, NULL, true);
INSERT INTO egg VALUES (101, 100); COMMIT
"""
HELD = (
    "UNIQUE constraint failed: chicken.name: a row of D1 that isn't among those moved has its value, "
    "and can't leave"
)


async def moved(streamer: Streamer) -> None:
    await streamer.source.execute(CYCLE)
    first = streamer("run", *OPTIONS)
    assert first.code == 0, first.said


@pytest.mark.parametrize("changes", MOVED.values(), ids=MOVED)
async def test_fault_36_a_value_that_moved_since_older_rows_were_published_is_where_it_is_now(
    streamer: Streamer, changes: str
) -> None:
    await moved(streamer)
    await streamer.source.execute(changes)

    done = streamer(*AGAIN)

    assert done.code == 0, done.said
    assert our_leftovers(streamer.target, streamer.uuid) == []
    assert await differences(streamer.source, streamer.target, streamer.uuid) == []


async def test_fault_24_and_36_what_referred_to_a_row_that_leaves_takes_its_new_parent_along(
    streamer: Streamer,
) -> None:
    await streamer.source.execute(CYCLE + FEATHERS)
    first = streamer("run", *OPTIONS)
    await streamer.source.execute(
        "UPDATE feather SET chicken = 60 WHERE id = 70;" + MOVED["from rows that are gone"]
    )
    streamer.stopped_at('INTO "chicken"', *AGAIN[1:])  # when all farms have been moved
    await streamer.source.execute(
        "INSERT INTO farm VALUES (2); UPDATE feather SET farm = 2 WHERE id = 70"
    )

    done = streamer("run", "--resume", *OPTIONS)

    assert first.code == 0, first.said
    assert done.code == 0, done.said
    assert our_leftovers(streamer.target, streamer.uuid) == []
    assert await differences(streamer.source, streamer.target, streamer.uuid) == []


async def test_fault_36_a_row_that_cannot_leave_is_named_and_the_rows_it_keeps_out_are_rejected(
    streamer: Streamer,
) -> None:
    await moved(streamer)
    for statement in KEEPS.split(";"):
        streamer.target.run(streamer.uuid, statement)
    await streamer.source.execute(KEPT)

    stopped = streamer(*AGAIN)
    went_on = streamer("run", "--resume", "--on-error", "reject", *OPTIONS)
    report, set_aside = streamer.report, rejects(streamer)
    streamer.target.run(streamer.uuid, "DROP TABLE mine")
    streamer.target.run(streamer.uuid, "UPDATE chicken SET name = 'free' WHERE id = 70")
    retried = streamer("run", "--retry-rejects", *OPTIONS)

    assert stopped.code == 1, stopped.said
    said = " ".join(stopped.stderr.split())
    assert "public.chicken, key 110: UNIQUE constraint failed: chicken.name: a row of D1" in said
    assert "Change or delete that row in D1" in said
    assert "c70" not in stopped.said
    assert went_on.code == 3, went_on.said
    assert set_aside == {
        ("chicken", "110", HELD),
        *(
            ("egg", key, "it refers to a row of public.chicken, key 110, that was rejected")
            for key in ("20", "21", "110")
        ),
    }
    totals = report["totals"]
    assert (totals["rows_read"], totals["rows_written"], totals["rows_rejected"]) == (201, 197, 4)
    assert retried.code == 0, retried.said
    streamer.target.run(streamer.uuid, "DELETE FROM chicken WHERE id = 70")
    assert await differences(streamer.source, streamer.target, streamer.uuid) == []


async def test_staged_rows_that_share_what_only_d1_wants_once_are_rejected_but_for_the_first(
    streamer: Streamer,
) -> None:
    await moved(streamer)
    streamer.target.run(streamer.uuid, "CREATE UNIQUE INDEX mine ON egg (chicken)")
    await streamer.source.execute(TWICE)

    stopped = streamer(*AGAIN)
    went_on = streamer("run", "--resume", "--on-error", "reject", *OPTIONS)

    assert stopped.code == 1, stopped.said
    assert "UNIQUE constraint failed: egg.chicken" in stopped.stderr
    assert "mend them in PostgreSQL" in " ".join(stopped.stderr.split())
    assert went_on.code == 3, went_on.said
    assert {(table, key) for table, key, _ in rejects(streamer)} == {
        ("egg", "101"),
        ("chicken", "101"),
    }
    assert streamer.report["totals"]["rows_written"] == 200


def rejects(streamer: Streamer) -> set[tuple[str, str, str]]:
    found: set[tuple[str, str, str]] = set()
    for path in (streamer.folder / "rejects").glob("*.ndjson"):
        for line in map(json.loads, path.read_text().splitlines()):
            found.add((path.stem, line["key"]["id"], line["reason"]))
    return found
