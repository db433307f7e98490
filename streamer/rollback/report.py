"""The report of a rollback, `rollback_report.json`; described by rollback_report.schema.json."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.resources import files

import orjson

from streamer.errors import ExitCode
from streamer.frozen import frozen
from streamer.progress import Status, Traffic, cost_usd, utc
from streamer.rollback.decide import Action, TableAction
from streamer.version import VERSION

FORMAT_VERSION = 1


@frozen
class RollbackReport:
    """What was taken back of a run, how, and what it took.

    `source` and `target` are the checkpoint's facts, of which no credential is one.
    """

    run_id: str
    method: str
    code: ExitCode
    started_at: datetime
    source: Mapping[str, object]
    target: Mapping[str, object]
    tables: Sequence[TableAction]
    views: Sequence[str]
    traffic: Traffic
    warnings: Sequence[str] = ()
    errors: Sequence[str] = ()

    def to_json(self) -> dict[str, object]:
        """As the schema describes it."""
        return {
            "format_version": FORMAT_VERSION,
            "tool_version": VERSION,
            "command": "rollback",
            "run_id": self.run_id,
            "status": Status.of(self.code).value,
            "started_at": utc(self.started_at),
            "ended_at": utc(datetime.now(UTC)),
            "source": dict(self.source),
            "target": dict(self.target),
            "method": self.method,
            "tables": [_table(one) for one in self.tables],
            "views": list(self.views),
            "totals": {
                "rows_deleted": sum(map(_gone, self.tables)),
                **self.traffic.to_json(),
                "estimated_cost_usd": cost_usd(self.traffic.rows_written),
            },
            "warnings": list(self.warnings),
            "errors": list(self.errors),
        }


def _table(one: TableAction) -> dict[str, str | int]:
    return {
        "name": one.table.name,
        "target_name": one.table.target,
        "action": one.action.value,
        "rows_deleted": _gone(one),
    }


def _gone(one: TableAction) -> int:
    return 0 if one.action is Action.LEFT else one.rows or 0


def schema() -> dict[str, object]:
    """The JSON Schema of the report, as the package ships it."""
    text = files("streamer.rollback").joinpath("rollback_report.schema.json").read_bytes()
    document: dict[str, object] = orjson.loads(text)
    return document
