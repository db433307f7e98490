"""`streamer rollback`: afterwards the target is what it was before the run, whatever happened."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from streamer.config import resolve
from streamer.errors import InterruptedRunError
from streamer.progress import Events
from streamer.rollback import Choices, Method, roll_back
from tests.engines.d1server import D1Server
from tests.engines.postgres import Database
from tests.engines.sqlite_file import PlainFile
from tests.stories.asked import asking
from tests.stories.command import Outcome, Streamer, ended
from tests.stories.reports import read_report

pytestmark = [pytest.mark.postgres, pytest.mark.workerd, pytest.mark.processes]

SMALL_REQUESTS = ("--batch-bytes", "64000", "--concurrency", "3", "--progress", "none")
# A table that is none of the run's; and two of the run's tables, empty, with marks of their own.
BEFORE = (
    "CREATE TABLE visitor (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT)",
    "INSERT INTO visitor (name) VALUES ('a'), ('b')",
    "CREATE INDEX visitor_name ON visitor (name)",
    "CREATE TABLE setting (name TEXT NOT NULL, value TEXT)",
    "CREATE INDEX setting_mine ON setting (value)",
    "CREATE TABLE store (id INTEGER PRIMARY KEY AUTOINCREMENT, manager INTEGER, city TEXT)",
    "INSERT INTO store VALUES (7, NULL, '')",
    "DELETE FROM store",
)

Content = dict[str, Any]


def content(target: D1Server | PlainFile, uuid: str) -> Content:
    """Everything that a database holds: schema, rows, counters; not the engine's own."""
    ours = "name NOT LIKE '\\_cf\\_%' ESCAPE '\\' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
    objects = target.rows(
        uuid, f"SELECT type, name, sql FROM sqlite_schema WHERE {ours} ORDER BY 2"
    )
    held: Content = {"": objects}
    for kind, name, _ in objects:
        if kind == "table":
            columns = target.rows(uuid, f"SELECT name FROM pragma_table_info({_text(name)})")
            row = ", ".join(f"quote({_name(column)})" for (column,) in columns)
            held[name] = sorted(target.rows(uuid, f"SELECT {row} FROM {_name(name)}"))
    if target.rows(uuid, "SELECT 1 FROM sqlite_schema WHERE name = 'sqlite_sequence'"):
        held["counters"] = sorted(target.rows(uuid, "SELECT name, seq FROM sqlite_sequence"))
    return held


