"""The machine's clocks, as those that wait see them."""

import time

import pytest

from streamer.d1.clock import SystemClock

DAY_S = 86_400.0


@pytest.mark.parametrize("jump_s", [DAY_S, -DAY_S])
def test_fault_25_a_wall_clock_that_is_set_moves_no_wait(
    monkeypatch: pytest.MonkeyPatch, jump_s: float
) -> None:
    clock, real = SystemClock(), time.time
    began = time.monotonic_ns() / 1e9
    before = clock.monotonic()

    monkeypatch.setattr(time, "time", lambda: real() + jump_s)
    after = clock.monotonic()
    ended = time.monotonic_ns() / 1e9

    assert began <= before <= after <= ended
    assert abs(clock.wall() - real() - jump_s) < DAY_S / 2
