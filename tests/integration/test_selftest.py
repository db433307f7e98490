"""The self-test: every step of the pipeline on sample data, a report, and nothing left where asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from streamer.cli import main
from streamer.demo import selftest
from streamer.demo.selftest import Step
from tests.stories.reports import read_report

pytestmark = [pytest.mark.postgres, pytest.mark.processes]


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("POSTGRES_DSN", "postgresql://canary@127.0.0.1:1/canary")
    monkeypatch.setenv("STREAMER_TARGET", "sqlite:canary.db")


def report() -> dict[str, Any]:
    return read_report(Path("selftest_report.json"))


def test_every_step_passes_and_only_the_report_stays(capsys: Any) -> None:
    code = main(["selftest", "--cleanup"])

    said = capsys.readouterr().out
    assert code == 0, said
    assert [path.name for path in Path.cwd().iterdir()] == ["selftest_report.json"]
    found = report()
    assert [step["exit_code"] for step in found["steps"]] == [0] * 9
    assert "streamer import --dry-run" in [step["command"] for step in found["steps"]]
    assert len(found["tables"]) == 7
    assert found["totals"]["rows_written"] > 1_000


def test_a_step_that_fails_ends_it_and_the_report_says_which(
    monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    steps = (Step("wrong", ("export", "--output")), Step("next", ("transform",)))
    monkeypatch.setattr(selftest, "STEPS", steps)

    code = main(["selftest"])

    said = capsys.readouterr().out
    assert code == 1, said
    assert "FAILED wrong" in said
    found = report()
    assert [step["exit_code"] for step in found["steps"]] == [2, None]
    assert "unknown option --output" in found["errors"][0]
    assert Path("selftest_data").is_dir()


def test_a_folder_that_holds_something_is_left_alone(capsys: Any) -> None:
    kept = Path("selftest_data/mine.txt")
    kept.parent.mkdir()
    kept.write_text("mine")

    assert main(["selftest", "--cleanup"]) == 2

    assert "--output-dir" in capsys.readouterr().err
    assert kept.read_text() == "mine"
