"""Secrets that would be noticed anywhere: no command shows them, whatever goes wrong."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from urllib.parse import quote

import aiohttp
import pytest
from aiohttp import web

from streamer.cli.commands import COMMANDS
from tests.engines.postgres import Database
from tests.engines.trace_collector import collecting
from tests.engines.workerd import Workerd
from tests.faults.between import Between, Forward, Request
from tests.stories.command import Streamer
from tests.stories.trial import CANARY, SECRETS, Trial

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


def free_port() -> int:
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        return int(place.getsockname()[1])


async def test_nothing_that_is_shown_of_a_run_elsewhere_holds_a_secret_or_a_row(
    trial: Trial, between: Between
) -> None:
    assert trial.run("plan", "--write-config", "streamer.toml").code == 0
    await trial.source.execute(
        "INSERT INTO customer VALUES (99, repeat('precious ', 300000)); ANALYZE customer"
    )
    port, shown = free_port(), dict[str, bytes]()

    async def deal(request: Request, forward: Forward) -> web.Response:
        if request.number == 5:
            async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as browser:
                for path in ("/", "/status.json", "/metrics"):
                    async with browser.get(path) as page:
                        shown[path] = await page.read()
        return await forward()

    between.deal = deal
    options = ("--metrics-port", str(port), "--on-error", "reject", "-v")
    trial.streamer.overrides["CLOUDFLARE_API_BASE_URL"] = between.base_url
    with collecting() as collector:
        exported = {**LOUD, "OTEL_EXPORTER_OTLP_ENDPOINT": collector.address}
        done = await asyncio.to_thread(partial(trial.run, "run", *options, **exported))
    assert done.code == 3, done.said
    assert trial.run("report", "run_report.json").code == 0
    shown["traces"] = b"".join(collector.bodies)
    shown |= {
        name: (trial.streamer.folder / name).read_bytes()
        for name in ("run_report.html", "streamer.toml")
    }

    assert all(shown.values())
    assert b"customer" in shown["traces"]
    assert b"customer" in shown["run_report.html"]
    secrets = [secret.encode() for secret in (*SECRETS, "precious")]
    assert [name for name, content in shown.items() if any(s in content for s in secrets)] == []


@pytest.mark.parametrize("debug", ["", "1"])
def test_a_fault_of_ours_shows_no_secret_and_its_text_only_where_that_is_asked_for(
    trial: Trial, debug: str
) -> None:
    streamer = trial.streamer
    streamer.program = ("tests.stories.crashing",)
    streamer.overrides |= {**LOUD, "STREAMER_DEBUG": debug}

    done = streamer("run", "-v")

    assert done.code == 1
    assert "internal error (RuntimeError)" in done.stderr
    assert ("Traceback" in done.stderr) is ("precious" in done.stderr) is bool(debug)
    assert [secret for secret in SECRETS if secret in done.said + trial.written] == []
