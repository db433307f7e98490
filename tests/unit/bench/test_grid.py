"""What is found beside fixed settings: judged round by round, by the best of them."""

from __future__ import annotations

from bench.figures import Figures
from bench.grid import FIXED, FOUND, Setting, judged


def runs(**seconds: list[float]) -> dict[Setting, list[Figures]]:
    settings = {"found": FOUND, "one": FIXED[0], "two": FIXED[1]}
    return {
        settings[name]: [Figures(name, 100, wall_s=one) for one in of_rounds]
        for name, of_rounds in seconds.items()
    }


def test_the_figure_is_the_speed_in_that_of_the_best_fixed_setting() -> None:
    verdict = judged("wide", runs(found=[5.0, 5.0, 5.0], one=[9.0, 9.0, 9.0], two=[4.0, 4.0, 4.0]))

    assert verdict.figure == 0.8
    assert not verdict.met
    assert FIXED[1].name in verdict.what


def test_a_round_in_which_everything_was_slow_says_nothing_against_what_was_found() -> None:
    verdict = judged("wide", runs(found=[5.0, 25.0, 26.0], one=[5.0, 25.0, 5.0]))

    assert verdict.figure == 1.0
    assert verdict.met


def test_what_is_found_is_asked_for_by_no_option() -> None:
    assert FOUND.options == ()
    assert all(len(setting.options) == 2 for setting in FIXED)