def _name(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _text(name: str) -> str:
    return "'" + name.replace("'", "''") + "'"


def put(streamer: Streamer, *statements: str) -> None:
    """Run statements in the target."""
    for statement in statements:
        streamer.target.rows(streamer.uuid, statement)


@contextmanager
def command_into(
    kind: str, request: pytest.FixtureRequest, source: Database, folder: Path
) -> Iterator[Streamer]:
    """The command, from the sample database into a target that isn't empty."""
    if kind == "file":
        command = Streamer(folder, source, PlainFile(folder / "shop.db"), "")
        put(command, *BEFORE)
        yield command
        return
    server: D1Server = request.getfixturevalue(kind)
    uuid = server.create(folder.name)
    command = Streamer(folder, source, server, uuid)
    put(command, *BEFORE)
    yield command
    server.delete(uuid)


@pytest.fixture(params=["workerd_d1", "local_d1", "file"])
def anywhere(
    request: pytest.FixtureRequest, sample_source: Database, tmp_path: Path
) -> Iterator[Streamer]:
    """The command with each kind of target."""
    with command_into(request.param, request, sample_source, tmp_path) as command:
        yield command


@pytest.fixture
def streamer(
    request: pytest.FixtureRequest, sample_source: Database, tmp_path: Path
) -> Iterator[Streamer]:
    """The command with the local D1, which knows Time Travel."""
    with command_into("local_d1", request, sample_source, tmp_path) as command:
        yield command


def held(streamer: Streamer) -> Content:
    return content(streamer.target, streamer.uuid)


def report(streamer: Streamer) -> dict[str, Any]:
    return read_report(streamer.folder / "rollback_report.json")


def rolled_back(streamer: Streamer, *options: str) -> Outcome:
    done = streamer("rollback", "--yes", *options)
    assert done.code == 0, done.said
    return done


def test_a_whole_run_leaves_nothing(anywhere: Streamer) -> None:
    before = held(anywhere)
    assert anywhere("run", *SMALL_REQUESTS).code == 0
    assert held(anywhere) != before

    said = rolled_back(anywhere).stdout

    assert held(anywhere) == before
    assert "drop the table customer, 2,000 rows" in said
    assert "empty the table setting, 300 rows" in said
    actions = {table["target_name"]: table["action"] for table in report(anywhere)["tables"]}
    assert (actions["customer"], actions["setting"]) == ("dropped", "emptied")
    assert report(anywhere)["totals"]["rows_deleted"] == 8_756


def test_looking_only_changes_nothing(streamer: Streamer) -> None:
    assert streamer("run", *SMALL_REQUESTS).code == 0
    after = held(streamer)
    checkpoint = streamer.checkpoint.read_bytes()

    looked = streamer("rollback", "--dry-run")

    assert looked.code == 0
    assert "drop the table customer, 2,000 rows" in looked.stdout
    assert held(streamer) == after
    assert streamer.checkpoint.read_bytes() == checkpoint


def test_without_a_terminal_nothing_is_done_unless_told(streamer: Streamer) -> None:
    assert streamer("run", *SMALL_REQUESTS).code == 0
    after = held(streamer)

    refused = streamer("rollback")

    assert refused.code == 2
    assert "--yes" in refused.stderr
    assert held(streamer) == after


def killed(streamer: Streamer, requests: int, *arguments: str) -> bool:
    """Kill a command at one of its requests; False if it ended before."""
    if isinstance(streamer.target, PlainFile):
        dying = Streamer(
            streamer.folder,
            streamer.source,
            streamer.target,
            "",
            program=("tests.stories.killed", str(requests), "after"),
        )
        return dying(*arguments).code == -signal.SIGKILL
    streamer.target.stats(reset=True)
    process = streamer.start(*arguments)
    while process.poll() is None:
        if streamer.target.stats()["by"].get("POST raw", 0) >= requests:
            process.send_signal(signal.SIGKILL)
            break
    return ended(process).code == -signal.SIGKILL


def test_a_run_that_was_killed_at_any_moment_leaves_nothing(anywhere: Streamer) -> None:
    before = held(anywhere)
    moments = random.Random().sample(range(6, 36), 3)
    print("killed after requests:", moments)

    for moment in moments:
        killed(anywhere, moment, "run", "--restart", *SMALL_REQUESTS)
        done = anywhere("rollback", "--yes")

        assert done.code == 0 or "no run is recorded" in done.stderr, done.said
        assert held(anywhere) == before


def test_a_rollback_that_is_killed_goes_on_when_it_is_called_again(anywhere: Streamer) -> None:
    before = held(anywhere)
    assert anywhere("run", *SMALL_REQUESTS).code == 0

    kills = sum(killed(anywhere, moment, "rollback", "--yes") for moment in (9, 11, 14, 12))
    refused = anywhere("run", "--resume")
    rolled_back(anywhere)

    assert kills >= 2
    assert refused.code == 2
    assert "being taken back" in refused.stderr
    assert held(anywhere) == before


def test_what_was_taken_back_is_not_resumed_but_begun_anew(streamer: Streamer) -> None:
    assert streamer("run", *SMALL_REQUESTS).code == 0
    first = held(streamer)
    rolled_back(streamer)

    again = streamer("rollback", "--yes")
    status = streamer("status", "--json")
    resumed = streamer("run", "--resume", *SMALL_REQUESTS)

    assert (again.code, "taken back before" in again.stderr) == (0, True)
    assert (json.loads(status.stdout)["state"], json.loads(status.stdout)["resumable"]) == (
        "taken back",
        False,
    )
    assert resumed.code == 0
    assert "a new one starts" in resumed.stderr
    assert held(streamer) == first


def test_rows_of_others_are_not_taken_away_unless_told(streamer: Streamer) -> None:
    before = held(streamer)
    assert streamer("run", *SMALL_REQUESTS).code == 0
    put(streamer, "INSERT INTO country VALUES ('XX', 'elsewhere')")
    after = held(streamer)

    refused = streamer("rollback", "--yes")

    assert refused.code == 2
    assert "country holds 4 rows, the run wrote 3" in refused.stderr
    assert held(streamer) == after
    rolled_back(streamer, "--force")
    assert held(streamer) == before


def test_a_table_that_needs_one_of_the_runs_is_not_orphaned(streamer: Streamer) -> None:
    assert streamer("run", *SMALL_REQUESTS).code == 0
    put(streamer, "CREATE TABLE mine (id INTEGER PRIMARY KEY, c TEXT REFERENCES country (code))")

    refused = streamer("rollback", "--yes", "--force")

    assert refused.code == 2
    assert "country: mine, which isn't of this run, refers to it" in refused.stderr


@pytest.mark.parametrize("if_exists", ["upsert", "replace"])
def test_rows_that_were_there_before_can_only_come_back_by_time_travel(
    streamer: Streamer, if_exists: str
) -> None:
    put(streamer, "INSERT INTO setting VALUES ('name 1', 'mine'), ('other', 'too')")
    before = held(streamer)
    made = streamer("run", "--if-exists", if_exists, "--exclude", "log", *SMALL_REQUESTS)
    assert made.code == 0, made.said

    refused = streamer("rollback", "--yes")

    assert refused.code == 2
    assert "setting held rows before the run" in refused.stderr
    assert "--method time-travel" in refused.stderr
    travelled = streamer("rollback", "--yes", "--method", "time-travel")
    assert travelled.code == 0, travelled.said
    assert held(streamer) == before
    assert report(streamer)["method"] == "time-travel"


def test_a_target_without_time_travel_says_so(sample_source: Database, tmp_path: Path) -> None:
    streamer = Streamer(tmp_path, sample_source, PlainFile(tmp_path / "shop.db"), "")
    assert streamer("run", *SMALL_REQUESTS).code == 0
    after = held(streamer)

    refused = streamer("rollback", "--yes", "--method", "time-travel")

    assert refused.code == 2
    assert "no Time Travel" in refused.stderr
    assert held(streamer) == after


def test_another_runs_tables_are_left_alone(streamer: Streamer) -> None:
    assert streamer("run", *SMALL_REQUESTS).code == 0
    other = Streamer(streamer.folder / "b", streamer.source, streamer.target, streamer.uuid)
    other.folder.mkdir()
    options = ("--if-exists", "replace", *SMALL_REQUESTS)
    assert killed(other, 12, "run", *options)
    after = held(streamer)

    refused = streamer("rollback", "--yes", "--force")

    assert refused.code == 2
    assert "another run writes to it now" in refused.stderr
    assert held(streamer) == after


@pytest.mark.parametrize(("answer", "done"), [(b"yes\n", True), (b"no\n", False), (b"\n", False)])
def test_on_a_terminal_it_asks(
    sample_source: Database, tmp_path: Path, answer: bytes, *, done: bool
) -> None:
    streamer = Streamer(tmp_path, sample_source, PlainFile(tmp_path / "shop.db"), "")
    put(streamer, *BEFORE)
    before = held(streamer)
    assert streamer("run", *SMALL_REQUESTS).code == 0
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "streamer", "rollback", "--progress", "none"],
        cwd=streamer.folder,
        env=streamer.environment,
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.write(ours, answer)
    outcome = ended(process)
    os.close(ours)
    os.close(theirs)

    assert outcome.code == 0, outcome.said
    assert "Type yes" in outcome.stderr
    assert (held(streamer) == before) is done


