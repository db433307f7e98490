"""`import streamer`, from a real PostgreSQL into a SQLite file."""

from __future__ import annotations

import asyncio
import logging
import os
import sqlite3
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import pytest

import streamer
from streamer.cli import main
from tests.engines.postgres import Database
from tests.engines.sqlite_file import PlainFile
from tests.stories.compare import differences

pytestmark = pytest.mark.postgres

EXAMPLE = Path(__file__).parents[2] / "examples" / "library.py"
NOTHING: dict[str, str] = {}


@pytest.fixture
def transfer(
    sample_source: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> streamer.Transfer:
    """From the sample database into a file of the working directory; with small requests."""
    monkeypatch.chdir(tmp_path)
    return streamer.Transfer(
        sample_source.dsn, "sqlite:shop.db", environ=NOTHING, batch_bytes=64_000
    )


@pytest.fixture
async def shop(database: Database) -> Database:
    """The demo's shop, small."""
    sql = files("streamer.demo").joinpath("sample.sql").read_text()
    for name in ("customers", "products", "orders", "page_views"):
        sql = sql.replace(f":{name}", "40")
    await database.execute(sql)
    return database


def test_the_example_moves_shows_compares_and_does_nothing_the_second_time(
    shop: Database, tmp_path: Path
) -> None:
    environment = {
        **{k: v for k, v in os.environ.items() if k in {"PATH", "LANG"}},
        "PYTHONPATH": str(Path.cwd()),
        "POSTGRES_DSN": shop.dsn,
    }

    runs = [
        subprocess.run(
            [sys.executable, str(EXAMPLE)],
            cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
        )
        for _ in range(2)
    ]  # fmt: skip

    for done in runs:
        assert done.returncode == 0, done.stdout + done.stderr
        assert "both sides hold the same rows" in done.stdout
        assert "public.customer: 40 rows in customer" in done.stdout
    with sqlite3.connect(tmp_path / "shop.db") as database:
        assert database.execute("SELECT DISTINCT name FROM customer").fetchall() == [("***",)]


async def test_plan_run_and_validate_return_what_the_commands_tell(
    transfer: streamer.Transfer, sample_source: Database, tmp_path: Path
) -> None:
    seen: list[streamer.View] = []

    plan = await asyncio.to_thread(transfer.plan)
    moved = await asyncio.to_thread(transfer.run, on_progress=seen.append)
    again = await asyncio.to_thread(transfer.run, resume=True)
    compared = await asyncio.to_thread(transfer.validate, full=True)

    assert not plan.refusals
    assert moved.status is streamer.Status.DONE
    assert {t.name for t in moved.tables} == {str(t.name) for t in plan.tables}
    assert sum(t.figures.rows_written for t in moved.tables) == seen[-1].rows > 8000
    assert again.run_id == moved.run_id
    assert [(t.name, t.target_name, t.figures.rows_written) for t in again.tables] == [
        (t.name, t.target_name, t.figures.rows_written) for t in moved.tables
    ]
    assert again.traffic.requests == moved.traffic.requests > 0
    assert all(verdict.equal for verdict in compared.tables)
    assert await differences(sample_source, PlainFile(tmp_path / "shop.db"), "") == []


def test_files_are_compared_with_the_databases_and_each_other(
    transfer: streamer.Transfer,
    sample_source: Database,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("POSTGRES_DSN", sample_source.dsn)
    assert [main([step, "-q"]) for step in ("export", "transform")] == [0, 0]
    transfer.run()

    compared = transfer.validate(
        full=True, export_dir="migration_data", transformed_dir=tmp_path / "d1_migration_data"
    )

    assert compared.status is streamer.Status.DONE
    assert {verdict.between for verdict in compared.tables} == {
        ("postgresql", "export"),
        ("export", "transformed"),
        ("transformed", "d1"),
    }


def test_a_run_is_stopped_from_its_progress_and_resumed(transfer: streamer.Transfer) -> None:
    with pytest.raises(streamer.InterruptedRunError) as stopped:
        transfer.run(on_progress=lambda _: transfer.stop())

    assert stopped.value.exit_code is streamer.ExitCode.RESUMABLE
    assert transfer.run(resume=True).status is streamer.Status.DONE


def test_what_the_progress_raises_ends_the_run_and_it_is_resumed(
    transfer: streamer.Transfer,
) -> None:
    class OwnError(Exception):
        pass

    def refuse(_view: streamer.View) -> None:
        raise OwnError

    with pytest.raises(OwnError):
        transfer.run(on_progress=refuse)

    assert transfer.run(resume=True).status is streamer.Status.DONE


async def test_within_a_running_loop_it_says_what_to_do(transfer: streamer.Transfer) -> None:
    with pytest.raises(RuntimeError, match="to_thread"):
        transfer.plan()


def test_how_many_rows_are_to_come_is_told_of_tables_that_were_never_analysed(
    shop: Database,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.chdir(tmp_path)

    with caplog.at_level(logging.INFO, "streamer"):
        streamer.Transfer(shop.dsn, "sqlite:shop.db", environ=NOTHING).run()

    started = [text for text in caplog.messages if ": started, " in text]
    assert len(started) > 5
    assert [text for text in started if ": started, about " not in text] == []
