from __future__ import annotations

import pytest

from bench import comparing
from bench.figures import Figures, medians
from bench.report import table
from bench.work import BENCH, WORKS, small_tables
from streamer.pack import CURRENT


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
    assert f"({CURRENT.rows()} LIMIT -1) AS s" in BENCH.upsert_sql
    assert 'DO UPDATE SET "quantity"=excluded."quantity"' in BENCH.upsert_sql
    assert 'o."title" COLLATE BINARY,o."code" COLLATE BINARY,o."active",' in BENCH.upsert_sql
    assert '"id"=excluded' not in BENCH.upsert_sql


def test_a_comparison_is_judged_by_its_median() -> None:
    runs = [Figures("x", 100, wall_s=wall_s, requests=9) for wall_s in (1.0, 2.0, 4.0)]

    speed, requests = comparing.verdicts(runs)

    assert (speed.figure, requests.figure) == (50, 9)
    assert (speed.met, requests.met) == (False, True)


def test_a_thousand_small_tables_are_made_with_their_indexes() -> None:
    script = small_tables(3)

    assert script.count("CREATE TABLE") == 3
    assert script.count("CREATE INDEX") == 6