@pytest.mark.parametrize("method", Method)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_fault_02_a_signal_while_a_rollback_asks_ends_it_without_an_answer(
    streamer: Streamer, method: Method, number: signal.Signals
) -> None:
    assert streamer("run", *SMALL_REQUESTS).code == 0
    after, checkpoint = held(streamer), streamer.checkpoint.read_bytes()

    async with asking(
        streamer, "rollback", "--method", method.value, "--progress", "none"
    ) as rollback:
        await rollback.question()
        rollback.process.send_signal(number)
        stopped = await rollback.ended()

    assert stopped.code == 75, stopped.said
    assert "nothing was touched" in stopped.stderr
    assert held(streamer) == after
    assert streamer.checkpoint.read_bytes() == checkpoint
    assert not (streamer.folder / "rollback_report.json").exists()


@pytest.mark.parametrize("method", Method)
@pytest.mark.parametrize("is_early", [True, False], ids=["before the question", "with the answer"])
async def test_a_rollback_that_is_stopped_obeys_no_answer(
    streamer: Streamer, monkeypatch: pytest.MonkeyPatch, method: Method, *, is_early: bool
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", streamer.environment["XDG_STATE_HOME"])
    assert streamer("run", *SMALL_REQUESTS).code == 0
    after, checkpoint = held(streamer), streamer.checkpoint.read_bytes()
    config = resolve(
        {"checkpoint": str(streamer.checkpoint)}, streamer.environment, target=True, job=True
    )
    choices = Choices(method, report=streamer.folder / "rollback_report.json")
    stop = asyncio.Event()
    asked: list[str] = []

    async def agree(lines: list[str]) -> bool:
        asked.extend(lines)
        stop.set()
        return True

    if is_early:
        stop.set()
    with pytest.raises(InterruptedRunError, match="nothing was touched"):
        await roll_back(config, choices, Events(time.monotonic), stop, agree)

    assert bool(asked) is not is_early
    assert held(streamer) == after
    assert streamer.checkpoint.read_bytes() == checkpoint
    assert not choices.report.exists()


def test_where_no_run_is_recorded_no_checkpoint_is_made(
    sample_source: Database, tmp_path: Path
) -> None:
    streamer = Streamer(tmp_path, sample_source, PlainFile(tmp_path / "shop.db"), "")

    refused = streamer("rollback", "--yes")

    assert refused.code == 2
    assert "no run is recorded" in refused.stderr
    assert [*tmp_path.iterdir()] == []
