"""The report of a run, from its checkpoint and figures."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from streamer.config import Config
from streamer.errors import ExitCode, StreamerError
from streamer.model import Plan, TablePlan
from streamer.progress import (
    Events,
    RunReport,
    SnapshotReport,
    Status,
    TableReport,
    Tally,
    write_report,
)
from streamer.run import steps
from streamer.run.journal import Journal
from streamer.run.recorded import members


def save_report(
    config: Config,
    events: Events,
    journal: Journal,
    plan: Plan,
    *,
    code: ExitCode,
    errors: Sequence[str],
) -> None:
    """Write the run's report; a report that can't be written is a warning, not a failed run."""
    document = report(config, events, journal, plan, code=code, errors=errors).to_json()
    try:
        write_report(config.run.report, document)
    except StreamerError as error:
        events.warning(str(error))
        events.report_lost = True


def take_over_figures(journal: Journal, tables: Sequence[TablePlan], events: Events) -> None:
    """Go on counting where the checkpoint's figures end."""
    recorded = {
        str(table.name): journal.steps[steps.rows_step(table)].document.get("tally")
        for table in tables
    }
    events.tally = Tally.from_json(journal.running.document.get("tally"), recorded)
    for table in tables:
        at = journal.position(steps.rows_step(table))
        # Rows of which D1 refused a reference alone: they are there, without it.
        second = steps.edges_step(table)
        edges = journal.position(second).rejected if second in journal.steps else 0
        events.tally.settle(
            str(table.name),
            rows_written=at.rows - edges,
            rows_rejected=at.rejected + edges,
            rows_skipped=at.skipped,
            bytes_sent=at.bytes,
        )


def add_validation(run_report: Path, validation_report: Path) -> None:
    """Put the report of a validation into that of the run that it was about, in one step.

    A report that isn't there, or can't be read, leaves the other as it is.

    Raises:
        StreamerError: the run's report can't be written.
    """
    try:
        document = json.loads(run_report.read_bytes())
        validation = json.loads(validation_report.read_bytes())
    except (OSError, ValueError):
        return
    document["validation"] = validation
    if document["status"] == Status.DONE.value:
        document["status"] = validation["status"]
    document["ended_at"] = validation["ended_at"]
    write_report(run_report, document)


def report(
    config: Config,
    events: Events,
    journal: Journal,
    plan: Plan,
    *,
    code: ExitCode,
    errors: Sequence[str],
) -> RunReport:
    """What there is to report now."""
    events.recorded()
    run = journal.running
    return RunReport(
        tool_version=version("d1-streamer"),
        run_id=run.run_id,
        command=str(run.document.get("command", "run")),
        status=Status.of(code),
        started_at=datetime.fromisoformat(str(run.document.get("started_at"))),
        ended_at=datetime.now(UTC),
        source=members(run.document.get("source")),
        target=members(run.document.get("target")),
        tables=[
            TableReport(
                name=str(table.name),
                target_name=table.target,
                figures=events.tally.of(str(table.name)),
                snapshots=tuple(sorted(journal.snapshots_of(steps.rows_step(table)))),
            )
            for table in plan.tables
        ],
        traffic=events.tally.traffic,
        consistency=config.run.consistency,
        snapshots=[
            SnapshotReport(number, str(taken.get("lsn", "")), str(taken.get("taken_at", "")))
            for number, taken in enumerate(journal.snapshots)
        ],
        warnings=events.warnings,
        timeline=events.history.samples,
        answers=events.latencies,
        errors=errors,
    )
