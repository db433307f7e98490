"""`run --validate`: both in one go, and one report of both."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import jsonschema
import pytest

from streamer.progress.report import schema as run_schema
from streamer.validate.report import schema as validation_schema
from tests.engines.local_d1 import LocalD1Process
from tests.engines.postgres import Database
from tests.stories.command import Streamer

pytestmark = [pytest.mark.postgres, pytest.mark.processes]


@pytest.fixture
def streamer(
    sample_source: Database, local_d1: LocalD1Process, tmp_path: Path
) -> Iterator[Streamer]:
    uuid = local_d1.create(tmp_path.name)
    yield Streamer(tmp_path, sample_source, local_d1, uuid)
    local_d1.delete(uuid)


def test_the_report_of_a_run_holds_the_full_comparison_after_it(streamer: Streamer) -> None:
    done = streamer("run", "--validate", "--progress", "none")

    report = streamer.report
    assert done.code == 0, done.said
    assert "no difference found" in done.stdout
    assert (report["status"], report["validation"]["equal"]) == ("done", True)
    assert report["validation"]["depth"] == "full"
    jsonschema.validate(report, run_schema())
    jsonschema.validate(report["validation"], validation_schema())


def test_a_difference_is_told_by_code_report_and_a_second_look(streamer: Streamer) -> None:
    assert streamer("run", "--progress", "none").code == 0
    change = "UPDATE country SET name = 'elsewhere' WHERE code = 'NO'"
    streamer.target.rows(streamer.uuid, change)

    looked = streamer("run", "--resume", "--validate", "--progress", "none")

    assert looked.code == 3, looked.said
    assert "public.country: values" in looked.stdout
    assert "elsewhere" not in looked.said
    assert (streamer.report["status"], streamer.report["validation"]["equal"]) == (
        "incomplete",
        False,
    )


OLDER = '{"command": "validate", "status": "done", "ended_at": "2026-11-22T10:00:00Z"}'


@pytest.mark.parametrize("left_there", [OLDER, "[]", ""], ids=["older", "foreign", "none"])
def test_a_comparison_that_fails_before_it_begins_is_told_by_the_report_of_the_run(
    streamer: Streamer, left_there: str
) -> None:
    (streamer.folder / "streamer.checkpoint.db.validate").write_text("something else")
    if left_there:
        (streamer.folder / "validation_report.json").write_text(left_there)

    done = streamer("run", "--validate", "--progress", "none")

    report = streamer.report
    assert done.code == 1, done.said
    assert "streamer.checkpoint.db.validate" in done.stderr
    assert (report["status"], report.get("validation")) == ("failed", None)
    assert [error.partition(": ")[0] for error in report["errors"]] == ["validation"]
    jsonschema.validate(report, run_schema())


def test_a_comparison_that_does_not_reach_postgresql_is_one_to_go_on_with(
    streamer: Streamer,
) -> None:
    assert streamer("run", "--validate", "--progress", "none").code == 0
    streamer.overrides["POSTGRES_DSN"] = f"postgresql://reader@127.0.0.1:1/{streamer.source.name}"

    stopped = streamer("run", "--resume", "--validate", "--give-up-after", "1s")

    report = streamer.report
    assert stopped.code == 75, stopped.said
    assert (report["status"], report.get("validation")) == ("stopped", None)
    assert len(report["errors"]) == 1
