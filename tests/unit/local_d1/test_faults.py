"""Trouble on request."""

import json
import random

import pytest

from streamer.local_d1.errors import ApiError
from streamer.local_d1.faults import (
    FaultKind,
    Faults,
    RequestLimit,
    ScriptedFault,
    Troublemaker,
    blocked,
    random_failure,
)


def test_over_the_limit_comes_a_block() -> None:
    limit = RequestLimit(2, window_s=300, block_s=60)

    assert [limit.wait_s(now) for now in (0, 1, 2)] == [0, 0, 60]
    assert limit.wait_s(30) == 32  # not prolonged by asking again
    assert limit.wait_s(62) == 60  # both are still in the window
    assert limit.wait_s(400) == 0


def test_the_window_slides() -> None:
    limit = RequestLimit(2, window_s=10, block_s=60)

    assert [limit.wait_s(now) for now in (0, 5, 10, 15)] == [0, 0, 0, 0]


def test_the_blocked_are_told_how_long() -> None:
    failure = blocked(299.6)

    assert (failure.status, failure.code, failure.applied) == (429, 971, False)
    assert failure.headers == {"Retry-After": "300"}


def test_chance_repeats_itself_with_a_seed() -> None:
    def story() -> list[object]:
        faults = Faults(rate=0.5)
        chance = random.Random(7)
        return [random_failure(faults, chance) for _ in range(200)]

    assert story() == story()
    assert 60 < sum(failure is not None for failure in story()) < 140


@pytest.mark.parametrize("kind", FaultKind)
def test_only_the_kinds_asked_for_come(kind: FaultKind) -> None:
    chance = random.Random(1)
    found = [random_failure(Faults(rate=1.0, kinds=(kind,)), chance) for _ in range(50)]

    applied = {failure.applied for failure in found if failure is not None}
    expected = {
        FaultKind.OVERLOAD: {False},
        FaultKind.RESET: {True, False},
        FaultKind.CPU: {True, False},
        FaultKind.GATEWAY: {False},
        FaultKind.DROP: {False},
        FaultKind.LOST: {True},
    }
    assert applied == expected[kind]


def test_without_faults_nothing_happens() -> None:
    trouble = Troublemaker(Faults()).next("/x", b"", 0)

    assert (trouble.delay_s, trouble.failure) == (0, None)


def test_a_latency_is_in_milliseconds() -> None:
    assert Troublemaker(Faults(latency_ms=250)).next("/x", b"", 0).delay_s == 0.25


@pytest.mark.parametrize("line", [{"nope": 1}, {"times": "x"}, {"match": "/raw", "delay_ms": [1]}])
def test_a_script_that_makes_no_sense_is_refused(line: dict[str, object]) -> None:
    with pytest.raises(ApiError):
        ScriptedFault.script(json.dumps([line]).encode())


@pytest.mark.parametrize("body", [b"", b"{}", b"x"])
def test_a_script_is_an_array(body: bytes) -> None:
    with pytest.raises(ApiError):
        ScriptedFault.script(body)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Faults(rate=1.5),
        lambda: Faults(limit=0),
        lambda: Faults(limit=1, window_s=0),
        lambda: Faults(rate=0.1, kinds=()),
    ],
)
def test_faults_that_make_no_sense_are_refused(make) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # the kind is the contract
        make()
