"""Where a run stands, read off its checkpoint alone (pure): for people, and as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum

from checkpoints import JSON, Saved, StepRecord
from streamer.frozen import frozen
from streamer.model.words import counted
from streamer.progress.tally import Tally, Traffic
from streamer.progress.view import printable, rows_of
from streamer.progress.wording import duration, size

ROWS_KIND = "rows"
DONE, TODO = "done", "todo"
SOURCE_FACTS = ("database", "system_identifier", "server_version")
TARGET_FACTS = ("kind", "account", "database", "database_name")


class RunState(StrEnum):
    """Whether a run goes on by itself (RUNNING), needs `--resume` (STOPPED), or is DONE.

    Of one that a rollback began to take back only that is said, or that it is all TAKEN_BACK.
    """

    RUNNING = "running"
    STOPPED = "stopped"
    DONE = "done"
    TAKING_BACK = "being taken back"
    TAKEN_BACK = "taken back"


_STATES = {
    "done": RunState.DONE,
    "undoing": RunState.TAKING_BACK,
    "undone": RunState.TAKEN_BACK,
}  # by what the checkpoint calls it; the others depend on who is at work


class TableProgress(StrEnum):
    """FINISHING: all rows are there, something else (an index, a check) is still to come."""

    WAITING = "waiting"
    MOVING = "moving"
    FINISHING = "finishing"
    DONE = "done"


@frozen
class Step:
    """One step: what it does, to which object ('' where that is clear), and its state."""

    kind: str
    which: str
    state: str


@frozen
class TableStatus:
    """A table: rows and statement bytes acknowledged; `rows_estimate` is -1 where unknown."""

    name: str
    target: str
    rows: int
    rows_estimate: int
    bytes: int
    steps: tuple[Step, ...]

    @property
    def state(self) -> TableProgress:
        """How far it is, over all its steps."""
        if all(step.state == DONE for step in self.steps):
            return TableProgress.DONE
        if all(step.state == DONE for step in self.steps if step.kind == ROWS_KIND):
            return TableProgress.FINISHING
        moving = any(step.state != TODO for step in self.steps if step.kind == ROWS_KIND)
        return TableProgress.MOVING if moving or self.rows else TableProgress.WAITING

    @property
    def expected(self) -> int:
        """Rows that it will have had, as far as is known."""
        finished = self.state in {TableProgress.DONE, TableProgress.FINISHING}
        return self.rows if finished else max(self.rows, self.rows_estimate)

    @property
    def percent(self) -> float | None:
        """Rows there of those expected; None where that isn't known."""
        if self.state in {TableProgress.DONE, TableProgress.FINISHING}:
            return 100.0
        return round(100 * self.rows / self.rows_estimate, 1) if self.rows_estimate > 0 else None


@frozen
class RunStatus:
    """A run as its checkpoint tells it; `pid` and `host` are its process's, where it has one."""

    run_id: str
    state: RunState
    started_at: str
    starts: int
    source: Mapping[str, object]
    target: Mapping[str, object]
    tables: tuple[TableStatus, ...]
    other_steps: tuple[Step, ...]
    traffic: Traffic
    pid: int | None = None
    host: str | None = None

    @property
    def rows(self) -> int:
        """Rows acknowledged, of all tables."""
        return sum(table.rows for table in self.tables)

    @property
    def expected(self) -> int:
        """Rows expected, of all tables, as far as is known."""
        return sum(table.expected for table in self.tables)

    @property
    def bytes(self) -> int:
        """Statement bytes acknowledged, of all tables."""
        return sum(table.bytes for table in self.tables)


def status_of(saved: Saved, *, pid: int | None, host: str | None) -> RunStatus:
    """The status of the run in `saved`, which the process `pid` on `host` holds (None: nobody)."""
    document = saved.run.document
    working = RunState.STOPPED if host is None else RunState.RUNNING
    state = _STATES.get(saved.run.state, working)
    by_table: dict[str, list[StepRecord]] = {}
    for step in saved.steps:
        by_table.setdefault(step.table, []).append(step)
    return RunStatus(
        run_id=saved.run.run_id,
        state=state,
        started_at=str(document.get("started_at", "")),
        starts=saved.run.epoch,
        source=_facts(document.get("source"), SOURCE_FACTS),
        target=_facts(document.get("target"), TARGET_FACTS),
        tables=tuple(_table(name, steps) for name, steps in by_table.items() if name),
        other_steps=tuple(_step(step) for step in by_table.get("", [])),
        traffic=Tally.from_json(document.get("tally"), {}).traffic,
        pid=pid,
        host=host,
    )


