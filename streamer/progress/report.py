"""The report of a run, `run_report.json`: built here, described by run_report.schema.json."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

import orjson

from streamer.errors import ExitCode
from streamer.frozen import frozen
from streamer.limits import USD_PER_MILLION_WRITTEN
from streamer.model import Consistency
from streamer.progress.history import LATENCY_BOUNDS_S, Latencies, Sample
from streamer.progress.tally import Figures, Traffic
from streamer.progress.whole import write_whole

FORMAT_VERSION = 1
SOURCE_FACTS = (
    "system_identifier",
    "timeline",
    "database",
    "server_version",
    "encoding",
    "is_standby",
)
TARGET_FACTS = ("kind", "account", "database", "database_name")


class Status(StrEnum):
    """How a command ended, in a word; each belongs to one exit code."""

    DONE = "done"
    FAILED = "failed"
    INCOMPLETE = "incomplete"
    STOPPED = "stopped"

    @classmethod
    def of(cls, code: ExitCode) -> Status:
        """The status of a command that exits with `code`."""
        match code:
            case ExitCode.DONE:
                return cls.DONE
            case ExitCode.INCOMPLETE:
                return cls.INCOMPLETE
            case ExitCode.RESUMABLE:
                return cls.STOPPED
            case ExitCode.FAILED | ExitCode.USAGE:
                return cls.FAILED


@frozen
class TableReport:
    """One table: its source name, target name, figures, and the snapshots it was read in."""

    name: str
    target_name: str
    figures: Figures
    snapshots: tuple[int, ...] = ()


@frozen
class SnapshotReport:
    """One moment of the source: its number in this run, its LSN, and when it was taken (UTC)."""

    number: int
    lsn: str = ""
    taken_at: str = ""


@frozen
class RunReport:
    """What a report says.

    `source` and `target` hold what the checkpoint says of them; only the facts named in
    SOURCE_FACTS and TARGET_FACTS are reported, so that no credential can slip in. `traffic` is
    what the run took in all. The times carry a zone. `timeline` and `answers` are of the last start.
    """

    tool_version: str
    run_id: str
    status: Status
    started_at: datetime
    ended_at: datetime
    source: Mapping[str, object]
    target: Mapping[str, object]
    tables: Sequence[TableReport]
    traffic: Traffic
    command: str = "run"
    consistency: Consistency = Consistency.SNAPSHOT
    snapshots: Sequence[SnapshotReport] = ()
    warnings: Sequence[str] = ()
    errors: Sequence[str] = ()
    timeline: Sequence[Sample] = ()
    answers: Latencies = field(default_factory=Latencies)

    def to_json(self) -> dict[str, object]:
        """The report as run_report.schema.json describes it."""
        return {
            "format_version": FORMAT_VERSION,
            "tool_version": self.tool_version,
            "command": self.command,
            "run_id": self.run_id,
            "status": self.status.value,
            "started_at": utc(self.started_at),
            "ended_at": utc(self.ended_at),
            "source": only(self.source, SOURCE_FACTS),
            "target": only(self.target, TARGET_FACTS),
            "tables": [_table(table) for table in self.tables],
            "rows_skipped": self._sum.rows_skipped,
            "totals": self._totals(),
            "consistency": self._consistency(),
            "timeline": [asdict(sample) for sample in self.timeline],
            "answers": {
                "bounds_s": list(LATENCY_BOUNDS_S),
                "counts": list(self.answers.counts),
                "sum_s": round(self.answers.sum_s, 3),
            },
            "warnings": list(self.warnings),
            "errors": list(self.errors),
        }

    @property
    def _sum(self) -> Figures:
        return sum((table.figures for table in self.tables), Figures())

    def _totals(self) -> dict[str, object]:
        whole, traffic = self._sum, self.traffic
        return {
            **whole.to_json(),
            "requests": traffic.requests,
            "retries": traffic.retries,
            "seconds": round(traffic.seconds, 3),
            "request_bytes": traffic.bytes,
            "rate_limited": traffic.rate_limited,
            "d1_rows_written": traffic.rows_written,
            "estimated_cost_usd": cost_usd(traffic.rows_written),
        }

    def _consistency(self) -> dict[str, object]:
        return {
            "mode": self.consistency.value,
            "snapshots": [
                {"number": taken.number, "lsn": taken.lsn, "taken_at": taken.taken_at}
                for taken in self.snapshots
            ],
            "tables_in_several_snapshots": [
                table.name for table in self.tables if len(set(table.snapshots)) > 1
            ],
        }


def cost_usd(rows_written: int) -> float:
    """US dollars for D1's own count of rows, beyond what a plan includes."""
    return round(rows_written * USD_PER_MILLION_WRITTEN / 1_000_000, 6)


def utc(moment: datetime) -> str:
    """`moment` in UTC, ISO 8601, to the second, ending in Z."""
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def schema() -> dict[str, object]:
    """The JSON Schema of a run's report, as the package ships it."""
    from importlib.resources import files  # noqa: PLC0415 (slow to load, and no run needs it)

    text = files("streamer.progress").joinpath("run_report.schema.json").read_bytes()
    document: dict[str, object] = orjson.loads(text)
    return document


def write_report(path: Path, document: Mapping[str, object], *, option: str = "--report") -> None:
    """Write `document` to `path` in one step: whole, or not at all; readable by its owner only.

    `option` is what another file is named with.

    Raises:
        StreamerError: the file can't be written; a report that was there before is untouched.
    """
    options = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
    hint = f"Make room or name another file with {option}."
    write_whole(path, orjson.dumps(document, option=options), hint=hint)


def only(document: Mapping[str, object], names: Sequence[str]) -> dict[str, object]:
    """Those facts of `document` that `names` names: nothing else gets into a report."""
    return {name: document[name] for name in names if name in document}


def _table(table: TableReport) -> dict[str, object]:
    return {
        "name": table.name,
        "target_name": table.target_name,
        **table.figures.to_json(),
    }
