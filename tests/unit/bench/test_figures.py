from __future__ import annotations

import pytest

from bench.figures import Figures, medians
from bench.report import table
from bench.validate import verdict
from bench.work import BENCH, WORKS


def test_medians_are_taken_field_by_field() -> None:
    runs = [
        Figures("x", 100, wall_s=1.0, requests=9),
        Figures("x", 100, wall_s=4.0, requests=7),
        Figures("x", 100, wall_s=2.0, requests=8),
    ]

    assert medians(runs) == Figures("x", 100, wall_s=2.0, requests=8)
    assert medians(runs).rows_per_s == 50


def test_what_one_run_didnt_tell_has_no_median() -> None:
    runs = [Figures("x", 1, wall_s=1.0, peak_mb=5.0), Figures("x", 1, wall_s=1.0)]

    assert medians(runs).peak_mb is None


def test_a_table_leaves_empty_what_isnt_known() -> None:
    lines = table([Figures("floor", 1_000_000, wall_s=4.0, requests=58)]).splitlines()

    assert lines[1].split() == ["floor", "250,000", "4.00", "58"]
    assert len(set(map(len, lines))) == 1


@pytest.mark.parametrize("name", WORKS)
def test_a_script_makes_as_many_rows_as_asked(name: str) -> None:
    script = WORKS[name].script(12_345)

    assert "generate_series(1::bigint, 12345)" in script
    assert "{" not in script


def test_the_floors_statement_is_the_guarded_upsert() -> None:
    assert "AS MATERIALIZED" in BENCH.upsert_sql
    assert 'DO UPDATE SET "quantity"=excluded."quantity"' in BENCH.upsert_sql
    assert '"id"=excluded' not in BENCH.upsert_sql


def test_a_comparison_is_judged_beside_the_moves_of_the_same_minutes() -> None:
    runs = [Figures("validate", 100, wall_s=2.0, requests=9)] * 2
    moves = [Figures("run", 100, wall_s=wall_s) for wall_s in (1.0, 3.0)]

    assert verdict(runs, moves).startswith("50 rows/s")
    assert "9 requests" in verdict(runs, moves)
    assert verdict(runs, moves).endswith("1.00 of the speed of moving them")
    assert "moving" not in verdict(runs, [])
