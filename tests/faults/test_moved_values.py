"""UNIQUE values that moved from one row to another between a stop and the resume."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from streamer.sinks.untying import SEARCHES
from tests.engines.postgres import Database
from tests.engines.workerd import Workerd
from tests.stories.command import Streamer
from tests.stories.compare import differences, our_leftovers

pytestmark = [pytest.mark.postgres, pytest.mark.workerd, pytest.mark.processes]

SAMPLE = """
CREATE TABLE account (id int PRIMARY KEY, mail text NOT NULL UNIQUE, org int NOT NULL,
    seat int NOT NULL, nick text, code text, active boolean NOT NULL, UNIQUE (org, seat));
CREATE UNIQUE INDEX account_nick ON account (lower(nick));
CREATE UNIQUE INDEX account_code ON account (code) WHERE active;
INSERT INTO account SELECT n, 'm' || n, n / 10, n % 10, 'N' || n, 'c' || n, n % 2 = 0
FROM generate_series(1, 1000) AS n;
CREATE TABLE note (id int PRIMARY KEY, account int REFERENCES account ON DELETE CASCADE);
INSERT INTO note SELECT n, 1 + n % 1000 FROM generate_series(1, 500) AS n;
"""
OPTIONS = ("--batch-bytes", "8000", "--concurrency", "2", "--progress", "none")

# Rows up to 100 are behind the point that the run had reached, those from 900 on ahead of it.
SWAP = """
UPDATE account SET mail = 'x' || id WHERE id IN (10, 910);
UPDATE account SET mail = CASE id WHEN 10 THEN 'm910' ELSE 'm10' END WHERE id IN (10, 910);
"""
CHAIN = """
UPDATE account SET org = -id WHERE id IN (11, 12, 13, 911);
UPDATE account SET org = CASE id WHEN 911 THEN 1 WHEN 11 THEN 1 WHEN 12 THEN 1 ELSE 91 END,
    seat = CASE id WHEN 911 THEN 1 WHEN 11 THEN 2 WHEN 12 THEN 3 ELSE 1 END
WHERE id IN (11, 12, 13, 911);
"""
EXPRESSION = """
UPDATE account SET nick = 'z' || id WHERE id = 14;
UPDATE account SET nick = 'n14' WHERE id = 914;
"""
PARTIAL = """
UPDATE account SET active = false WHERE id = 16;
UPDATE account SET code = 'c16' WHERE id = 916;
"""
GONE = """
UPDATE note SET account = 19 WHERE account = 18 AND id > 400;
DELETE FROM account WHERE id = 18;
UPDATE account SET mail = 'm18' WHERE id = 918;
"""
# What is read again of a row, for one value's sake, brings another with it that moved as well.
TWO_VALUES = """
UPDATE account SET nick = 'q24' WHERE id = 24;
UPDATE account SET nick = 'N24', code = 'x22' WHERE id = 22;
UPDATE account SET code = 'c22' WHERE id = 922;
UPDATE account SET code = 'y28' WHERE id = 28;
UPDATE account SET code = 'c28', nick = 'z26' WHERE id = 26;
UPDATE account SET nick = 'n26' WHERE id = 926;
"""
OTHER_KEY = """
DELETE FROM note WHERE account = 20;
UPDATE account SET id = 5020 WHERE id = 20;
"""


@pytest.fixture
async def streamer(database: Database, workerd_d1: Workerd, tmp_path: Path) -> Iterator[Streamer]:
    await database.execute(SAMPLE)
    uuid = workerd_d1.create(database.name)
    yield Streamer(tmp_path, database, workerd_d1, uuid)
    workerd_d1.set_faults()
    workerd_d1.delete(uuid)


@pytest.mark.parametrize("timing", ["before", "auto"])
async def test_fault_36_values_that_moved_since_are_where_they_are_now(
    streamer: Streamer, timing: str
) -> None:
    options = (*OPTIONS, "--indexes", timing)
    streamer.stopped_at('INTO "account"', *options, requests=4)
    for changes in (SWAP, CHAIN, EXPRESSION, PARTIAL, GONE, OTHER_KEY, TWO_VALUES):
        await streamer.source.execute(changes)

    done = streamer("run", "--resume", *options)

    assert done.code == 0, done.said
    assert await differences(streamer.source, streamer.target, streamer.uuid) == []
    assert our_leftovers(streamer.target, streamer.uuid) == []


async def test_fault_36_what_referred_to_a_row_that_leaves_refers_to_another_by_then(
    streamer: Streamer,
) -> None:
    await streamer.source.execute(
        "CREATE TABLE card (id int PRIMARY KEY, account int NOT NULL REFERENCES account);"
        "INSERT INTO card SELECT n, 1 + n % 20 FROM generate_series(1, 100) AS n"
    )
    first = streamer("run", *OPTIONS)
    await streamer.source.execute(
        "UPDATE card SET account = 19 WHERE account = 18 AND id > 50;"
        "DELETE FROM card WHERE account = 18; DELETE FROM account WHERE id = 18;"
        "INSERT INTO account VALUES (2000, 'm18', 2000, 1, 'N2000', 'c2000', true)"
    )

    done = streamer("run", "--restart", "--if-exists", "upsert", *OPTIONS)

    assert first.code == 0, first.said
    assert done.code == 0, done.said
    assert await differences(streamer.source, streamer.target, streamer.uuid) == []


async def test_fault_36_a_list_moved_by_one_is_named_after_few_requests_and_mended_by_a_repair(
    streamer: Streamer,
) -> None:
    await streamer.source.execute(
        "CREATE TABLE entry (id int PRIMARY KEY, place int NOT NULL UNIQUE);"
        "INSERT INTO entry SELECT n, n FROM generate_series(1, 2000) AS n;"
    )
    options = (*OPTIONS, "--table", "entry", "--indexes", "before")
    streamer.stopped_at('INTO "entry"', *options, requests=4)
    await streamer.source.execute(
        "UPDATE entry SET place = -place; UPDATE entry SET place = -place - 1"
    )

    stopped = streamer("run", "--resume", *options)
    went_on = streamer("run", "--resume", "--on-error", "reject", *options)
    repaired = streamer("validate", "--full", "--repair", "--table", "entry")

    assert stopped.code == 1, stopped.said
    assert "public.entry, key" in stopped.stderr
    assert "moved through more rows than a run exchanges" in stopped.stderr
    assert "validate --full --repair" in stopped.stderr
    assert went_on.code == 3, went_on.said
    assert streamer.report["totals"]["rows_rejected"] == 1
    assert streamer.report["totals"]["requests"] < 2 * SEARCHES
    assert repaired.code == 0, repaired.said
    query = "SELECT count(*), count(DISTINCT place), sum(id - place) FROM entry"
    assert streamer.target.rows(streamer.uuid, query) == [[2000, 2000, 2000]]


MEMBERS = """
CREATE TABLE town (id int PRIMARY KEY, land text NOT NULL);
INSERT INTO town VALUES (1, 'a');
CREATE TABLE member (id int PRIMARY KEY, mail text NOT NULL UNIQUE, nick text UNIQUE,
    town int NOT NULL REFERENCES town);
