import json
import stat
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import jsonschema
import pytest

from streamer.errors import ExitCode, StreamerError
from streamer.progress import (
    Figures,
    RunReport,
    SnapshotReport,
    Status,
    TableReport,
    Traffic,
    write_report,
)
from streamer.progress.report import schema

REPORT = RunReport(
    tool_version="0.1.0",
    run_id="8f2c",
    status=Status.DONE,
    started_at=datetime(2026, 11, 22, 10, 0, 0, tzinfo=UTC),
    ended_at=datetime(2026, 11, 22, 12, 0, 5, 999, tzinfo=timezone(timedelta(hours=1))),
    source={"system_identifier": "7", "database": "shop", "password": "canary-secret"},
    target={"account": "acc", "database": "db", "token": "canary-secret"},
    tables=(
        TableReport("public.a", "a", Figures(rows_written=3, rows_skipped=1, requests=1), (0,)),
        TableReport("public.b", "b", Figures(rows_written=4, rows_rejected=2, retries=1), (0, 1)),
    ),
    traffic=Traffic(requests=9, retries=2, rate_limited=1, bytes=99, rows_written=2_500_000),
    snapshots=(SnapshotReport(0, "0/15D6A50", "2026-11-22T10:00:00Z"), SnapshotReport(1)),
    warnings=("something",),
)


def check(document: object) -> None:
    jsonschema.validate(
        json.loads(json.dumps(document)), schema(), cls=jsonschema.Draft202012Validator
    )


def test_the_schema_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(schema())


@pytest.mark.parametrize("status", list(Status))
def test_a_report_is_what_its_schema_says(status: Status) -> None:
    check(replace(REPORT, status=status).to_json())


def test_a_report_of_a_run_that_moved_nothing_is_one_too() -> None:
    check(replace(REPORT, tables=(), traffic=Traffic(), snapshots=()).to_json())


@pytest.mark.parametrize("name", sorted(REPORT.to_json()))
def test_the_schema_misses_whatever_is_left_out(name: str) -> None:
    document = REPORT.to_json()
    del document[name]

    with pytest.raises(jsonschema.ValidationError):
        check(document)


def test_times_are_utc() -> None:
    document = REPORT.to_json()

    assert document["started_at"] == "2026-11-22T10:00:00Z"
    assert document["ended_at"] == "2026-11-22T11:00:05Z"


def test_totals_are_the_sums_and_what_only_the_run_knows() -> None:
    totals = REPORT.to_json()["totals"]

    assert totals == {
        "rows_read": 10,
        "rows_written": 7,
        "rows_rejected": 2,
        "rows_skipped": 1,
        "bytes_sent": 0,
        "requests": 9,
        "retries": 2,
        "seconds": 0.0,
        "request_bytes": 99,
        "rate_limited": 1,
        "d1_rows_written": 2_500_000,
        "estimated_cost_usd": 2.5,
    }


def test_tables_read_in_more_than_one_moment_are_named() -> None:
    consistency = REPORT.to_json()["consistency"]

    assert isinstance(consistency, dict)
    assert consistency["tables_in_several_snapshots"] == ["public.b"]


def test_no_credential_gets_in_even_where_it_is_handed_over() -> None:
    assert "canary-secret" not in json.dumps(REPORT.to_json())


def test_every_exit_code_has_its_status() -> None:
    assert {code: Status.of(code) for code in ExitCode} == {
        ExitCode.DONE: Status.DONE,
        ExitCode.FAILED: Status.FAILED,
        ExitCode.USAGE: Status.FAILED,
        ExitCode.INCOMPLETE: Status.INCOMPLETE,
        ExitCode.RESUMABLE: Status.STOPPED,
    }


def test_a_written_report_is_its_owner_s_alone_and_leaves_nothing_beside_it(
    tmp_path: Path,
) -> None:
    path = tmp_path / "run_report.json"
    path.write_text("an older one")

    write_report(path, REPORT.to_json())

    assert json.loads(path.read_bytes()) == REPORT.to_json()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_a_report_that_is_a_link_is_replaced_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("keep")
    path = tmp_path / "run_report.json"
    path.symlink_to(victim)

    write_report(path, REPORT.to_json())

    assert victim.read_text() == "keep"
    assert not path.is_symlink()


def test_a_report_that_can_not_be_written_says_where_and_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(StreamerError, match="No such file or directory") as caught:
        write_report(tmp_path / "nowhere" / "run_report.json", REPORT.to_json())

    assert "--report" in caught.value.hint
