"""`streamer tune` against real targets: what it says, what it leaves, and how it ends when it can't."""

from __future__ import annotations

import asyncio
import hashlib
import json
import signal
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiohttp import web

from tests.engines.d1server import D1Server
from tests.engines.postgres import Database, Postgres
from tests.engines.sqlite_file import PlainFile
from tests.engines.workerd import Workerd
from tests.faults.between import Between, Forward, Request
from tests.stories.command import Streamer, ended
from tests.stories.compare import our_leftovers

pytestmark = [pytest.mark.postgres, pytest.mark.workerd]

KILLED, THEIRS = "_streamer_tune_0123456789ab", "_streamer_tune_notes"


@pytest.fixture
def tuner(sample_source: Database, any_d1: D1Server, tmp_path: Path) -> Iterator[Streamer]:
    """The command, from the sample database into an empty D1 of either kind."""
    uuid = any_d1.create(tmp_path.name)
    yield Streamer(tmp_path, sample_source, any_d1, uuid)
    any_d1.set_faults()
    any_d1.delete(uuid)


def test_it_says_what_to_expect_by_few_requests_and_leaves_nothing(
    tuner: Streamer, any_d1: D1Server
) -> None:
    any_d1.run(tuner.uuid, f"CREATE TABLE {KILLED} (a)")
    any_d1.run(tuner.uuid, f"CREATE TABLE {THEIRS} (a)")
    any_d1.stats(reset=True)

    told = tuner("tune", "--json")

    assert told.code == 0, told.said
    found = json.loads(told.stdout)
    assert any_d1.stats()["requests"] <= 40
    assert found["probe"]["rows"] <= found["probe"]["rows_written"] <= 60_000 + 100
    assert found["expected"]["rows_per_s"] > 0
    assert found["measured"]["alone"]
    assert 1 <= found["settings"]["concurrency"] <= 16
    assert 250_000 <= found["settings"]["batch_bytes"] <= 4_000_000
    plan = json.loads(tuner("plan", "--json").stdout)
    assert found["estimate"]["rows_written"] == pytest.approx(
        plan["estimate"]["rows_written"], rel=0.1
    )
    assert our_leftovers(any_d1, tuner.uuid) == [THEIRS]


SMALL = "--batch-bytes=500KB"
LETTERS = """
CREATE TABLE letters (id bigint PRIMARY KEY, code text, body text, seal bytea, answered bool);
INSERT INTO letters SELECT 1000 + n,
    CASE WHEN n % 2 = 0 THEN 'Canary-' || md5(n::text) END,
    'Dear Canary, you''re "invited" \\ to ' || md5((2 * n)::text),
    decode(md5((3 * n)::text), 'hex'), n % 3 = 0
FROM generate_series(1, 30000) AS n
"""


async def test_rows_that_it_makes_up_have_the_form_of_the_real_ones_and_no_value_of_theirs(
    postgres: Postgres, workerd_d1: Workerd, tmp_path: Path
) -> None:
    source = await postgres.create_database()
    await source.execute(LETTERS)
    uuid = workerd_d1.create(tmp_path.name)
    streamer = Streamer(tmp_path, source, workerd_d1, uuid)
    bodies: list[bytes] = []

    async def note(request: Request, forward: Forward) -> web.Response:
        bodies.append(request.body)
        return await forward()

    async with Between(workerd_d1) as between:
        streamer.overrides["CLOUDFLARE_API_BASE_URL"] = between.base_url
        between.deal = note
        tuned = await asyncio.to_thread(streamer, "tune", "--json", SMALL)
        tried = [body for body in bodies if b"INSERT INTO" in body]
        bodies.clear()
        moved = await asyncio.to_thread(streamer, "run", SMALL)
        real = b"".join(body for body in bodies if b"INSERT INTO" in body)
    workerd_d1.delete(uuid)

    assert (tuned.code, moved.code) == (0, 0), tuned.said + moved.said
    made = b"".join(tried)
    assert b"Canary" in real
    assert b"Canary" not in made
    digest = hashlib.md5(b"2", usedforsecurity=False).hexdigest().encode()
    assert digest in real
    assert digest not in made
    for mark in (b"null", b'\\"', b"\\\\'"):
        share = real.count(mark) / len(real)
        assert made.count(mark) / len(made) == pytest.approx(share, rel=0.1), mark
    found = json.loads(tuned.stdout)
    each = found["probe"]["bytes"] / found["probe"]["rows"]
    assert each == pytest.approx(len(real) / 30_000, rel=0.05)


