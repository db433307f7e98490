"""The first call to the outside goes wrong, then the second, … until a run passes untouched."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from streamer.errors import ExitCode
from tests.simulation import shapes
from tests.simulation.history import History
from tests.simulation.process import Ended, Mode, Process
from tests.simulation.sessions import Died, Harm
from tests.simulation.settings import HistorySettings

# Each way of going wrong is tried at every third call, and all three together at every one; with
# STREAMER_EVERY_CALL=1 each is tried at every call.
STRIDE = 1 if os.environ.get("STREAMER_EVERY_CALL") else 3
FIRST = {Harm.RAISE: 1, Harm.DIE: min(2, STRIDE), Harm.HANG: min(3, STRIDE)}
KINDS = (shapes.SHAPES[3], shapes.SHAPES[5], shapes.SHAPES[6])  # keyless, two passes, staged


class Fated(Died):
    """Counts calls to D1, to PostgreSQL, and commits; harms the one with this number."""

    def __init__(self, number: int, harm: Harm) -> None:
        self.calls = 0
        self.process: Process | None = None
        self._number = number
        self._harm = harm

    def touch(self) -> Harm:
        self.calls += 1
        if self.calls != self._number:
            return Harm.NONE
        if self._harm is Harm.DIE:
            assert self.process is not None
            self.process.die()
        return self._harm


def history(folder: Path) -> History:
    settings = HistorySettings.of(1).undisturbed(2)
    return History(settings, folder, shapes.make_of(KINDS, random.Random(1), 6))


def start(story: History, number: int, harm: Harm) -> tuple[Ended, int]:
    fated = Fated(number, harm)
    process = Process(story.world, Mode.FIRST, liveness=fated)
    fated.process = process
    return process.play(), fated.calls


@pytest.mark.parametrize("harm", [Harm.RAISE, Harm.DIE, Harm.HANG])
def test_whichever_call_goes_wrong_the_run_ends_or_is_resumed_to_the_same_target(
    harm: Harm, tmp_path: Path
) -> None:
    number, calls = FIRST[harm] - STRIDE, STRIDE
    while calls >= number:
        number += STRIDE
        story = history(tmp_path / f"{number}")
        ended, calls = start(story, number, harm)
        assert ended.code in {None, ExitCode.DONE, ExitCode.RESUMABLE}, (number, ended)
        if ended.code is ExitCode.DONE:
            story.oracle.at_the_end()
            continue
        story.oracle.after_crash()
        story.world.server.exported.clear()
        story.play_on()

    assert number > 60
