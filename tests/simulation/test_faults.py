"""Single faults of the table, on the virtual clock: each in whole runs, and for as long as it lasts."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from streamer.errors import ExitCode
from streamer.model import Rate
from tests.simulation.history import History
from tests.simulation.process import Ended, Mode, Process
from tests.simulation.settings import HistorySettings
from tests.simulation.trouble import Fate, Rates

HOUR = 3_600.0
SEEDS = range(1, 4)


def history(
    folder: Path, seed: int, *, share: float = 0.4, fates: tuple[Fate, ...] = ()
) -> History:
    """A history of some hundred rows in which nothing goes wrong but requests, in these ways."""
    settings = HistorySettings.of(seed)
    rates = Rates(request=share if fates else 0.0, fates=fates or (Fate.FINE,))
    return History(
        replace(
            settings,
            rows=100,
            kills=0,
            signals=0,
            restarts=0,
            poison=0.0,
            rates=rates,
            disk=0.0,
            clock_jumps=False,
            idle_s=0.0,
            pacing=replace(
                settings.pacing, rate=Rate(60, 60), batch_bytes=2_000, give_up_after_s=6 * HOUR
            ),
        ),
        folder,
    )


def first_start(story: History) -> Ended:
    return Process(story.world, Mode.FIRST).play()


@pytest.mark.parametrize("seed", SEEDS)
def test_fault_6_requests_that_are_executed_long_after_they_were_sent_again(
    seed: int, tmp_path: Path
) -> None:
    story = history(tmp_path, seed, fates=(Fate.ZOMBIE,))

    told = story.play()

    assert told.fates[Fate.ZOMBIE] > 0


@pytest.mark.parametrize("seed", SEEDS)
def test_fault_7_both_kinds_of_429_with_every_shape_of_retry_after(
    seed: int, tmp_path: Path
) -> None:
    story = history(tmp_path, seed, share=0.2, fates=(Fate.LIMITED, Fate.OVERLOADED))

    told = story.play()

    assert told.starts == 1
    assert story.world.d1.blocks == 0


@pytest.mark.parametrize(
    "answer", [Fate.SERVER_ERROR, Fate.REFUSED, Fate.NAMELESS, Fate.RESET_BEFORE]
)
def test_fault_8_ten_minutes_of_errors_cost_one_probe_in_half_a_minute(
    answer: Fate, tmp_path: Path
) -> None:
    story = history(tmp_path, 2)
    trouble = story.world.d1.trouble
    sent: list[float] = []
    of_request = trouble.of_request

    def noted(now: float) -> Fate:
        fate = answer if 2.0 <= now < 602.0 else of_request(now)
        sent.append(now)
        return fate

    trouble.of_request = noted
    told = story.play()

    late = [at for at in sent if 100.0 <= at < 602.0]
    assert told.starts == 1
    assert len(late) >= 12
    assert all(b - a >= 30.0 for a, b in pairwise(late))


@pytest.mark.parametrize("seed", SEEDS)
def test_fault_9_answers_that_come_late_or_never(seed: int, tmp_path: Path) -> None:
    story = history(tmp_path, seed, fates=(Fate.SLOW, Fate.LOST_ANSWER))

    told = story.play()

    assert told.fates.keys() & {Fate.SLOW, Fate.LOST_ANSWER}


@pytest.mark.parametrize("seed", SEEDS)
def test_fault_10_answers_that_are_none(seed: int, tmp_path: Path) -> None:
    story = history(tmp_path, seed, share=0.3, fates=(Fate.NONSENSE, Fate.FEW_RESULTS))

    story.play()


@pytest.mark.parametrize("seed", SEEDS)
def test_fault_25_wall_time_jumps_and_the_machine_sleeps(seed: int, tmp_path: Path) -> None:
    story = history(tmp_path, seed)
    settings = replace(story.world.settings, clock_jumps=True)
    story = History(settings, tmp_path / "jumping")

    told = story.play()

    assert told.starts == 1


def test_fault_30_hours_of_outage_are_waited_out_in_flat_memory(tmp_path: Path) -> None:
    story = history(tmp_path, 2)
    of_request = story.world.d1.trouble.of_request
    story.world.d1.trouble.of_request = lambda now: (
        Fate.SERVER_ERROR if 2.0 <= now < 5 * HOUR else of_request(now)
    )
    process = Process(story.world, Mode.FIRST)
    held: dict[int, int] = {}

    def watch(now: float) -> None:
        for hour in (1, 4):
            if hour not in held and now >= hour * HOUR:
                held[hour] = tracemalloc.get_traced_memory()[0]

    process.watch = watch
    tracemalloc.start()
    try:
        ended = process.play()
    finally:
        tracemalloc.stop()

    assert ended.code is ExitCode.DONE
    assert ended.at >= 5 * HOUR
    assert held[4] - held[1] < 64 * 1024
    story.oracle.at_the_end()


def test_fault_30_an_outage_longer_than_the_patience_ends_resumable(tmp_path: Path) -> None:
    story = history(tmp_path, 2)
    of_request = story.world.d1.trouble.of_request
    story.world.d1.trouble.of_request = lambda now: (
        Fate.SERVER_ERROR if 2.0 <= now < 9 * HOUR else of_request(now)
    )

    ended = first_start(story)

    assert ended.code is ExitCode.RESUMABLE
    assert 6 * HOUR <= ended.at <= 6.1 * HOUR
    story.oracle.after_crash()
    story.world.now = 9 * HOUR
    story.play_on()


def test_fault_30_a_used_up_quota_ends_at_once_and_says_when_it_goes_on(tmp_path: Path) -> None:
    story = history(tmp_path, 2)
    story.world.d1.trouble.used_up_until = 8 * HOUR

    ended = first_start(story)

    assert ended.code is ExitCode.RESUMABLE
    assert ended.at < 60.0
    assert "quota" in ended.said
    story.world.now = 8 * HOUR
    story.play_on()