def test_what_it_writes_is_what_a_run_is_told(streamer: Streamer, tmp_path: Path) -> None:
    file = tmp_path / "streamer.toml"

    made = streamer("tune", "--exclude", "log", "--write-config", "streamer.toml")
    found = tomllib.loads(file.read_text())
    planned = streamer("plan", "--config", "streamer.toml")
    file.write_text('# mine\nconcurrency = 16\n[source]\nuser = "x"\n')
    left = streamer("tune", "--write-config", "streamer.toml")

    assert made.code == planned.code == 0, made.said + planned.said
    assert f"concurrency = {found['concurrency']}" in made.stdout
    assert f"batch_bytes = {found['batch_bytes']}" in made.stdout
    assert found["exclude"] == ["log"]
    assert left.code in {0, 3}, left.said
    after = file.read_text()
    assert (after == '# mine\nconcurrency = 16\n[source]\nuser = "x"\n') is (left.code == 3)


def test_plan_reckons_by_what_was_measured_of_this_target_alone(streamer: Streamer) -> None:
    made = streamer("tune", "--write-config", "streamer.toml")
    here = streamer("plan", "--json", "--config", "streamer.toml")
    streamer.overrides["D1_DATABASE_ID"] = "another"
    there = streamer("plan", "--json", "--config", "streamer.toml")

    assert (made.code, here.code, there.code) == (0, 0, 0), made.said + here.said + there.said
    known, unknown = (json.loads(told.stdout)["estimate"] for told in (here, there))
    assert (known["timed_by"], unknown["timed_by"]) == ("probe", "guess")
    assert known["least_seconds"] == known["seconds"] > 0
    assert "another target" not in here.stderr
    assert "another target" in there.stderr


READ_ONLY = {"status": 403, "code": 10000, "message": "Authentication error"}
FULL = {"status": 400, "code": 7500, "message": "Exceeded maximum DB size: SQLITE_FULL"}
USED_UP = {
    "status": 400,
    "code": 7500,
    "message": "D1 free tier daily row write limit exceeded",
}


@pytest.mark.parametrize(
    ("answer", "exit_code", "said"),
    [(READ_ONLY, 1, "D1 Edit"), (FULL, 1, "full"), (USED_UP, 75, "daily quota")],
)
@pytest.mark.parametrize("words", ["CREATE TABLE", "INSERT INTO"])
def test_a_target_that_takes_no_rows_is_named_and_nothing_is_left(
    streamer: Streamer,
    workerd_d1: Workerd,
    *,
    answer: dict[str, str | int],
    exit_code: int,
    said: str,
    words: str,
) -> None:
    workerd_d1.set_faults({"match": "/raw", "contains": words, "times": 99, **answer})

    failed = streamer("tune")

    workerd_d1.set_faults()
    assert failed.code == exit_code, failed.said
    assert said in failed.stderr
    assert failed.stdout == ""
    assert "--resume" not in failed.stderr
    assert our_leftovers(workerd_d1, streamer.uuid) == []


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
async def test_a_signal_leaves_nothing_and_after_a_kill_the_next_one_does(
    streamer: Streamer, workerd_d1: Workerd, sent: signal.Signals
) -> None:
    heard: list[int] = []

    async def signal_at(request: Request, forward: Forward) -> web.Response:
        answer = await forward()
        if b"INSERT INTO" in request.body and not heard:
            heard.append(request.number)
            process.send_signal(sent)
        return answer

    async with Between(workerd_d1) as between:
        streamer.overrides["CLOUDFLARE_API_BASE_URL"] = between.base_url
        between.deal = signal_at
        process = streamer.start("tune")
        stopped = await asyncio.to_thread(ended, process)
    left = our_leftovers(workerd_d1, streamer.uuid)
    del streamer.overrides["CLOUDFLARE_API_BASE_URL"]
    again = await asyncio.to_thread(streamer, "tune", "--table", "employee")

    assert stopped.code == (-signal.SIGKILL if sent is signal.SIGKILL else 75), stopped.said
    assert len(left) == (1 if sent is signal.SIGKILL else 0)
    assert again.code == 0, again.said
    assert our_leftovers(workerd_d1, streamer.uuid) == []


