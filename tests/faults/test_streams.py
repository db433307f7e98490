"""Where a command's words go: nowhere, to a full disk, to somebody who left, to no terminal."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.engines.postgres import Database
from tests.engines.workerd import Workerd
from tests.stories.command import Streamer

ROWS = 200
FULL = "/dev/full"

pytestmark = [
    pytest.mark.postgres,
    pytest.mark.workerd,
    pytest.mark.processes,
    pytest.mark.skipif(not Path(FULL).exists(), reason="Linux has a disk that is always full"),
]


@pytest.fixture
async def streamer(
    database: Database, workerd_d1: Workerd, tmp_path: Path
) -> AsyncIterator[Streamer]:
    await database.execute(
        "CREATE TABLE t (id int PRIMARY KEY, name text);"
        f"INSERT INTO t SELECT n, 'name ' || n FROM generate_series(1, {ROWS}) AS n"
    )
    uuid = workerd_d1.create(database.name)
    yield Streamer(tmp_path, database, workerd_d1, uuid)
    workerd_d1.delete(uuid)


def through_a_shell(streamer: Streamer, streams: str, *options: str) -> int:
    """The exit code of `run` with its streams as the shell's `streams` have them."""
    command = f'exec "$0" -m streamer run "$@" {streams}'
    done = subprocess.run(
        ["/bin/sh", "-c", command, sys.executable, "--log-file", "run.log", *options],
        cwd=streamer.folder,
        env=streamer.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,  # no terminal, whoever runs the tests
        timeout=100,  # never hangs
        check=False,
    )
    return done.returncode


@pytest.mark.parametrize(
    ("streams", "code"),
    [
        (">&- 2>&-", 0),
        ("<&- >&- 2>&-", 0),
        (">/dev/full", 1),
        ("2>/dev/full", 0),
        (">/dev/null 2>/dev/full </dev/full", 0),
        ("2>&1 | true", 0),
    ],
)
def test_fault_28_whatever_becomes_of_the_words_the_rows_are_moved_and_nothing_hangs(
    streamer: Streamer, streams: str, code: int
) -> None:
    assert through_a_shell(streamer, streams) == code

    assert streamer.target.rows(streamer.uuid, "SELECT count(*) FROM t") == [[ROWS]]
    assert streamer.report["status"] == "done"
    # Only the summary was lost, if anything: a resume has nothing to do.
    assert through_a_shell(streamer, "", "--resume") == 0


def test_fault_28_a_log_on_a_full_disk_is_given_up_and_the_work_goes_on(
    streamer: Streamer,
) -> None:
    assert through_a_shell(streamer, "", "--log-file", FULL) == 0

    assert streamer.target.rows(streamer.uuid, "SELECT count(*) FROM t") == [[ROWS]]
    assert streamer.report["status"] == "done"


def test_fault_28_a_summary_that_has_no_room_either_is_all_that_is_lost(
    streamer: Streamer,
) -> None:
    assert through_a_shell(streamer, f">{FULL}", "--log-file", FULL) == 1

    assert streamer.target.rows(streamer.uuid, "SELECT count(*) FROM t") == [[ROWS]]
    assert streamer.report["status"] == "done"
    assert through_a_shell(streamer, "", "--resume", "--log-file", FULL) == 0


def test_a_log_that_is_a_link_is_refused_before_anything_is_touched(streamer: Streamer) -> None:
    (streamer.folder / "link").symlink_to(streamer.folder / "elsewhere")

    assert through_a_shell(streamer, "", "--log-file", "link") == 2

    assert [path.name for path in streamer.folder.iterdir()] == ["link"]


@pytest.mark.parametrize(
    ("alone", "code"), [(True, 0), (False, 1)], ids=["stderr", "stdout-and-stderr"]
)
def test_fault_28_a_terminal_that_goes_away_does_not_hold_the_run(
    streamer: Streamer, *, alone: bool, code: int
) -> None:
    ours, theirs = os.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "streamer", "run", "--progress", "rich"],
        cwd=streamer.folder,
        env={**streamer.environment, "TERM": "xterm"},
        stdin=theirs,
        stdout=subprocess.DEVNULL if alone else theirs,
        stderr=theirs,
    )
    os.close(theirs)
    os.close(ours)

    assert process.wait(timeout=100) == code

    assert streamer.target.rows(streamer.uuid, "SELECT count(*) FROM t") == [[ROWS]]
    assert streamer.report["status"] == "done"
    # Only the summary was lost, if anything: a resume has nothing to do.
    resumed = streamer("run", "--resume")
    assert resumed.code == 0, resumed.said
