"""The report of a run, from its checkpoint and figures."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest

from checkpoints import RunRecord
from streamer.config import Config, RunSettings
from streamer.errors import ExitCode
from streamer.model import Answer, Consistency
from streamer.progress import Events
from streamer.run import steps
from streamer.run.journal import Journal
from streamer.run.reporting import add_validation, report, save_report
from streamer.run.states import RunState, Start
from tests.engines.catalogs import identified, plan_of
from tests.fakes.memory_checkpoint import MemoryCheckpoint, Place

FACTS = {
    "started_at": "2026-11-22T10:00:00+00:00",
    "source": {"database": "shop", "timeline": 1, "password": "canary"},
    "target": {"account": "acc", "database": "id-1"},
}
PLAN = plan_of(identified("one"), identified("two"))
TABLES = {str(table.name): table.target for table in PLAN.tables}


async def journal_read_in(snapshots: list[int]) -> Journal:
    """A journal of a run whose table `one` was read in these snapshots of three."""
    journal = Journal(await MemoryCheckpoint.open(Place()), None)
    one = steps.rows_step(PLAN.tables[0])
    start = Start({one: {"snapshots": snapshots}}, frozenset())
    await journal.begin(
        RunRecord("run-1", RunState.RUNNING, 1, FACTS), steps.named(PLAN.tables), start
    )
    for number in range(3):
        journal.see_snapshot({"lsn": f"0/{number}", "taken_at": "then", "visible": "not told"})
    return journal


def config(path: Path) -> Config:
    return Config(run=RunSettings(report=path, consistency=Consistency.ROLLING))


def moved() -> Events:
    """What a run tells of: six rows of `one` in two requests, one of them sent twice."""
    events = Events(lambda: 0.0)
    for attempts in (1, 2):
        for _ in range(attempts):
            events.sent(100)
        events.request_answered(["public.one"], Answer((), attempts=attempts))
        events.chunk_written("public.one", 3, 90)
    events.retried("rate limited", 1.0)
    events.warning("mind the gap")
    return events


async def test_a_report_tells_figures_snapshots_warnings_and_errors(tmp_path: Path) -> None:
    journal = await journal_read_in([0, 2])

    made = report(
        config(tmp_path), moved(), journal, TABLES, code=ExitCode.INCOMPLETE, errors=["an index"]
    ).to_json()

    assert (made["run_id"], made["status"]) == ("run-1", "incomplete")
    assert made["started_at"] == "2026-11-22T10:00:00Z"
    assert (made["warnings"], made["errors"]) == (["mind the gap"], ["an index"])
    one, two = made["tables"]
    assert (one["name"], one["rows_written"], one["requests"], one["retries"]) == (
        "public.one",
        6,
        3,
        1,
    )
    assert two["rows_written"] == 0
    assert (made["totals"]["requests"], made["totals"]["rate_limited"]) == (3, 1)
    assert made["consistency"]["mode"] == "rolling"
    assert [s["lsn"] for s in made["consistency"]["snapshots"]] == ["0/0", "0/1", "0/2"]
    assert made["consistency"]["tables_in_several_snapshots"] == ["public.one"]


async def test_a_report_holds_only_facts_that_may_be_known(tmp_path: Path) -> None:
    path = tmp_path / "report.json"

    save_report(
        config(path), moved(), await journal_read_in([]), PLAN, code=ExitCode.DONE, errors=[]
    )

    text = path.read_bytes()
    assert b"canary" not in text
    assert orjson.loads(text)["source"] == {"database": "shop", "timeline": 1}


async def test_a_report_that_can_not_be_written_is_a_warning_and_no_failure(tmp_path: Path) -> None:
    events = moved()

    save_report(
        config(tmp_path / "nowhere" / "report.json"),
        events,
        await journal_read_in([]),
        PLAN,
        code=ExitCode.DONE,
        errors=[],
    )

    assert "--report" in events.warnings[-1]
    assert events.report_lost


async def reported(tmp_path: Path, *, errors: Sequence[str] = ()) -> tuple[Config, Events]:
    """A run that is done, and its report."""
    settings, events = config(tmp_path / "report.json"), moved()
    journal = await journal_read_in([0])
    save_report(settings, events, journal, PLAN, code=ExitCode.DONE, errors=errors)
    return settings, events


def compared(status: str) -> Events:
    """What a validation tells of that came as far as a report."""
    events = Events(lambda: 0.0)
    events.validation = {"command": "validate", "run_id": "validation-1", "status": status}
    return events


def written(settings: Config) -> dict[str, Any]:
    return orjson.loads(settings.run.report.read_bytes())


async def test_the_report_of_a_run_takes_in_the_validation_and_how_both_ended(
    tmp_path: Path,
) -> None:
    settings, run = await reported(tmp_path)

    add_validation(settings, run, compared("incomplete"), code=ExitCode.INCOMPLETE)

    report = written(settings)
    assert (report["run_id"], report["status"]) == ("run-1", "incomplete")
    assert report["validation"]["run_id"] == "validation-1"


async def test_a_validation_that_ended_before_it_compared_takes_an_earlier_one_out(
    tmp_path: Path,
) -> None:
    settings, run = await reported(tmp_path, errors=["an index"])
    add_validation(settings, run, compared("done"), code=ExitCode.DONE)

    early = Events(lambda: 0.0)
    add_validation(settings, run, early, code=ExitCode.RESUMABLE, errors=["PostgreSQL is gone"])

    report = written(settings)
    assert "validation" not in report
    assert report["status"] == "stopped"
    assert report["errors"] == ["an index", "validation: PostgreSQL is gone"]


async def test_a_validation_that_succeeds_takes_back_what_an_earlier_one_said(
    tmp_path: Path,
) -> None:
    settings, run = await reported(tmp_path)
    failed = compared("failed")
    add_validation(settings, run, failed, code=ExitCode.FAILED, errors=["D1 is gone"])

    add_validation(settings, run, compared("done"), code=ExitCode.DONE)

    report = written(settings)
    assert (report["status"], report["errors"]) == ("done", [])
    assert report["validation"]["status"] == "done"


@pytest.mark.parametrize(
    "other", ['{"run_id": "run-0", "status": "done"}', '{"status": "done"}', "[1]", "no JSON"]
)
async def test_what_is_no_report_of_this_run_stays_as_it_is(tmp_path: Path, other: str) -> None:
    settings, run = await reported(tmp_path)
    settings.run.report.write_text(other)

    add_validation(settings, run, compared("done"), code=ExitCode.DONE)

    assert settings.run.report.read_text() == other


async def test_an_older_report_of_a_run_whose_newest_was_lost_stays_as_it_is(
    tmp_path: Path,
) -> None:
    settings, run = await reported(tmp_path)
    before = settings.run.report.read_bytes()
    run.report_lost = True

    add_validation(settings, run, compared("done"), code=ExitCode.DONE)

    assert settings.run.report.read_bytes() == before


async def test_a_report_that_can_not_take_the_validation_in_is_a_warning(tmp_path: Path) -> None:
    settings, run = await reported(tmp_path)
    before = settings.run.report.read_bytes()
    in_the_way = tmp_path / f".report.json.{os.getpid()}.tmp"
    in_the_way.mkdir()
    validation = compared("done")

    add_validation(settings, run, validation, code=ExitCode.DONE)

    assert "--report" in validation.warnings[-1]
    assert settings.run.report.read_bytes() == before
