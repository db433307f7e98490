"""The report of a validation, described by validation_report.schema.json; and the file of all differences."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from importlib.resources import files
from pathlib import Path

import orjson

from streamer.errors import StreamerError
from streamer.frozen import frozen
from streamer.progress import Status, Traffic, utc
from streamer.progress.report import SOURCE_FACTS, TARGET_FACTS, only
from streamer.validate.differences import Differences
from streamer.validate.verdict import Depth, Verdict, difference_json

FORMAT_VERSION = 1


@frozen
class Repaired:
    """What a repair did: rows sent anew, rows deleted, and how often both sides were compared."""

    sent: int = 0
    deleted: int = 0
    rounds: int = 0


@frozen
class ValidationReport:
    """What a report says; `source` and `target` are cut down to facts that are no secret."""

    tool_version: str
    run_id: str
    status: Status
    started_at: datetime
    ended_at: datetime
    source: Mapping[str, object]
    target: Mapping[str, object]
    depth: Depth
    tables: Sequence[Verdict]
    traffic: Traffic
    repaired: Repaired | None = None
    warnings: Sequence[str] = ()
    errors: Sequence[str] = ()

    def to_json(self) -> dict[str, object]:
        """The report as validation_report.schema.json describes it."""
        return {
            "format_version": FORMAT_VERSION,
            "tool_version": self.tool_version,
            "command": "validate",
            "run_id": self.run_id,
            "status": self.status.value,
            "started_at": utc(self.started_at),
            "ended_at": utc(self.ended_at),
            "source": only(self.source, SOURCE_FACTS),
            "target": only(self.target, TARGET_FACTS),
            **self.found(),
            "requests": self.traffic.requests,
            "retries": self.traffic.retries,
            "rate_limited": self.traffic.rate_limited,
            "seconds": round(self.traffic.seconds, 3),
            "warnings": list(self.warnings),
            "errors": list(self.errors),
        }

    def found(self) -> dict[str, object]:
        """What was found, for a report of another command too."""
        mended = self.repaired
        return {
            "depth": self.depth.value,
            "equal": all(table.equal for table in self.tables),
            "tables": [table.to_json() for table in self.tables],
            "totals": {
                "tables": len(self.tables),
                "tables_with_differences": sum(not table.equal for table in self.tables),
                **{
                    name: sum(table.figures.get(name, 0) for table in self.tables)
                    for name in (
                        "rows_in_source",
                        "rows_in_target",
                        "missing",
                        "extra",
                        "different",
                    )
                },
            },
            "repaired": None
            if mended is None
            else {"sent": mended.sent, "deleted": mended.deleted, "rounds": mended.rounds},
        }


def schema() -> dict[str, object]:
    """The JSON Schema of a validation's report, as the package ships it."""
    text = files("streamer.validate").joinpath("validation_report.schema.json").read_bytes()
    document: dict[str, object] = orjson.loads(text)
    return document


def write_differences(path: Path, found: Sequence[tuple[Verdict, Differences]]) -> None:
    """Write every difference as a line of JSON; the file is whole or not there, and its owner's only.

    Raises:
        StreamerError: it can't be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        with suppress(FileNotFoundError):
            temporary.unlink()
        with os.fdopen(os.open(temporary, flags, 0o600), "wb") as file:
            for line in _lines(found):
                file.write(line)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink()
        raise StreamerError(
            f"The differences can't be written to {path}: {error.strerror}.",
            hint="Make room or name another file with --differences.",
        ) from None


def _lines(found: Sequence[tuple[Verdict, Differences]]) -> Iterator[bytes]:
    for verdict, differences in found:
        where = {"between": list(verdict.between)} if verdict.between else {}
        for one in differences.of(verdict.name):
            yield orjson.dumps(
                {"table": verdict.name, **where, **difference_json(one)},
                option=orjson.OPT_APPEND_NEWLINE,
            )
