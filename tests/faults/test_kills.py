"""Real processes, killed with -9 at random moments: what `--resume` makes of that."""

from __future__ import annotations

import random
import signal
import socket
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from checkpoints import peek
from tests.engines.d1server import D1Server
from tests.engines.postgres import Database
from tests.engines.workerd import Workerd
from tests.stories.command import Streamer, ended
from tests.stories.compare import differences, our_leftovers, quoted

SAMPLE = (Path(__file__).parent.parent / "stories" / "sample.sql").read_text()
MORE = """
INSERT INTO log SELECT timestamp '2025-01-01' + n * interval '1 s', repeat('more ', 20) || n
FROM generate_series(1, 12000) AS n;
INSERT INTO feather SELECT n, 1 + n % 300 FROM generate_series(1001, 21000) AS n;
CREATE TABLE wide_key (a text, b timestamptz, c numeric(20, 4), v text, PRIMARY KEY (b, c, a));
INSERT INTO wide_key SELECT md5(n::text), timestamptz '2024-01-01' + (n % 100) * interval '0.5 s',
    n * 0.0001, repeat('v', n % 90) FROM generate_series(1, 12000) AS n;
"""
SMALL_REQUESTS = ("--batch-bytes", "64000", "--concurrency", "3", "--progress", "none")

pytestmark = [pytest.mark.postgres, pytest.mark.workerd, pytest.mark.processes]


@pytest.fixture
async def streamer(
    database: Database, workerd_d1: Workerd, tmp_path: Path
) -> AsyncIterator[Streamer]:
    await database.execute(SAMPLE + MORE)
    uuid = workerd_d1.create(database.name)
    yield Streamer(tmp_path, database, workerd_d1, uuid)
    workerd_d1.delete(uuid)


def killed_after(streamer: Streamer, requests: int) -> bool:
    """Start or resume the run and kill it once it has sent so many requests; False if it ended."""
    streamer.target.stats(reset=True)
    process = streamer.start("run", "--resume", *SMALL_REQUESTS)
    while process.poll() is None:
        if streamer.target.stats()["by"].get("POST raw", 0) >= requests:
            process.send_signal(signal.SIGKILL)
            break
    return ended(process).code == -signal.SIGKILL


async def assert_moved_whole(streamer: Streamer) -> None:
    done = streamer("run", "--resume", *SMALL_REQUESTS)
    assert done.code == 0, done.said
    assert await differences(streamer.source, streamer.target, streamer.uuid) == []
    assert our_leftovers(streamer.target, streamer.uuid) == []


def rows_in_target(server: D1Server, uuid: str, table: str) -> int:
    return int(server.rows(uuid, f"SELECT count(*) FROM {quoted(table)}")[0][0])


async def test_a_run_killed_ten_times_at_random_moments_moves_every_row(
    streamer: Streamer,
) -> None:
    dice = random.Random()
    moments = [dice.randrange(1, 30) for _ in range(10)]
    print("killed after requests:", moments)

    kills = sum(killed_after(streamer, moment) for moment in moments)

    assert kills >= 5
    await assert_moved_whole(streamer)


async def test_the_checkpoint_is_never_ahead_of_the_target(streamer: Streamer) -> None:
    looked = 0
    for requests in (22, 26, 30):
        if not killed_after(streamer, requests):
            break
        saved = peek(streamer.checkpoint)
        assert saved is not None
        for step in saved.steps:
            target = str(step.document.get("target"))
            if step.kind == "rows" and step.rows and target not in {"chicken", "egg"}:
                held = rows_in_target(streamer.target, streamer.uuid, target)
                assert held >= step.rows, step.table
                looked += 1

    assert looked > 0
    await assert_moved_whole(streamer)


async def test_a_resume_sends_few_batches_again(streamer: Streamer) -> None:
    assert killed_after(streamer, 25)
    saved = peek(streamer.checkpoint)
    assert saved is not None
    before = sum(step.rows for step in saved.steps if step.kind == "rows")

    done = streamer("run", "--resume", *SMALL_REQUESTS)

    assert done.code == 0, done.said
    totals = streamer.report["totals"]
    assert totals["rows_written"] > before
    assert totals["requests"] < 25 + 4 * 3 + 110


async def test_fault_02_a_terminated_run_drains_and_says_how_to_go_on(streamer: Streamer) -> None:
    streamer.target.stats(reset=True)
    process = streamer.start("run", *SMALL_REQUESTS)
    while streamer.target.stats()["by"].get("POST raw", 0) < 12:
        assert process.poll() is None
    process.send_signal(signal.SIGTERM)

    stopped = ended(process)

    assert stopped.code == 75
    assert "--resume" in stopped.stderr
    assert streamer.report["status"] == "stopped"
    await assert_moved_whole(streamer)


async def test_fault_23_rows_changed_between_kill_and_resume_do_not_lose_others(
    streamer: Streamer,
) -> None:
    assert killed_after(streamer, 14)
    await streamer.source.execute(
        "DELETE FROM feather WHERE id % 1000 = 3;"
        "INSERT INTO feather VALUES (100000, 1), (-5, 2);"
        "UPDATE log SET line = 'changed' WHERE line = 'line 7';"
    )

    done = streamer("run", "--resume", *SMALL_REQUESTS)

    assert done.code in {0, 3}, done.said
    rows = streamer.target.rows(streamer.uuid, "SELECT count(*) FROM log WHERE line = 'changed'")
    assert rows == [[2]]
    left = await differences(streamer.source, streamer.target, streamer.uuid)
    assert all(line.startswith("public.feather:") for line in left), left

    repaired = streamer("validate", "--full", "--repair")

    assert repaired.code == 0, repaired.said
    assert await differences(streamer.source, streamer.target, streamer.uuid) == []


async def test_fault_20_two_runs_at_once_the_second_names_the_first(streamer: Streamer) -> None:
    streamer.target.stats(reset=True)
    streamer.target.set_faults({"match": "/raw", "delay_ms": 300, "times": 1000})
    process: subprocess.Popen[str] = streamer.start("run", *SMALL_REQUESTS)
    while not streamer.target.stats()["by"].get("POST raw", 0):
        assert process.poll() is None  # once it has sent a request, it holds its checkpoint

    seconds = [streamer("run", *more) for more in ((), ("--resume",), ("--restart",))]
    streamer.target.set_faults()
    first = ended(process)

    for second in seconds:
        assert second.code == 1, second.said
        assert f"in use by process {process.pid} on {socket.gethostname()}" in second.stderr
    assert first.code == 0, first.said
    assert await differences(streamer.source, streamer.target, streamer.uuid) == []
    assert our_leftovers(streamer.target, streamer.uuid) == []
