"""The reports of steps that make files, and the JSON Schemas that the package ships of all of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path

import orjson

from streamer.errors import ExitCode
from streamer.files.manifest import Snapshot
from streamer.frozen import slotted
from streamer.model import SourceIdentity
from streamer.progress import Figures, Status, utc, write_whole
from streamer.version import VERSION

FORMAT_VERSION = 1


@slotted
class TableDone:
    """What came of one table; `file` is '' where it has none yet. `bytes` are uncompressed."""

    name: str
    target_name: str
    file: str = ""
    rows: int = 0
    skipped: int = 0
    bytes: int = 0
    sha256: str = ""
    seconds: float = 0.0
    snapshots: tuple[int, ...] = ()

    def to_json(self) -> dict[str, object]:
        """As the report has it."""
        figures = Figures(
            rows_written=self.rows,
            rows_skipped=self.skipped,
            seconds=self.seconds,
        )
        return {
            "name": self.name,
            "target_name": self.target_name,
            **figures.to_json(),
            "file": self.file,
            "file_bytes": self.bytes,
            "sha256": self.sha256,
        }


@slotted
class StepReport:
    """The report of an export or a transformation, filled while it goes on.

    `files` are SQL files in the order in which they are to be loaded.
    """

    command: str
    run_id: str
    source: SourceIdentity
    folder: Path
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    tables: list[TableDone] = field(default_factory=list[TableDone])
    snapshots: Sequence[Snapshot] = ()
    warnings: list[str] = field(default_factory=list[str])
    errors: list[str] = field(default_factory=list[str])
    validated: bool | None = None
    files: Sequence[str] = ()

    def to_json(self, code: ExitCode) -> dict[str, object]:
        """As the schema describes it."""
        whole = sum(
            (
                Figures(rows_written=t.rows, rows_skipped=t.skipped, seconds=t.seconds)
                for t in self.tables
            ),
            Figures(),
        )
        return {
            "format_version": FORMAT_VERSION,
            "tool_version": VERSION,
            "command": self.command,
            "run_id": self.run_id,
            "status": Status.of(code).value,
            "started_at": utc(self.started_at),
            "ended_at": utc(datetime.now(UTC)),
            "source": {
                "system_identifier": self.source.system_identifier,
                "timeline": self.source.timeline,
                "database": self.source.database,
                "server_version": self.source.server_version,
            },
            "target": {"kind": "files", "folder": str(self.folder.absolute())},
            "tables": [table.to_json() for table in self.tables],
            "rows_skipped": whole.rows_skipped,
            "totals": {**whole.to_json(), "file_bytes": sum(t.bytes for t in self.tables)},
            "consistency": {
                "snapshots": [
                    {"number": s.number, "lsn": s.lsn, "taken_at": s.taken_at}
                    for s in self.snapshots
                ],
                "tables_in_several_snapshots": [
                    t.name for t in self.tables if len(set(t.snapshots)) > 1
                ],
            },
            "validated": self.validated,
            **({"files": list(self.files)} if self.files else {}),
            "warnings": self.warnings,
            "errors": self.errors,
        }

    def write(self, path: Path, code: ExitCode) -> None:
        """Write it in one step.

        Raises:
            StreamerError: it can't be written.

        """
        options = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
        write_whole(path, orjson.dumps(self.to_json(code), option=options))


def schema(name: str) -> dict[str, object]:
    """A JSON Schema that the package ships: `files_report`, `export_manifest`, `transform_manifest`."""
    text = files("streamer.files").joinpath(f"{name}.schema.json").read_bytes()
    document: dict[str, object] = orjson.loads(text)
    return document
