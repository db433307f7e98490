"""What is loaded isn't looked through for garbage, and its calls have room for their frames."""

from __future__ import annotations

import gc
import resource
import sys

import pytest

from streamer.cli.memory import loading, roomy

CALLS = 200  # at each depth
DEPTH = 200  # calls, whose frames take two chunks


class _Held:
    """What a module would hold."""


def test_what_is_made_while_loading_is_never_looked_through_and_what_comes_later_is() -> None:
    try:
        with loading():
            assert not gc.isenabled()
            made = _Held()
        later = _Held()

        watched = {id(one) for one in gc.get_objects()}
    finally:
        gc.unfreeze()

    assert gc.isenabled()
    assert id(made) not in watched
    assert id(later) in watched


def test_garbage_is_looked_for_again_after_what_could_not_be_loaded() -> None:
    try:
        with pytest.raises(ImportError), loading():
            raise ImportError
    finally:
        gc.unfreeze()

    assert gc.isenabled()


@pytest.mark.skipif(sys.platform != "linux", reason="counts what this system's pages do")
def test_with_room_no_depth_of_calls_has_the_system_give_and_take_memory_at_each() -> None:
    assert most_faults(DEPTH) >= CALLS
    assert roomy(most_faults_with_room)() < CALLS


def most_faults_with_room() -> int:
    return most_faults(DEPTH)


def most_faults(depth: int) -> int:
    """Pages that a few calls touch anew, at the depth where these are most."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(CALLS):
        four_calls()
    here = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
    return max(here, most_faults(depth - 1)) if depth else here


def four_calls(left: int = 3) -> int:
    return four_calls(left - 1) if left else 0
