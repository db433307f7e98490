"""Bars and their verdicts, results as JSON, the page that is made of them, and cells of others."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench import report
from bench.bars import Measured, at_least, at_most, number, verdict_rows
from bench.figures import Figures
from bench.page import PAGE, page
from bench.peers.cells import same

MEASURED = Measured(
    "Rows into D1",
    (Figures("floor", 1_000_000, wall_s=4.0, requests=58),),
    (
        at_least("P1", "speed, in floors", 0.9, 0.85),
        at_most("P5", "blocks earned", 0, 0),
        at_most("P2", "requests", 120, 100),
    ),
    ("All rows are right.",),
)


def test_a_verdict_knows_on_which_side_of_its_bar_it_must_lie() -> None:
    assert [verdict.met for verdict in MEASURED.verdicts] == [True, True, False]
    assert [row[-2:] for row in verdict_rows(MEASURED.verdicts)] == [
        ("1.06", "met"),
        ("", "met"),
        ("1.20", "missed"),
    ]


@pytest.mark.parametrize(
    ("value", "shown"), [(0.123456, "0.12"), (2.0, "2"), (123.45, "123.5"), (61_234.5, "61,234")]
)
def test_figures_are_shown_with_the_digits_that_matter(value: float, shown: str) -> None:
    assert number(value) == shown


def test_results_are_kept_apart_by_experiment_and_quick_ones_aside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report, "RESULTS", tmp_path)

    whole = report.write("moving", MEASURED, quick=False, pairs=5)
    quick = report.write("moving", MEASURED, quick=True, pairs=1)

    assert whole == tmp_path / "moving.json"
    assert quick == tmp_path / "tmp" / "moving.json"
    assert json.loads(whole.read_text())["verdicts"][0]["bound"] == "≥"


def test_the_page_shows_each_result_with_its_verdicts_and_notes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report, "RESULTS", tmp_path)
    report.write("moving", MEASURED, quick=False, pairs=5)

    text = page(tmp_path)

    assert "## Rows into D1" in text
    assert "| floor | 250,000 | 4.00 | 58 |" in text
    assert "| P2 | requests | 120 | ≤ 100 | 1.20 | missed |" in text
    assert "All rows are right." in text


def test_docs_performance_is_made_from_the_results() -> None:
    assert PAGE.read_text() == page(), "run `python -m bench.page`"


@pytest.mark.parametrize(
    ("column", "right", "cell"),
    [
        ("price", "12.50", 12.5),
        ("price", "12.50", "12.5"),
        ("active", "1", "true"),
        ("active", "0", 0),
        ("created_at", "2020-01-01 00:01:01.037", "2020-01-01T00:01:01.037Z"),
        ("created_at", "2020-01-01 00:01:01.037", "2020-01-01 00:01:01.037000+00"),
        ("day", "2001-02-03", "2001-02-03 00:00:00"),
        ("attributes", '{"a": 1}', '{"a":1}'),
        ("token", "00000000-0000-0000-0000-0000000000ff", b"\0" * 15 + b"\xff"),
    ],
)
def test_another_form_of_a_value_is_no_error_of_a_tool(
    column: str, right: str, cell: str | float | bytes
) -> None:
    assert same(column, right, cell)


@pytest.mark.parametrize(
    ("column", "right", "cell"),
    [
        ("title", "x", ""),
        ("price", "12.50", 12.51),
        ("attributes", '{"a": 1}', '"{\\"a\\": 1}"'),
        ("token", "00000000-0000-0000-0000-0000000000ff", "ff"),
        ("created_at", "2020-01-01 00:01:01.037", "2020-01-01 00:01:01"),
    ],
)
def test_another_value_is_one(column: str, right: str, cell: str | float) -> None:
    assert not same(column, right, cell)