async def test_a_signal_before_anything_was_tried_ends_it_too(
    streamer: Streamer, workerd_d1: Workerd
) -> None:
    heard: list[int] = []

    async def signal_at(request: Request, forward: Forward) -> web.Response:
        if not heard:
            heard.append(request.number)
            process.send_signal(signal.SIGTERM)
        return await forward()

    async with Between(workerd_d1) as between:
        streamer.overrides["CLOUDFLARE_API_BASE_URL"] = between.base_url
        between.deal = signal_at
        process = streamer.start("tune")
        stopped = await asyncio.to_thread(ended, process)

    assert stopped.code == 75, stopped.said
    assert "stopped by a signal" in stopped.stderr
    assert "--resume" not in stopped.stderr
    assert our_leftovers(workerd_d1, streamer.uuid) == []


OVERLOADED = {
    "status": 429,
    "code": 7500,
    "message": "D1 DB is overloaded. Too many requests queued.",
}


def test_a_target_that_is_busy_is_measured_and_called_so(
    streamer: Streamer, workerd_d1: Workerd
) -> None:
    workerd_d1.set_faults({"match": "/raw", "contains": "INSERT INTO", "times": 2, **OVERLOADED})

    told = streamer("tune", "--json")

    workerd_d1.set_faults()
    assert told.code == 0, told.said
    assert json.loads(told.stdout)["probe"]["turned_away"] == 2
    assert "2 requests had to be sent again" in told.stderr
    assert our_leftovers(workerd_d1, streamer.uuid) == []


def test_requests_that_waited_for_the_rate_limit_are_not_taken_for_a_slow_target(
    streamer: Streamer, workerd_d1: Workerd
) -> None:
    told = streamer("tune", "--json", "--rate-limit", "4/1")

    assert told.code == 0, told.said
    found = json.loads(told.stdout)
    assert found["probe"]["held_back"] >= 1
    assert found["probe"]["turned_away"] == 0
    assert found["measured"]["together"] == []
    assert found["measured"]["each_request_s"] == 0
    assert "waited for leave to send" in told.stderr
    assert "raise --rate-limit" in told.stderr
    assert our_leftovers(workerd_d1, streamer.uuid) == []


def test_a_file_is_tried_out_too_and_one_made_for_that_is_gone(
    sample_source: Database, tmp_path: Path
) -> None:
    target = PlainFile(tmp_path / "shop.db")
    streamer = Streamer(tmp_path, sample_source, target, "")

    told = streamer("tune")

    assert told.code == 0, told.said
    assert "not needed" in told.stdout
    assert not target.path.exists()
    assert target.beside() == set()


def test_without_a_source_or_a_table_the_target_is_left_alone(
    streamer: Streamer, workerd_d1: Workerd
) -> None:
    workerd_d1.stats(reset=True)

    nothing = streamer("tune", "--exclude", "*")
    streamer.overrides["POSTGRES_DSN"] = "postgresql://reader@127.0.0.1:1/shop"
    nowhere = streamer("tune")

    assert nothing.code == 2, nothing.said
    assert "No table is selected" in nothing.stderr
    assert nowhere.code in {1, 75}, nowhere.said
    assert "Nothing listens" in nowhere.stderr
    assert workerd_d1.stats()["requests"] == 0
