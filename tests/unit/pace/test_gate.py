"""While the API is down one request at a time knocks, ever more rarely."""

from math import inf

import pytest

from streamer.pace import Gate


def test_an_open_gate_lets_everybody_pass_at_once() -> None:
    gate = Gate()

    assert gate.is_open
    assert gate.next_pass(7.0) == 7.0
    assert gate.enter(7.0) == 0


def test_probes_go_after_1_2_4_8_16_and_then_every_30_seconds() -> None:
    gate, now, waits = Gate(), 100.0, []
    gate.close(now)

    for _ in range(8):
        waits.append(gate.next_pass(now) - now)
        now = gate.next_pass(now)
        assert gate.fail(now, gate.enter(now))

    assert waits == [1, 2, 4, 8, 16, 30, 30, 30]


def test_nobody_passes_while_a_probe_is_out() -> None:
    gate = Gate()
    gate.close(0.0)
    gate.enter(1.0)

    assert gate.next_pass(50.0) == inf
    with pytest.raises(ValueError, match="closed"):
        gate.enter(50.0)


def test_one_success_opens_it() -> None:
    gate = Gate()
    gate.close(0.0)
    gate.enter(1.0)

    gate.succeed()

    assert gate.is_open
    assert gate.next_pass(1.5) == 1.5


def test_closing_a_closed_gate_does_not_start_the_waits_anew() -> None:
    gate = Gate()
    gate.close(0.0)
    gate.fail(1.0, gate.enter(1.0))

    gate.close(2.0)

    assert gate.next_pass(2.0) == 3.0


def test_a_probe_that_was_abandoned_makes_room_for_the_next() -> None:
    gate = Gate()
    gate.close(0.0)
    probe = gate.enter(1.0)

    gate.withdraw(1.2, probe)

    assert gate.next_pass(1.2) == 1.2


def test_a_probe_that_fails_late_does_not_close_a_gate_that_others_opened() -> None:
    gate = Gate()
    gate.close(0.0)
    late = gate.enter(1.0)
    gate.succeed()

    assert not gate.fail(2.0, late)
    assert gate.is_open


def test_a_probe_of_an_earlier_outage_says_nothing_about_the_one_that_is_out_now() -> None:
    gate = Gate()
    gate.close(0.0)
    late = gate.enter(1.0)
    gate.succeed()
    gate.close(5.0)
    now = gate.enter(6.0)

    gate.withdraw(7.0, late)
    assert not gate.fail(8.0, late)

    assert gate.next_pass(9.0) == inf
    assert gate.fail(9.0, now)
