"""Targets that were changed behind the product's back, made equal to their sources again."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.engines.postgres import Database
from tests.engines.workerd import Workerd
from tests.faults.between import Between, Forward, Request
from tests.stories.command import Streamer, moved
from tests.stories.compare import differences, our_leftovers
from tests.stories.reports import read_report

pytestmark = [pytest.mark.postgres, pytest.mark.workerd, pytest.mark.processes]

SOURCE = """
CREATE TABLE owner (id int PRIMARY KEY, name text NOT NULL);
CREATE TABLE pet (id int PRIMARY KEY, owner int REFERENCES owner ON DELETE CASCADE, name text,
    twice int GENERATED ALWAYS AS (id * 2) STORED);
CREATE TABLE tree (id int PRIMARY KEY, parent int REFERENCES tree ON DELETE CASCADE);
CREATE TABLE hen (id int PRIMARY KEY, egg int NOT NULL);
CREATE TABLE egg (id int PRIMARY KEY, hen int NOT NULL REFERENCES hen DEFERRABLE INITIALLY DEFERRED);
ALTER TABLE hen ADD FOREIGN KEY (egg) REFERENCES egg DEFERRABLE INITIALLY DEFERRED;
CREATE TABLE pair (a text, b numeric, v bytea, PRIMARY KEY (a, b));
CREATE TABLE log (line text, n double precision);
INSERT INTO owner SELECT n, 'owner ' || n FROM generate_series(1, 50) AS n;
INSERT INTO pet SELECT n, 1 + n % 50, 'pet ' || n FROM generate_series(1, 200) AS n;
INSERT INTO tree SELECT n, nullif(n / 2, 0) FROM generate_series(1, 60) AS n;
BEGIN;
INSERT INTO hen SELECT n, 41 - n FROM generate_series(1, 40) AS n;
INSERT INTO egg SELECT n, 41 - n FROM generate_series(1, 40) AS n;
COMMIT;
INSERT INTO pair SELECT chr(64 + n), n, decode(to_hex(n + 16), 'hex') FROM generate_series(1, 20) AS n;
INSERT INTO log SELECT 'line ' || n % 7, n / 3.0 FROM generate_series(1, 80) AS n;
INSERT INTO log VALUES ('same', 1), ('same', 1), (NULL, 'NaN');
"""

# One change a line; D1's foreign keys let each in.
CHANGES = [
    "INSERT INTO owner VALUES (999, 'nobody')",
    "UPDATE pet SET owner = 999 WHERE id IN (7, 8)",  # a cascade must not take them
    "INSERT INTO pet (id, owner, name) VALUES (1000, 999, 'stray')",
    "DELETE FROM owner WHERE id = 12",  # with its pets
    "UPDATE owner SET name = 'other' WHERE id = 3",
    "DELETE FROM tree WHERE id = 2",  # with all below it
    "INSERT INTO tree VALUES (900, 1), (901, 900)",
    "UPDATE hen SET egg = 1 WHERE id = 5",
    "DELETE FROM pair WHERE a = 'C'",
    "UPDATE pair SET v = CAST(v AS TEXT) WHERE a = 'D'",
    "INSERT INTO pair VALUES ('ZZ', '1', NULL)",
    "DELETE FROM log WHERE rowid = (SELECT max(rowid) FROM log WHERE line = 'same')",
    "UPDATE log SET n = 0.5 WHERE rowid = (SELECT min(rowid) FROM log)",
    "INSERT INTO log VALUES ('line 1', 12345.5)",
]


@pytest.fixture
async def streamer(
    database: Database, workerd_d1: Workerd, tmp_path: Path
) -> AsyncIterator[Streamer]:
    """The command, with the tables moved and then changed in D1."""
    async with moved(database, workerd_d1, tmp_path, SOURCE) as streamer:
        yield streamer
        workerd_d1.set_faults()


def report(streamer: Streamer) -> dict[str, Any]:
    return read_report(streamer.folder / "validation_report.json")


def change(streamer: Streamer) -> None:
    for sql in CHANGES:
        streamer.target.run(streamer.uuid, sql)


async def test_whatever_was_changed_is_mended_and_proven(streamer: Streamer) -> None:
    change(streamer)
    assert streamer("validate", "--full").code == 3

    done = streamer("validate", "--full", "--repair", "--differences", "left.ndjson")

    assert done.code == 0, done.said
    assert await differences(streamer.source, streamer.target, streamer.uuid) == []
    assert our_leftovers(streamer.target, streamer.uuid) == []
    found = report(streamer)
    assert found["equal"] is True
    assert found["repaired"]["sent"] > 0
    assert found["repaired"]["deleted"] > 0
    assert (streamer.folder / "left.ndjson").read_text() == ""
    assert streamer("validate", "--full").code == 0


async def test_equal_sides_are_left_alone(streamer: Streamer) -> None:
    done = streamer("validate", "--repair")

    assert done.code == 0, done.said
    assert report(streamer)["repaired"] is None
    assert report(streamer)["depth"] == "full"


async def test_rows_that_came_to_the_source_since_are_sent_and_those_that_went_are_deleted(
    streamer: Streamer,
) -> None:
    await streamer.source.execute(
        "DELETE FROM owner WHERE id = 4; UPDATE pet SET name = 'new' WHERE id < 20;"
        "INSERT INTO owner VALUES (70, 'new'); INSERT INTO pet VALUES (700, 70, 'newer')"
    )

    done = streamer("validate", "--full", "--repair")

    assert done.code == 0, done.said
    assert await differences(streamer.source, streamer.target, streamer.uuid) == []


async def test_a_repair_that_was_stopped_midway_is_done_by_the_next(streamer: Streamer) -> None:
    change(streamer)
    refused = {"status": 400, "code": 7500, "message": "not authorized", "times": 99}
    streamer.target.set_faults({"match": "/raw", "contains": "DELETE FROM", **refused})
    assert streamer("validate", "--full", "--repair").code == 1
    streamer.target.set_faults()

    done = streamer("validate", "--full", "--repair")

    assert done.code == 0, done.said
    assert await differences(streamer.source, streamer.target, streamer.uuid) == []
    assert our_leftovers(streamer.target, streamer.uuid) == []


async def test_what_no_row_can_mend_is_named_and_nothing_is_sent(streamer: Streamer) -> None:
    streamer.target.run(streamer.uuid, "DROP TABLE log")

    done = streamer("validate", "--repair")

    assert done.code == 3, done.said
    assert "public.log" in done.stdout
    assert report(streamer)["repaired"] is None


async def test_an_extra_row_that_others_came_to_refer_to_meanwhile_waits_for_them(
    streamer: Streamer, workerd_d1: Workerd
) -> None:
    workerd_d1.run(streamer.uuid, "INSERT INTO hen VALUES (90, 1), (91, 1), (92, 1)")
    late = ["INSERT INTO egg VALUES (800, 91)"]

    async def claimed_and_changed(request: Request, forward: Forward) -> web.Response:
        answer = await forward()
        if b"INSERT INTO _streamer_owner" in request.body and late:
            await asyncio.to_thread(workerd_d1.run, streamer.uuid, late.pop())
        return answer

    async with Between(workerd_d1) as between:
        streamer.overrides["CLOUDFLARE_API_BASE_URL"] = between.base_url
        between.deal = claimed_and_changed
        done = await asyncio.to_thread(streamer, "validate", "--full", "--repair")

    assert done.code == 0, done.said
    assert report(streamer)["repaired"] == {"sent": 0, "deleted": 4, "rounds": 2}
    assert await differences(streamer.source, streamer.target, streamer.uuid) == []


async def test_no_value_is_told_and_settings_that_differ_are_refused(streamer: Streamer) -> None:
    streamer.target.run(streamer.uuid, "UPDATE owner SET name = 'precious' WHERE id = 3")

    found = streamer("validate", "--full", "--differences", "all.ndjson")
    other = streamer("validate", "--full", "--rename", "owner.name=called")

    told = found.said + "".join(
        path.read_bytes().decode(errors="replace")
        for path in streamer.folder.rglob("*")
        if path.is_file()
    )
    assert found.code == 3
    assert "precious" not in told
    line = json.loads((streamer.folder / "all.ndjson").read_text())
    assert line == {
        "table": "public.owner",
        "kind": "different",
        "key": ["3"],
        "columns": ["name"],
    }
    assert (streamer.folder / "all.ndjson").stat().st_mode & 0o777 == 0o600
    assert other.code == 2, other.said
    assert "rename" in other.stderr
