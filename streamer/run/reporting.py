"""The report of a run, from its checkpoint and figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import orjson

from streamer.config import Config
from streamer.errors import ExitCode, StreamerError
from streamer.model import Plan
from streamer.progress import (
    Events,
    RunReport,
    SnapshotReport,
    Status,
    TableReport,
    Tally,
    utc,
    write_report,
)
from streamer.run.journal import Journal
from streamer.run.recorded import items, members
from streamer.run.states import StepName, Work
from streamer.version import VERSION


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
    tables = {str(table.name): table.target for table in plan.tables}
    events.report = report(config, events, journal, tables, code=code, errors=errors)
    try:
        write_report(config.run.report, events.report.to_json())
    except StreamerError as error:
        events.warning(str(error))
        events.report_lost = True


def recall_report(config: Config, events: Events, journal: Journal) -> None:
    """Report once more, to the caller alone, the run that is finished in the checkpoint."""
    facts = journal.running.document
    tables = {
        name.table: str(step.document.get("target", ""))
        for name, step in journal.steps.items()
        if name.work is Work.ROWS
    }
    past = Events(lambda: 0.0)  # those of this process stay as they are: it did nothing
    take_over_figures(journal, [*tables], past)
    code = ExitCode(int(str(facts.get("exit_code", 0))))
    errors = [str(error) for error in items(facts.get("errors"))]
    recalled = report(config, past, journal, tables, code=code, errors=errors)
    ended_at = datetime.fromisoformat(str(facts.get("ended_at", utc(recalled.ended_at))))
    events.report = replace(recalled, ended_at=ended_at)


def report_nothing(events: Events, ends_with: ExitCode, errors: Sequence[str]) -> None:
    """Report, to the caller alone, that there was no table to move."""
    now = datetime.now(UTC)
    events.report = RunReport(
        tool_version=VERSION,
        run_id="",
        status=Status.of(ends_with),
        started_at=now,
        ended_at=now,
        source={},
        target={},
        tables=(),
        traffic=events.tally.traffic,
        warnings=events.warnings,
        errors=errors,
    )


def take_over_figures(journal: Journal, tables: Sequence[str], events: Events) -> None:
    """Go on counting where the checkpoint's figures of `tables` (source names) end."""
    recorded = {
        table: journal.steps[StepName(table, Work.ROWS)].document.get("tally") for table in tables
    }
    events.tally = Tally.from_json(journal.running.document.get("tally"), recorded)
    settle_rows(journal, tables, events)


def settle_rows(journal: Journal, tables: Sequence[str], events: Events) -> None:
    """Have the figures say of the rows of `tables` (source names) what the checkpoint says."""
    for table in tables:
        at = journal.position(StepName(table, Work.ROWS))
        # Rows of which D1 refused a reference alone: they are there, without it.
        second = StepName(table, Work.EDGES)
        edges = journal.position(second).rejected if second in journal.steps else 0
        events.tally.settle(
            table,
            rows_written=at.rows - edges,
            rows_rejected=at.rejected + edges,
            rows_skipped=at.skipped,
            bytes_sent=at.bytes,
        )


def add_validation(
    config: Config,
    run: Events,
    validation: Events,
    *,
    code: ExitCode,
    errors: Sequence[str] = (),
) -> None:
    """Put what came of the `validation` after a `run` into the run's report, in one step.

    `code` is how both end together, `errors` says what ended the validation early. What an earlier
    validation of the same run left there goes. A report that isn't of this run stays as it is; one
    that can't be written is a warning.
    """
    path, of_run = config.run.report, run.report
    document = None if run.report_lost or of_run is None else _report_of(of_run.run_id, path)
    if of_run is None or document is None:
        return
    document.pop("validation", None)
    if validation.validation is not None:
        document["validation"] = validation.validation
    document["status"] = Status.of(code).value
    document["ended_at"] = utc(datetime.now(UTC))
    document["errors"] = [*of_run.errors, *(f"validation: {error}" for error in errors)]
    try:
        write_report(path, document)
    except StreamerError as error:
        validation.warning(str(error))


def _report_of(run_id: str, path: Path) -> dict[str, object] | None:
    """The report at `path`; None where it isn't one of that run."""
    try:
        found: object = orjson.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    if not isinstance(found, dict):
        return None
    document = cast("dict[str, object]", found)
    return document if document.get("run_id") == run_id else None


def report(
    config: Config,
    events: Events,
    journal: Journal,
    tables: Mapping[str, str],
    *,
    code: ExitCode,
    errors: Sequence[str],
) -> RunReport:
    """What there is to report now of `tables`, target names by source names."""
    events.recorded()
    run = journal.running
    return RunReport(
        tool_version=VERSION,
        run_id=run.run_id,
        command=str(run.document.get("command", "run")),
        status=Status.of(code),
        started_at=datetime.fromisoformat(str(run.document.get("started_at"))),
        ended_at=datetime.now(UTC),
        source=members(run.document.get("source")),
        target=members(run.document.get("target")),
        tables=[
            TableReport(
                name=name,
                target_name=target,
                figures=events.tally.of(name),
                snapshots=tuple(sorted(journal.snapshots_of(StepName(name, Work.ROWS)))),
            )
            for name, target in tables.items()
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
