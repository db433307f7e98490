import pytest

from streamer.progress.wording import cost_of, took


@pytest.mark.parametrize(
    ("rows", "size", "free", "paid"),
    [
        (
            5_700,
            1,
            "nothing, of a day's 100,000 rows",
            "nothing while the month's 50 million rows last, else up to $0.01",
        ),
        (
            100_001,
            500_000_000,
            "nothing, in 2 days of 100,000 rows, with --resume",
            "nothing while the month's 50 million rows last, else up to $0.10",
        ),
        (
            60_000_000,
            500_000_001,
            "too large, its databases hold 500 MB",
            "$10.00 to $60.00, by what is left of the month's 50 million rows",
        ),
    ],
)
def test_a_cost_tells_what_each_plan_includes(rows: int, size: int, free: str, paid: str):
    assert cost_of(rows, size) == (f"free plan: {free}", f"paid plan: {paid}")


def test_a_long_run_is_told_in_hours_and_a_short_one_to_a_tenth():
    assert [took(seconds) for seconds in (0.04, 6.84, 99.9, 100, 11_234.5)] == [
        "0.0s",
        "6.8s",
        "99.9s",
        "1m 40s",
        "3h 07m",
    ]
