"""UNIQUE values that are with other rows in D1 than in the source: a repair gives them back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.engines.postgres import Database
from tests.engines.workerd import Workerd
from tests.stories.command import Streamer, moved
from tests.stories.compare import differences, our_leftovers
from tests.stories.reports import read_report

pytestmark = [pytest.mark.postgres, pytest.mark.workerd, pytest.mark.processes]

SOURCE = """
CREATE TABLE account (id int PRIMARY KEY, mail text NOT NULL UNIQUE, org int NOT NULL,
    seat int NOT NULL CHECK (seat > 0), nick text, code text, active boolean NOT NULL,
    UNIQUE (org, seat));
CREATE UNIQUE INDEX account_nick ON account (lower(nick));
CREATE UNIQUE INDEX account_code ON account (code) WHERE active;
INSERT INTO account SELECT n, 'm' || n, n / 10, 1 + n % 10, 'N' || n, 'c' || n, n % 2 = 0
FROM generate_series(1, 300) AS n;
CREATE TABLE note (id int PRIMARY KEY, account int REFERENCES account ON DELETE CASCADE);
INSERT INTO note SELECT n, 1 + n % 300 FROM generate_series(1, 400) AS n;
CREATE TABLE remark (account int REFERENCES account ON DELETE CASCADE, line text);
INSERT INTO remark SELECT 1 + n % 300, 'line ' || n FROM generate_series(1, 100) AS n;
CREATE TABLE door (code text UNIQUE, room text);
INSERT INTO door SELECT 'd' || n, 'room ' || n FROM generate_series(1, 40) AS n;
CREATE TABLE seat (hall int, place int, guest text, PRIMARY KEY (hall, place), UNIQUE (hall));
INSERT INTO seat SELECT n, n, 'guest ' || n FROM generate_series(1, 20) AS n;
CREATE TABLE list (id int PRIMARY KEY, position int NOT NULL UNIQUE CHECK (position > 0),
    label text NOT NULL UNIQUE);
INSERT INTO list SELECT n, n, 'label ' || n FROM generate_series(1, 3000) AS n;
"""

# In D1; values that are there once travel by way of others.
SWAP = [
    "UPDATE account SET mail = 'x' WHERE id = 10",
    "UPDATE account SET mail = 'm10' WHERE id = 210",
    "UPDATE account SET mail = 'm210' WHERE id = 10",
]
CYCLE = [
    "UPDATE account SET org = -1 WHERE id = 21",
    "UPDATE account SET org = 2, seat = 2 WHERE id = 132",
    "UPDATE account SET org = 13, seat = 3 WHERE id = 243",
    "UPDATE account SET org = 24, seat = 4 WHERE id = 21",
]
CHAIN = [
    "UPDATE account SET nick = 'free' WHERE id = 31",
    "UPDATE account SET nick = 'n31' WHERE id = 32",
    "UPDATE account SET nick = 'N32' WHERE id = 33",
]
PARTIAL = [
    "UPDATE account SET active = 0 WHERE id = 40",
    "UPDATE account SET active = 1, code = 'c40' WHERE id = 41",
]
EXTRA = [
    "UPDATE account SET mail = 'y' WHERE id = 50",
    "INSERT INTO account VALUES (9050, 'm50', 905, 1, 'N9050', 'c9050', 1)",
    "UPDATE note SET account = 9050 WHERE id IN (60, 61)",  # a cascade must not take them
    "INSERT INTO note VALUES (9060, 9050)",
]
EXTRA_WITH_KEYLESS = [
    "UPDATE account SET mail = 'z' WHERE id = 51",
    "INSERT INTO account VALUES (9051, 'm51', 905, 2, 'N9051', 'c9051', 1)",
    "UPDATE remark SET account = 9051 WHERE line = 'line 7'",
]
KEYLESS = [
    "UPDATE door SET code = NULL WHERE room = 'room 1'",
    "UPDATE door SET code = 'd1' WHERE room = 'room 2'",
    "UPDATE door SET code = 'd2' WHERE room = 'room 1'",
]
OTHER_KEY = ["UPDATE seat SET place = 99 WHERE hall = 3"]
KINDS = [SWAP, CYCLE, CHAIN, PARTIAL, EXTRA, EXTRA_WITH_KEYLESS, KEYLESS, OTHER_KEY]
LONG = [
    "UPDATE list SET position = 10000 + position, label = '-' || label",
    "UPDATE list SET position = position - 9999, label = 'label ' || (CAST(substr(label, 8) AS INTEGER) + 1)",
]


@pytest.fixture
async def streamer(
    database: Database, workerd_d1: Workerd, tmp_path: Path
) -> AsyncIterator[Streamer]:
    """The command, with the tables moved."""
    async with moved(database, workerd_d1, tmp_path, SOURCE, "--progress", "none") as streamer:
        yield streamer
        workerd_d1.set_faults()


async def test_values_that_moved_in_every_way_are_given_back_in_one_repair(
    streamer: Streamer,
) -> None:
    for changes in (*KINDS, LONG):
        for sql in changes:
            streamer.target.run(streamer.uuid, sql)
    streamer.target.stats(reset=True)

    done = streamer("validate", "--full", "--repair", "--progress", "none")

    assert done.code == 0, done.said
    assert await differences(streamer.source, streamer.target, streamer.uuid) == []
    assert our_leftovers(streamer.target, streamer.uuid) == []
    assert streamer.target.stats()["requests"] < 150  # not one a row
    assert "_streamer_parked" not in done.said


async def test_what_holds_a_value_and_may_not_be_deleted_is_left_alone(
    streamer: Streamer,
) -> None:
    for sql in ["CREATE TABLE theirs (account INTEGER REFERENCES account(id))", *EXTRA]:
        streamer.target.run(streamer.uuid, sql)
    streamer.target.run(streamer.uuid, "INSERT INTO theirs VALUES (9050)")

    done = streamer("validate", "--full", "--repair", "--progress", "none")

    assert done.code == 1, done.said
    assert "public.account, key 50: UNIQUE constraint failed: account.mail" in done.said
    assert "repair again" in done.said
    held = streamer.target.rows(streamer.uuid, "SELECT mail FROM account WHERE id = 9050")
    assert held == [["m50"]]
    assert streamer.target.rows(streamer.uuid, "SELECT * FROM theirs") == [[9050]]
    assert our_leftovers(streamer.target, streamer.uuid) == []
    report = read_report(streamer.folder / "validation_report.json")
    assert report["status"] == "failed"
