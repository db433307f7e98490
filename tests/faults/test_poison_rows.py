"""Rows that D1 will never take: a run stops at them, or sets them aside, and loses no other."""

from __future__ import annotations

import asyncio
import json
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiohttp import web

from tests.engines.postgres import Database
from tests.engines.workerd import Workerd
from tests.faults.between import Between, Forward, Request
from tests.stories.command import Streamer, ended
from tests.stories.compare import differences, our_leftovers
from tests.stories.trial import Trial

pytestmark = [pytest.mark.postgres, pytest.mark.workerd, pytest.mark.processes]

# The target has constraints that the source knows nothing of.
SHOP = """
CREATE TABLE customer (id int PRIMARY KEY, name text, mail text);
INSERT INTO customer SELECT n, 'precious ' || n, 'precious@' || n FROM generate_series(1, 200) AS n;
CREATE TABLE purchase (id int PRIMARY KEY, customer int REFERENCES customer, note text);
INSERT INTO purchase SELECT n, 1 + n % 200, 'precious' FROM generate_series(1, 1000) AS n;
CREATE TABLE log (line text, level int);
INSERT INTO log SELECT 'precious ' || n, n % 50 FROM generate_series(1, 500) AS n;
"""
TARGET = """
CREATE TABLE customer (id INTEGER PRIMARY KEY NOT NULL, name TEXT NOT NULL,
    mail TEXT UNIQUE, CONSTRAINT even CHECK (id % 50 <> 7));
"""
OPTIONS = ("--progress", "none", "--batch-bytes", "20000", "--concurrency", "2")
REJECT = (*OPTIONS, "--on-error", "reject")


@pytest.fixture
async def trial(database: Database, workerd_d1: Workerd, tmp_path: Path) -> Iterator[Trial]:
    await database.execute(SHOP)
    uuid = workerd_d1.create(database.name)
    yield Trial(Streamer(tmp_path, database, workerd_d1, uuid))
    workerd_d1.delete(uuid)


def rejected(trial: Trial, table: str) -> list[dict[str, object]]:
    path = trial.streamer.folder / "rejects" / f"{table}.ndjson"
    if not path.exists():
        return []
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    return [json.loads(line) for line in path.read_text().splitlines()]


def figures(trial: Trial, table: str) -> dict[str, int]:
    (found,) = (t for t in trial.streamer.report["tables"] if t["name"] == f"public.{table}")
    names = ("rows_read", "rows_written", "rows_rejected", "rows_skipped")
    return {name: found[name] for name in names}


async def test_fault_12_bad_rows_stop_a_run_by_key_and_reason_or_are_set_aside_with_their_children(
    trial: Trial,
) -> None:
    trial.streamer.target.run(trial.streamer.uuid, TARGET)
    await trial.source.execute("""
        UPDATE customer SET name = NULL WHERE id IN (20, 21);
        UPDATE customer SET mail = 'precious@5' WHERE id = 90""")

    stopped = trial.streamer("run", *OPTIONS)
    assert stopped.code == 1, stopped.said
    assert "public.customer, key 7: CHECK constraint failed: even" in stopped.said
    assert "precious" not in stopped.said

    done = trial.streamer("run", "--resume", *REJECT)

    assert done.code == 3, done.said
    assert "precious" not in done.said
    bad = {int(str(row["key"]["id"])): row["reason"] for row in rejected(trial, "customer")}
    even = "CHECK constraint failed: even"
    null = "NOT NULL constraint failed: customer.name"
    same = "UNIQUE constraint failed: customer.mail"
    assert bad == {7: even, 57: even, 107: even, 157: even, 20: null, 21: null, 90: same}
    children = rejected(trial, "purchase")
    assert {row["row"]["customer"] for row in children} == set(map(str, bad))
    assert children[0]["reason"] == (
        "it refers to a row of public.customer, key 7, that was rejected"
    )
    assert len(children) == 35
    assert figures(trial, "customer") == {
        "rows_read": 200, "rows_written": 193, "rows_rejected": 7, "rows_skipped": 0,
    }  # fmt: skip
    assert figures(trial, "purchase") == {
        "rows_read": 1000, "rows_written": 965, "rows_rejected": 35, "rows_skipped": 0,
    }  # fmt: skip
    assert trial.d1("SELECT count(*) FROM customer") == [[193]]
    assert trial.d1("SELECT count(*) FROM purchase") == [[965]]
    assert trial.d1("SELECT count(*) FROM log") == [[500]]
    assert our_leftovers(trial.streamer.target, trial.streamer.uuid) == []

    await trial.source.execute("""
        UPDATE customer SET name = 'precious' WHERE id IN (20, 21);
        UPDATE customer SET mail = 'precious@90' WHERE id = 90;
        DELETE FROM purchase WHERE customer = 7; DELETE FROM customer WHERE id = 7""")

    again = trial.streamer("run", "--retry-rejects", *OPTIONS)

    assert again.code == 3, again.said
    assert "public.customer: 1 rejected rows are gone from PostgreSQL" in again.said
    left = {int(str(row["key"]["id"])) for row in rejected(trial, "customer")}
    assert left == {57, 107, 157}
    assert {row["row"]["customer"] for row in rejected(trial, "purchase")} == set(map(str, left))
    assert figures(trial, "customer") == {
        "rows_read": 200, "rows_written": 196, "rows_rejected": 3, "rows_skipped": 1,
    }  # fmt: skip
    assert figures(trial, "purchase") == {
        "rows_read": 1000, "rows_written": 980, "rows_rejected": 15, "rows_skipped": 5,
    }  # fmt: skip
    assert trial.d1("SELECT count(*) FROM purchase") == [[980]]
    assert our_leftovers(trial.streamer.target, trial.streamer.uuid) == []
    assert trial.streamer("run", "--resume", *OPTIONS).code == 3

    await trial.source.execute("""
        DELETE FROM purchase WHERE customer IN (57, 107, 157);
        DELETE FROM customer WHERE id IN (57, 107, 157)""")
    ended = trial.streamer("run", "--retry-rejects", *OPTIONS)

    assert ended.code == 0, ended.said
    assert await differences(trial.source, trial.streamer.target, trial.streamer.uuid) == []
    assert trial.streamer("run", "--resume", *OPTIONS).code == 0
    assert rejected(trial, "customer") == rejected(trial, "purchase") == []


