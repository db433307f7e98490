"""Waits are spread wide, retries are a share of the requests."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.pace import RetryBudget, full_jitter
from streamer.pace.backoff import BASE_S, CAP_S
from streamer.pace.budget import CAP, RESERVE


@given(st.integers(1, 10_000), st.floats(0, 1, exclude_max=True))
def test_a_wait_lies_between_nothing_and_the_doubled_bound(attempt, random) -> None:
    wait = full_jitter(attempt, random)

    assert 0 <= wait <= min(CAP_S, BASE_S * 2 ** min(attempt, 40))


@given(st.integers(1, 10_000), st.floats(0, 1, exclude_max=True))
def test_clients_that_failed_together_come_back_as_far_apart_as_their_dice(attempt, random) -> None:
    longest = full_jitter(attempt, 1 - 1e-12)

    assert full_jitter(attempt, random) == pytest.approx(random * longest, abs=1e-9)


def test_the_bound_doubles_until_it_reaches_half_a_minute() -> None:
    almost_one = 1 - 1e-12

    bounds = [round(full_jitter(n, almost_one), 3) for n in range(1, 9)]

    assert bounds == [0.5, 1, 2, 4, 8, 16, 30, 30]


@pytest.mark.parametrize(("attempt", "random"), [(0, 0.5), (1, 1.0), (1, -0.1)])
def test_an_attempt_that_was_none_or_dice_beyond_their_faces_are_mistakes(attempt, random) -> None:
    with pytest.raises(ValueError, match="attempt"):
        full_jitter(attempt, random)


def test_retries_beyond_the_reserve_are_a_fifth_of_the_requests() -> None:
    budget, taken = RetryBudget(), 0

    for _ in range(1000):
        budget.deposit()
        taken += budget.withdraw()

    assert 200 <= taken <= 200 + RESERVE


def test_what_is_saved_up_has_a_bound() -> None:
    budget = RetryBudget()

    for _ in range(10_000):
        budget.deposit()

    assert budget.left == CAP


def test_an_empty_budget_refuses_until_it_is_refilled() -> None:
    budget = RetryBudget()
    while budget.withdraw():
        pass
    assert budget.left < 1

    budget.refill()

    assert budget.left == RESERVE
