"""Request bodies grow while they are taken quickly, and halve when they are too much."""

from hypothesis import given
from hypothesis import strategies as st

from streamer.limits import BATCH_BYTES_MAX, BATCH_BYTES_START
from streamer.pack import BatchBytes
from streamer.pack.batch_bytes import CAREFUL_AFTER, FLOOR


def test_it_starts_at_two_and_grows_to_four_megabytes_while_requests_are_fast() -> None:
    batch = BatchBytes()
    assert batch.current == BATCH_BYTES_START

    for _ in range(20):
        batch.succeeded(batch.current, 1.9)

    assert batch.current == BATCH_BYTES_MAX


def test_slow_or_small_requests_say_nothing_for_bigger_ones() -> None:
    batch = BatchBytes()

    batch.succeeded(batch.current, 2.1)
    batch.succeeded(10_000, 0.1)

    assert batch.current == BATCH_BYTES_START


def test_a_request_that_takes_a_third_of_what_d1_allows_makes_the_next_smaller() -> None:
    batch = BatchBytes()

    batch.succeeded(batch.current, 12.0)

    assert batch.current == BATCH_BYTES_START * 3 // 4


def test_a_size_that_was_refused_is_never_reached_again() -> None:
    batch = BatchBytes()

    batch.was_too_much(2_000_000)
    assert batch.current == 1_000_000
    for _ in range(50):
        batch.succeeded(batch.current, 0.1)

    assert 1_000_000 < batch.current < 2_000_000


def test_once_a_size_was_refused_each_next_one_has_to_prove_itself_for_a_while() -> None:
    batch = BatchBytes()
    batch.was_too_much(2_000_000)

    sizes = [1_000_000]
    for _ in range(4 * CAREFUL_AFTER):
        batch.succeeded(batch.current, 0.1)
        if batch.current != sizes[-1]:
            sizes.append(batch.current)

    assert sizes == [1_000_000, 1_100_000, 1_210_000, 1_331_000, 1_464_100]


def test_after_a_second_refusal_it_goes_back_to_what_was_taken() -> None:
    batch = BatchBytes()
    batch.was_too_much(2_000_000)
    for _ in range(2 * CAREFUL_AFTER):
        batch.succeeded(batch.current, 0.1)

    batch.was_too_much(1_400_000)

    assert batch.current == 1_100_000


def test_what_was_taken_before_and_is_refused_now_is_halved() -> None:
    batch = BatchBytes()
    batch.succeeded(2_000_000, 0.1)

    batch.was_too_much(2_000_000)
    batch.was_too_much(1_000_000)

    assert batch.current == 500_000


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 40)), max_size=60))
def test_it_stays_between_its_floor_and_its_cap(turns) -> None:
    batch = BatchBytes()

    for refused, seconds in turns:
        if refused:
            batch.was_too_much(batch.current)
        else:
            batch.succeeded(batch.current, seconds)

        assert FLOOR <= batch.current <= BATCH_BYTES_MAX


@given(st.integers(1, 10_000_000), st.lists(st.booleans(), max_size=30))
def test_a_size_that_the_user_fixed_is_never_exceeded(fixed, turns) -> None:
    batch = BatchBytes(fixed)
    assert batch.current == fixed

    for refused in turns:
        if refused:
            batch.was_too_much(batch.current)
        else:
            batch.succeeded(batch.current, 0.1)

        assert 1 <= batch.current <= fixed


def test_a_size_that_worked_before_is_where_it_begins_within_its_bounds() -> None:
    size, fixed = BatchBytes(), BatchBytes(100_000)

    size.start_at(3_000_000)
    fixed.start_at(3_000_000)

    assert (size.current, fixed.current) == (3_000_000, 100_000)


def test_what_is_nearly_as_big_as_what_was_refused_is_not_worth_a_try() -> None:
    batch = BatchBytes()
    assert batch.worth_a_try is None

    batch.was_too_much(2_000_000)
    batch.was_too_much(3_000_000)
    assert batch.worth_a_try == 1_800_000

    batch.was_too_much(1_000)
    assert batch.worth_a_try == FLOOR
