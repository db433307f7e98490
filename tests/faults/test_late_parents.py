"""Children whose parents came after the parents' table was read: what a run makes of them."""

from __future__ import annotations

import asyncio
import signal

import pytest
from aiohttp import web

from tests.engines.postgres import Database
from tests.faults.between import Between, Forward, Request
from tests.stories.command import Outcome, Streamer, ended
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


@pytest.fixture(autouse=True)
async def source(database: Database) -> Database:
    await database.execute(SAMPLE)
    return database


def stopped_at(streamer: Streamer, words: str, *options: str, requests: int = 1) -> None:
    """Run until D1 refuses a request that holds `words`, `requests` of them let through."""
    streamer.stopped_at(words, *OPTIONS, *options, requests=requests)


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


async def through(streamer: Streamer, between: Between, *options: str) -> Outcome:
    """Resume by way of `between`."""
    streamer.overrides["CLOUDFLARE_API_BASE_URL"] = between.base_url
    process = streamer.start("run", "--resume", *OPTIONS, *options)
    return await asyncio.to_thread(ended, process)


async def test_fault_24_parents_that_came_between_a_kill_and_the_resume_are_sent_first(
    streamer: Streamer,
) -> None:
    streamer.target.set_faults({"match": "/raw", "contains": PURCHASES[5:-1], "skip": 1,
                                "times": 99, "delay_ms": 400})  # fmt: skip
    killed_after(streamer, 10)
    streamer.target.set_faults()
    await streamer.source.execute(
        "INSERT INTO customer VALUES (-5, 'c1', 'behind'), (9000, 'c2', 'ahead');"
        "INSERT INTO purchase VALUES (5001, -5, 'late'), (5002, 9000, 'late'), (5003, 7, 'late')"
    )

    resumed(streamer)

    assert await differing(streamer) == []


async def test_fault_24_a_chain_of_new_tables_rows_is_followed_to_its_beginning(
    streamer: Streamer,
) -> None:
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


async def test_a_batch_that_lacks_parents_costs_three_requests_more(
    streamer: Streamer, between: Between
) -> None:
    stopped_at(streamer, PURCHASES, requests=3)
    await streamer.source.execute(
        "INSERT INTO customer SELECT n, 'c1', 'late' FROM generate_series(-5, -1) AS n;"
        "UPDATE purchase SET customer = -1 - id % 5 WHERE id > 1995"
    )
    seen: list[tuple[bytes, int]] = []

    async def deal(request: Request, forward: Forward) -> web.Response:
        answer = await forward()
        seen.append((request.body, answer.status))
        return answer

    between.deal = deal
    done = await through(streamer, between)

    assert done.code == 0, done.said
    assert await differing(streamer) == []
    refused = [body for body, status in seen if status == 400]
    asked = [body for body, _ in seen if b"json_each(?1) AS w WHERE" in body]
    ahead = [body for body, _ in seen if b"defer_foreign_keys" in body]
    assert 1 <= len(refused) == len(asked) <= 2  # the last rows may share a batch or not
    assert len(ahead) == len(refused)


@pytest.mark.parametrize(
    "options", [("--pack", "values"), ("--pack", "rows"), ("--pushdown", "json")], ids=" ".join
)
async def test_however_rows_travel_their_parents_are_found(
    streamer: Streamer, options: tuple[str, ...]
) -> None:
    stopped_at(streamer, PURCHASES, *options)
    await streamer.source.execute(
        "INSERT INTO country VALUES ('new', 'new');"
        "INSERT INTO customer VALUES (500, 'new', 'late'), (501, 'c1', 'late');"
        "INSERT INTO purchase VALUES (5001, 500, 'late'), (5002, 501, 'late')"
    )

    resumed(streamer, *options)

    assert await differing(streamer) == []


async def test_parents_that_no_request_could_hold_go_with_parts_of_a_batch(
    streamer: Streamer,
) -> None:
    stopped_at(streamer, PURCHASES)
    await streamer.source.execute(
        "INSERT INTO customer SELECT n, 'c1', repeat('long', 400) FROM generate_series(501, 600) n;"
        "INSERT INTO purchase SELECT n + 4000, n, 'late' FROM generate_series(501, 600) AS n"
    )

    resumed(streamer)

    assert await differing(streamer) == []