INSERT INTO member SELECT n, 'm' || n, 'n' || n, 1 FROM generate_series(1, 1000) AS n;
"""
# Row 10, behind the point that the run had reached, has moved to a town that came since as well.
MOVED = """
INSERT INTO town VALUES (2, 'b');
UPDATE member SET mail = 'x' WHERE id = 10;
UPDATE member SET mail = 'm10' WHERE id = 910;
UPDATE member SET mail = 'm910', town = 2 WHERE id = 10;
"""
# What it brings holds yet another value, which a unique index has already, of a row that moved too.
TWICE = """
INSERT INTO town VALUES (3, 'c');
UPDATE member SET nick = 'y', town = 3 WHERE id = 11;
UPDATE member SET nick = 'n11' WHERE id = 10;
"""


@pytest.mark.parametrize("more", ["", TWICE], ids=["one value", "two values"])
async def test_fault_24_and_36_rows_that_a_value_moved_from_take_their_new_parents_along(
    streamer: Streamer, more: str
) -> None:
    options = (*OPTIONS, "--table", "town", "--table", "member")
    await streamer.source.execute(MEMBERS)
    streamer.stopped_at('INTO "member"', *options, requests=2)
    await streamer.source.execute(MOVED + more)

    done = streamer("run", "--resume", *options)

    assert done.code == 0, done.said
    for table in ("member", "town"):
        query = f"SELECT * FROM {table} ORDER BY id"
        rows = [list(row.values()) for row in await streamer.source.fetch(query)]
        assert streamer.target.rows(streamer.uuid, query) == rows


# Row 20 has moved to a town that D1 doesn't take, and can't be written as it is now; row 10 can.
BESIDE_A_BAD_ROW = """
INSERT INTO town VALUES (2, 'precious');
UPDATE member SET mail = 'x' WHERE id IN (10);
UPDATE member SET mail = 'y', town = 2 WHERE id IN (20);
UPDATE member SET mail = 'm' || id - 900 WHERE id IN (910, 920);
"""


async def stopped_beside_a_bad_row(streamer: Streamer, *options: str) -> None:
    """Members are stopped half way; then values move, one to a member of a town that D1 won't take."""
    await streamer.source.execute(MEMBERS)
    streamer.target.run(
        streamer.uuid,
        "CREATE TABLE town (id INTEGER PRIMARY KEY, land TEXT NOT NULL CHECK (land <> 'precious'))",
    )
    streamer.stopped_at('INTO "member"', *options, requests=2)
    await streamer.source.execute(BESIDE_A_BAD_ROW)


async def test_fault_12_and_36_a_row_that_cannot_be_read_again_keeps_no_other_from_it(
    streamer: Streamer,
) -> None:
    options = (*OPTIONS, "--table", "town", "--table", "member", "--on-error", "reject")
    options = (*options, "--indexes", "after")
    await stopped_beside_a_bad_row(streamer, *options)

    done = streamer("run", "--resume", *options)

    assert done.code == 3, done.said
    assert "precious" not in done.said
    query = "SELECT id, mail FROM member WHERE id IN (10, 910, 920) ORDER BY id"
    assert streamer.target.rows(streamer.uuid, query) == [[10, "x"], [910, "m10"], [920, "m20"]]
    assert "couldn't be built" in done.stderr  # row 20 has the value of row 920 still
    await streamer.source.execute("UPDATE town SET land = 'b'")
    repaired = streamer("validate", "--full", "--repair", "--table", "town", "--table", "member")
    assert repaired.code == 0, repaired.said
    streamer.target.run(streamer.uuid, "CREATE UNIQUE INDEX once ON member (mail)")