def to_json(status: RunStatus) -> dict[str, object]:
    """The status for scripts; `percent` is null where the number of rows isn't known."""
    return {
        "run_id": status.run_id,
        "state": status.state.value,
        "resumable": status.state in {RunState.RUNNING, RunState.STOPPED},
        "pid": status.pid,
        "host": status.host,
        "started_at": status.started_at,
        "starts": status.starts,
        "source": dict(status.source),
        "target": dict(status.target),
        "rows": status.rows,
        "rows_estimate": status.expected,
        "bytes": status.bytes,
        "requests": status.traffic.requests,
        "retries": status.traffic.retries,
        "seconds": status.traffic.seconds,
        "tables": [
            {
                "name": table.name,
                "target_name": table.target,
                "state": table.state.value,
                "rows": table.rows,
                "rows_estimate": table.rows_estimate,
                "percent": table.percent,
                "bytes": table.bytes,
                "steps": _steps_json(table.steps),
            }
            for table in status.tables
        ],
        "steps": _steps_json(status.other_steps),
    }


def to_lines(status: RunStatus) -> list[str]:
    """The status for people, in lines without control characters."""
    work = (
        f"  {rows_of(status.rows, status.expected)}, {size(status.bytes)},"
        f" requests {status.traffic.requests:,}, retries {status.traffic.retries:,},"
        f" {duration(status.traffic.seconds)} of work"
    )
    lines = [
        f"Run {printable(status.run_id)}: {_headline(status)}",
        f"  started {printable(status.started_at)}" + _restarts(status.starts),
        f"  from {_described(status.source)} into {_described(status.target)}",
        work,
        "",
    ]
    return lines + _columns([("table", "state", "rows", "done", "bytes", "to come")], status)


def _headline(status: RunStatus) -> str:
    match status.state:
        case RunState.DONE:
            return "done"
        case RunState.RUNNING:
            who = f" (process {status.pid} on {status.host})" if status.pid else ""
            return f"running{who}"
        case RunState.STOPPED:
            return "stopped; go on with: streamer run --resume"
        case RunState.TAKING_BACK:
            return "being taken back; go on with: streamer rollback"
        case RunState.TAKEN_BACK:
            return "taken back"


def _restarts(starts: int) -> str:
    again = starts - 1
    if again < 1:
        return ""
    return f", resumed {counted(again, 'time')}"


def _described(facts: Mapping[str, object]) -> str:
    return printable(str(facts.get("database_name") or facts.get("database") or "?"))


def _columns(head: list[tuple[str, ...]], status: RunStatus) -> list[str]:
    """The tables as aligned columns, texts to the left and figures to the right."""
    rows = head + [
        (
            printable(table.name),
            table.state.value,
            f"{table.rows:,}",
            "?" if table.percent is None else f"{table.percent:.0f} %",
            size(table.bytes),
            _to_come(table.steps),
        )
        for table in status.tables
    ]
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    return [
        "  ".join(
            cell.rjust(width) if 2 <= at <= 4 else cell.ljust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def _to_come(steps: Iterable[Step]) -> str:
    """The kinds of steps that aren't done, each once."""
    kinds = dict.fromkeys(printable(step.kind) for step in steps if step.state != DONE)
    return ", ".join(kinds)


def _steps_json(steps: Iterable[Step]) -> list[dict[str, str]]:
    return [{"kind": step.kind, "which": step.which, "state": step.state} for step in steps]


def _table(name: str, records: list[StepRecord]) -> TableStatus:
    rows = next((record for record in records if record.kind == ROWS_KIND), records[0])
    estimate = rows.document.get("rows_estimate")
    return TableStatus(
        name=name,
        target=str(rows.document.get("target", "")),
        rows=rows.rows,
        rows_estimate=int(estimate) if isinstance(estimate, int | float) else -1,
        bytes=rows.bytes,
        steps=tuple(_step(record) for record in records),
    )


def _step(record: StepRecord) -> Step:
    return Step(record.kind, str(record.document.get("which", "")), record.state)


def _facts(document: JSON, names: tuple[str, ...]) -> dict[str, object]:
    if not isinstance(document, Mapping):
        return {}
    return {name: document[name] for name in names if name in document}
