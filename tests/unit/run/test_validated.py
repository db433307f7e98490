"""What is left of a validation: its report."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import jsonschema
import pytest

from streamer.config import Config, ValidateSettings
from streamer.errors import ExitCode
from streamer.progress import Events
from streamer.run.validated import Named, save
from streamer.validate.report import schema

NAMED = Named(
    "validation-1",
    datetime(2026, 11, 22, 10, 0, 0, tzinfo=UTC),
    {"database": "shop"},
    {"database": "id-1"},
)


@pytest.mark.parametrize("place", [".", "nowhere"])
def test_a_report_is_told_whether_its_file_could_be_written_or_not(
    tmp_path: Path, place: str
) -> None:
    events = Events(lambda: 0.0)
    path = tmp_path / place / "report.json"
    settings = Config(validation=ValidateSettings(report=path))

    save(settings, events, NAMED, [], code=ExitCode.RESUMABLE, errors=["PostgreSQL is gone"])

    assert (events.report_lost, path.exists()) == (place == "nowhere", place == ".")
    assert events.validation is not None
    assert events.validation["status"] == "stopped"
    assert events.validation["errors"] == ["PostgreSQL is gone"]
    jsonschema.validate(events.validation, schema())