MANY_TYPES = """
CREATE TABLE parent (a uuid, b timestamptz, c bigint, d bytea, e numeric, v text,
    PRIMARY KEY (c, b, a), UNIQUE (d, e));
INSERT INTO parent SELECT md5(n::text)::uuid, timestamptz '2024-01-01 12:00+03' + n * interval '1 s',
    9007199254740993 + n, decode(md5(n::text), 'hex'), n / 4.0, 'v' FROM generate_series(1, 50) AS n;
CREATE TABLE child (id int PRIMARY KEY, a uuid, b timestamptz, c bigint, d bytea, e numeric,
    FOREIGN KEY (a, b, c) REFERENCES parent (a, b, c), FOREIGN KEY (e, d) REFERENCES parent (e, d));
INSERT INTO child SELECT row_number() OVER (), a, b, c, d, e FROM parent, generate_series(1, 20);
"""
LATE_OF_MANY_TYPES = """
INSERT INTO parent SELECT md5(n::text)::uuid, timestamptz '2020-01-01' + n * interval '0.001 s',
    n, decode(md5(n::text), 'hex'), n / 8.0, 'late' FROM generate_series(900, 909) AS n;
INSERT INTO child SELECT 5000 + row_number() OVER (), a, b, c FROM parent WHERE c < 905;
INSERT INTO child SELECT 6000 + row_number() OVER (), NULL, b, NULL, d, e FROM parent
WHERE c BETWEEN 905 AND 999;
"""


async def test_parents_are_found_by_keys_of_several_columns_and_by_other_unique_columns(
    streamer: Streamer,
) -> None:
    await streamer.source.execute(MANY_TYPES)
    stopped_at(streamer, 'INTO "child"')
    await streamer.source.execute(LATE_OF_MANY_TYPES)

    resumed(streamer)

    assert await differing(streamer) == []


CIRCLES = """
CREATE TABLE team (id int PRIMARY KEY, lead int);
CREATE TABLE worker (id int PRIMARY KEY, boss int REFERENCES worker, team int REFERENCES team);
ALTER TABLE team ADD FOREIGN KEY (lead) REFERENCES worker;
INSERT INTO team SELECT n FROM generate_series(1, 20) AS n;
INSERT INTO worker SELECT n, nullif(n / 2, 0), 1 + n % 20 FROM generate_series(1, 2000) AS n;
UPDATE team SET lead = id;
CREATE TABLE note (id int PRIMARY KEY, tenant int NOT NULL, above int, UNIQUE (tenant, id),
    FOREIGN KEY (tenant, above) REFERENCES note (tenant, id));
INSERT INTO note SELECT n, 7, nullif(n / 2, 0) FROM generate_series(1, 2000) AS n;
"""


async def test_a_second_pass_takes_along_what_its_references_were_changed_to(
    streamer: Streamer,
) -> None:
    await streamer.source.execute(CIRCLES)
    stopped_at(streamer, 'UPDATE "worker"')
    await streamer.source.execute(
        "INSERT INTO team VALUES (100); INSERT INTO worker VALUES (9000, 1, 100), (9001, 9000, 100);"
        "UPDATE team SET lead = 9001 WHERE id = 100;"
        "UPDATE worker SET boss = 9001 WHERE id = 2000"
    )

    resumed(streamer)

    assert await differing(streamer) == []


async def test_a_second_pass_sets_to_null_what_let_go_after_it_was_read(
    streamer: Streamer, between: Between
) -> None:
    await streamer.source.execute(CIRCLES)
    stopped_at(streamer, 'UPDATE "worker"')
    await streamer.source.execute(
        "INSERT INTO worker VALUES (-9000, 1, 1); UPDATE worker SET boss = -9000 WHERE id > 1990"
    )
    let_go = asyncio.Lock()

    async def deal(request: Request, forward: Forward) -> web.Response:
        if b"-9000" in request.body and not let_go.locked():
            await let_go.acquire()
            await streamer.source.execute(
                "UPDATE worker SET boss = NULL WHERE boss = -9000; DELETE FROM worker WHERE id = -9000"
            )
        return await forward()

    between.deal = deal
    done = await through(streamer, between, "--consistency", "rolling")

    assert done.code == 0, done.said
    assert let_go.locked()
    query = "SELECT count(*), count(boss) FROM worker WHERE id > 1990"
    assert streamer.target.rows(streamer.uuid, query) == [[10, 0]]


