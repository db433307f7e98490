"""Secrets that would be noticed anywhere: no command shows them, whatever goes wrong."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote

import pytest

from streamer.cli.commands import COMMANDS
from tests.engines.postgres import Database
from tests.engines.workerd import Workerd
from tests.stories.command import Streamer
from tests.stories.trial import CANARY, Trial

ASKING = sorted(name for name, command in COMMANDS.items() if command.source or command.target)
LOUD = {"STREAMER_DEBUG": "1", "STREAMER_LOG_FORMAT": "json", "STREAMER_LOG_FILE": "run.log"}

pytestmark = [pytest.mark.postgres, pytest.mark.workerd, pytest.mark.processes]


@pytest.fixture
async def trial(database: Database, workerd_d1: Workerd, tmp_path: Path) -> AsyncIterator[Trial]:
    await database.execute(
        "CREATE TABLE customer (id int PRIMARY KEY, name text);"
        "INSERT INTO customer SELECT n, 'precious ' || n FROM generate_series(1, 30) AS n"
    )
    uuid = workerd_d1.create(database.name)
    yield Trial(Streamer(tmp_path, database, workerd_d1, uuid))
    workerd_d1.delete(uuid)


def test_no_command_shows_a_password_that_is_refused(trial: Trial) -> None:
    source = trial.source
    dsn = f"postgresql://postgres:{quote(CANARY)}@{source.host}:{source.port}/{source.name}"
    for command in ASKING:
        if COMMANDS[command].source:
            assert trial.run(command, POSTGRES_DSN=dsn, **LOUD).code in {1, 2}, command


def test_no_command_shows_a_token_that_is_refused(trial: Trial) -> None:
    for command in ASKING:
        if COMMANDS[command].target:
            done = trial.run(command, CLOUDFLARE_API_TOKEN=CANARY, **LOUD)
            assert done.code in {1, 2}, command


def test_a_whole_run_leaves_private_files_without_secrets_and_rows(trial: Trial) -> None:
    before = os.umask(0)
    try:
        assert trial.run("run", **LOUD).code == 0
        assert trial.run("status", **LOUD).code == 0
    finally:
        os.umask(before)

    modes = {
        path.relative_to(trial.streamer.folder): path.stat().st_mode & 0o777
        for path in trial.streamer.folder.rglob("*")
    }
    assert len(modes) > 3
    assert {path: oct(mode) for path, mode in modes.items() if mode & 0o077} == {}


@pytest.mark.parametrize("name", ["run_report.json", "run.log", "streamer.checkpoint.db"])
def test_a_link_planted_in_place_of_a_file_is_not_followed(trial: Trial, name: str) -> None:
    victim = trial.streamer.folder / "victim"
    victim.write_text("as it was")
    (trial.streamer.folder / name).symlink_to(victim)

    trial.run("run", **LOUD)

    assert victim.read_text() == "as it was"
