"""Rejected rows of tables without a key that are mended in their file, and rows that refer to them."""

from __future__ import annotations

import json

import pytest

from tests.faults.test_staged_poison import CYCLE, OPTIONS, REJECT, TARGET, rejects
from tests.stories.command import Streamer
from tests.stories.compare import our_leftovers

pytestmark = [pytest.mark.postgres, pytest.mark.workerd, pytest.mark.processes]

LANDS = """
CREATE TABLE zone (id int PRIMARY KEY);
CREATE TABLE land (code text UNIQUE, zone int NOT NULL REFERENCES zone, name text);
CREATE TABLE town (id int PRIMARY KEY, land text NOT NULL REFERENCES land (code));
INSERT INTO zone VALUES (1);
INSERT INTO land VALUES ('a', 1, 'precious'), ('b', 1, 'fine');
INSERT INTO town VALUES (1, 'a'), (2, 'b'), (3, 'a');
"""
LAND = (
    "CREATE TABLE land (code TEXT UNIQUE, zone INTEGER NOT NULL REFERENCES zone (id), "
    "name TEXT CHECK (name <> 'precious'))"
)
ORPHANED = "SET session_replication_role = replica; UPDATE land SET zone = 7 WHERE code = 'a'"


def edit(streamer: Streamer, table: str, **cells: str) -> None:
    """Give all rejected rows of a table other cells."""
    path = streamer.folder / "rejects" / f"{table}.ndjson"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for line in lines:
        line["row"] |= cells
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))


async def test_a_row_mended_in_its_file_comes_with_what_refers_to_it(streamer: Streamer) -> None:
    await streamer.source.execute(LANDS)
    streamer.target.run(streamer.uuid, LAND)

    done = streamer("run", *REJECT)
    edit(streamer, "land", name="mended")
    retried = streamer("run", "--retry-rejects", *OPTIONS)

    assert done.code == 3, done.said
    assert retried.code == 0, retried.said
    lands = streamer.target.rows(streamer.uuid, "SELECT rowid, * FROM land")
    assert lands == [[1, "a", 1, "mended"], [2, "b", 1, "fine"]]
    towns = streamer.target.rows(streamer.uuid, "SELECT * FROM town ORDER BY id")
    assert towns == [[1, "a"], [2, "b"], [3, "a"]]
    assert our_leftovers(streamer.target, streamer.uuid) == []


async def test_so_does_one_of_a_cycle(streamer: Streamer) -> None:
    keyless = CYCLE.replace("id int PRIMARY KEY, egg", "id int UNIQUE, egg")
    await streamer.source.execute(keyless.replace("REFERENCES chicken", "REFERENCES chicken (id)"))
    streamer.target.run(
        streamer.uuid, TARGET.replace("id INTEGER PRIMARY KEY", "id INTEGER UNIQUE")
    )

    done = streamer("run", *REJECT)
    edit(streamer, "chicken", name="mended")
    retried = streamer("run", "--retry-rejects", *OPTIONS)

    assert done.code == 3, done.said
    assert retried.code == 0, retried.said
    counted = "SELECT (SELECT count(*) FROM chicken WHERE name = 'mended'), (SELECT count(*) FROM feather)"
    assert streamer.target.rows(streamer.uuid, counted) == [[2, 90]]


async def test_a_row_whose_line_names_another_is_not_taken_for_gone_and_read_anew_once_it_is_mended(
    streamer: Streamer,
) -> None:
    await streamer.source.execute(LANDS)
    await streamer.source.execute(ORPHANED)

    done = streamer("run", *REJECT)
    edit(streamer, "land", code="z", zone="8")
    left = streamer("run", "--retry-rejects", *OPTIONS)
    bad = {(table, key) for table, key, _ in rejects(streamer, any_key=True)}
    await streamer.source.execute("UPDATE land SET zone = 1 WHERE code = 'a'")
    retried = streamer("run", "--retry-rejects", *OPTIONS)

    assert done.code == 3, done.said
    assert left.code == 3, left.said
    assert "gone from PostgreSQL" not in left.said
    assert {table for table, _ in bad} == {"land", "town"}
    assert retried.code == 0, retried.said
    lands = streamer.target.rows(streamer.uuid, "SELECT code, zone FROM land ORDER BY code")
    assert lands == [["a", 1], ["b", 1]]


async def test_a_row_whose_number_another_one_has_by_now_takes_nobody_s_place(
    streamer: Streamer,
) -> None:
    await streamer.source.execute(LANDS)
    await streamer.source.execute("TRUNCATE town; INSERT INTO land VALUES ('c', 1, 'precious')")
    streamer.target.run(streamer.uuid, LAND)

    done = streamer("run", *REJECT)
    edit(streamer, "land", name="mended")
    streamer.target.run(streamer.uuid, "INSERT INTO land VALUES ('z', 1, 'of the application')")
    retried = streamer("run", "--retry-rejects", *OPTIONS)

    assert done.code == 3, done.said
    assert retried.code == 3, retried.said
    assert "1 row without a key can't be sent again" in retried.said
    lands = "SELECT rowid, code, name FROM land ORDER BY rowid"
    assert streamer.target.rows(streamer.uuid, lands) == [
        [1, "a", "mended"],
        [2, "b", "fine"],
        [3, "z", "of the application"],
    ]
    assert [table for table, _, _ in rejects(streamer, any_key=True)] == ["land"]

    streamer.target.run(streamer.uuid, "DELETE FROM land WHERE code = 'z'")
    again = streamer("run", "--retry-rejects", *OPTIONS)

    assert again.code == 0, again.said
    assert streamer.target.rows(streamer.uuid, lands)[2] == [3, "c", "mended"]