async def test_a_second_pass_asks_the_target_for_what_it_does_not_carry(streamer: Streamer) -> None:
    await streamer.source.execute(CIRCLES)
    stopped_at(streamer, 'UPDATE "note"')
    await streamer.source.execute(
        "INSERT INTO note SELECT n, 7, n - 1 FROM generate_series(2001, 2012) AS n;"
        "UPDATE note SET above = 2012 WHERE id = 2000"
    )

    resumed(streamer)

    assert await differing(streamer) == []


GONE = """
ALTER TABLE purchase DROP CONSTRAINT purchase_customer_fkey,
    ADD FOREIGN KEY (customer) REFERENCES customer ON DELETE CASCADE;
INSERT INTO customer VALUES (500, 'c1', 'to go'), (501, 'c1', 'to stay');
INSERT INTO purchase SELECT n, 500 + n % 2, 'late' FROM generate_series(5000, 5010) AS n;
"""


async def test_rows_that_went_with_their_parent_after_they_were_read_are_left_out(
    streamer: Streamer, between: Between
) -> None:
    stopped_at(streamer, PURCHASES)
    await streamer.source.execute(GONE)

    async def deal(request: Request, forward: Forward) -> web.Response:
        # The first of these: none is in D1 yet, nor is a parent of theirs.
        if b"late" in request.body:
            await streamer.source.execute("DELETE FROM customer WHERE id = 500")
        if b"foreign_key_check" in request.body:
            return web.Response(status=401)
        return await forward()

    between.deal = deal
    stopped = await through(streamer, between, "--consistency", "rolling")
    assert stopped.code == 1, stopped.said
    streamer.overrides.clear()

    resumed(streamer, "--consistency", "rolling")

    assert await differing(streamer) == []
    by_name = {table["name"]: table for table in streamer.report["tables"]}
    assert by_name["public.purchase"]["rows_written"] == 2005
    # Six, but for those on a page that was read when they were gone.
    assert 0 < by_name["public.purchase"]["rows_skipped"] <= 6


async def test_fault_24_a_rolling_run_keeps_up_with_parents_and_children_that_come_and_go(
    streamer: Streamer, between: Between
) -> None:
    await streamer.source.execute(
        GONE + "INSERT INTO purchase SELECT n, 1 + n % 400, repeat('n', 40)"
        " FROM generate_series(10000, 29999) AS n"
    )
    turns = 0
    one = asyncio.Lock()

    async def change() -> None:
        nonlocal turns
        turns += 1
        first = 100000 + 100 * turns
        await streamer.source.execute(
            f"INSERT INTO country VALUES ('new {turns}', '');"
            f"INSERT INTO customer VALUES ({1000 + turns}, 'new {turns}', 'late');"
            f"INSERT INTO purchase SELECT n, {1000 + turns}, 'late'"
            f" FROM generate_series({first}, {first + 99}) AS n;"
            f"DELETE FROM customer WHERE id = {998 + turns} AND id % 2 = 0;"
            # A reader that lost its connection goes on in a snapshot of now.
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )

    async def deal(request: Request, forward: Forward) -> web.Response:
        async with one:
            if b'INTO \\"purchase\\"' in request.body and turns < 20:
                await change()
        return await forward()

    between.deal = deal
    done = await through(streamer, between, "--consistency", "rolling")

    assert done.code == 0, done.said
    assert streamer.target.rows(streamer.uuid, "PRAGMA foreign_key_check") == []
    counts = "SELECT sum(id < 30000), sum(id >= 100000) FROM purchase"
    ((old, new),) = streamer.target.rows(streamer.uuid, counts)
    assert old == 22_011
    assert new > 0
    fetched = "SELECT count(*) FROM customer WHERE id > 1000"
    assert streamer.target.rows(streamer.uuid, fetched)[0][0] > 0