async def test_rows_too_big_for_d1_are_set_aside_whole_between_their_neighbours(
    trial: Trial,
) -> None:
    await trial.source.execute("""
        UPDATE customer SET name = repeat('precious', 250001) WHERE id IN (1, 60, 200);
        UPDATE log SET line = repeat('precious', 250001) WHERE level = 17""")
    assert trial.streamer("run", *OPTIONS).code == 2

    done = trial.streamer("run", *REJECT)

    assert done.code == 3, done.said
    rows = rejected(trial, "customer")
    assert [row["key"] for row in rows] == [{"id": "1"}, {"id": "60"}, {"id": "200"}]
    assert rows[0]["reason"] == "the row takes 2,000,025 bytes; D1 takes 2,000,000"
    assert rows[0]["row"]["name"] == "precious" * 250_001
    assert figures(trial, "purchase")["rows_rejected"] == 15
    assert figures(trial, "log") == {
        "rows_read": 500, "rows_written": 490, "rows_rejected": 10, "rows_skipped": 0,
    }  # fmt: skip

    await trial.source.execute("UPDATE customer SET name = 'precious' WHERE id IN (1, 60, 200)")
    path = trial.streamer.folder / "rejects" / "log.ndjson"
    path.write_text(path.read_text().replace("precious" * 250_001, "mended by hand"))
    before = trial.streamer.report["totals"]
    again = trial.streamer("run", "--retry-rejects", *OPTIONS)

    assert again.code == 0, again.said
    after = trial.streamer.report["totals"]
    assert after["rows_written"] == before["rows_written"] + 3 + 15 + 10
    assert after["requests"] > before["requests"]
    assert after["d1_rows_written"] > before["d1_rows_written"]
    assert trial.d1("SELECT count(*) FROM log WHERE line = 'mended by hand'") == [[10]]
    assert trial.d1("SELECT count(*) FROM purchase") == [[1000]]
    assert not path.exists()


async def retry_killed_at(trial: Trial, last: bytes, *, executed: bool) -> None:
    """Send rejected rows again, until a request that holds `last`, which may be executed."""
    server = trial.streamer.target
    assert isinstance(server, Workerd)

    async def deal(request: Request, forward: Forward) -> web.Response:
        if last not in request.body:
            return await forward()
        if executed:
            await forward()
        process.kill()
        return web.Response(status=500)

    async with Between(server) as between:
        between.deal = deal
        trial.streamer.overrides["CLOUDFLARE_API_BASE_URL"] = between.base_url
        process = trial.streamer.start("run", "--retry-rejects", *OPTIONS)
        killed = await asyncio.to_thread(ended, process)
    del trial.streamer.overrides["CLOUDFLARE_API_BASE_URL"]
    assert killed.code == -9, killed.said


async def test_rejected_rows_sent_again_and_killed_with_nothing_left_but_marks_leave_none(
    trial: Trial, workerd_d1: Workerd
) -> None:
    streamer = trial.streamer
    workerd_d1.run(streamer.uuid, TARGET)
    await trial.source.execute("""
        DELETE FROM purchase WHERE customer % 50 = 7; DELETE FROM customer WHERE id % 50 = 7;
        UPDATE customer SET name = NULL WHERE id IN (20, 21)""")
    assert streamer("run", *REJECT).code == 3
    await trial.source.execute("UPDATE customer SET name = 'precious' WHERE id IN (20, 21)")

    await retry_killed_at(trial, b"DELETE FROM _streamer_ledger WHERE run = ?1", executed=False)
    await retry_killed_at(trial, b"DROP TABLE _streamer_ledger", executed=True)
    assert rejected(trial, "customer") == rejected(trial, "purchase") == []

    trial.refused("run", *OPTIONS, code=2, says="isn't finished")
    done = streamer("run", "--resume", *OPTIONS)

    assert done.code == 0, done.said
    assert figures(trial, "purchase")["rows_rejected"] == 0
    assert await differences(trial.source, workerd_d1, streamer.uuid) == []
    assert our_leftovers(workerd_d1, streamer.uuid) == []
    assert streamer("run", "--resume", *OPTIONS).code == 0
