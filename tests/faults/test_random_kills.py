"""Hundreds of `kill -9` at random moments (`make kills KILLS=1000` for more, `SEED=` to choose)."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from tests.engines.postgres import Postgres
from tests.engines.workerd import Workerd
from tests.stories import busy
from tests.stories.campaign import Pace, history
from tests.stories.compare import differences, our_leftovers

KILLS = int(os.environ.get("STREAMER_KILLS", "100"))
SEED = os.environ.get("STREAMER_SEED", "")
PARTS = 4  # two tests of each kind, so that two processes share them
KILLS_A_RUN = 12

pytestmark = [pytest.mark.postgres, pytest.mark.workerd, pytest.mark.processes]


def seed_of(part: str) -> str:
    """A seed, printed: pytest shows it where the test fails."""
    seed = SEED or f"{random.SystemRandom().getrandbits(32):08x}"
    print(f"STREAMER_SEED={seed} ({part})")
    return seed + part


def new(folder: Path, number: int) -> Path:
    """A folder of a run's own."""
    path = folder / str(number)
    path.mkdir()
    return path


@pytest.mark.timeout(0 if KILLS > 100 else 600)
@pytest.mark.parametrize("part", ["a", "b"])
async def test_fault_01_killed_at_any_moment_runs_end_with_every_row_in_its_place(
    postgres: Postgres, workerd_d1: Workerd, tmp_path: Path, part: str
) -> None:
    dice = random.Random(seed_of(part))
    pace, kills, runs = Pace(), 0, 0

    while kills < KILLS / PARTS:
        runs += 1
        async with history(
            postgres, workerd_d1, folder=new(tmp_path, runs), dice=dice, pace=pace
        ) as run:
            await run.to_its_end("--resume", kills=KILLS_A_RUN)

            assert await differences(run.streamer.source, workerd_d1, run.streamer.uuid) == []
            assert our_leftovers(workerd_d1, run.streamer.uuid) == []
            totals = run.streamer.report["totals"]
            assert totals["rows_written"] == totals["rows_read"]
            kills += run.kills
    print(f"{kills} kills in {runs} runs")


@pytest.mark.timeout(0 if KILLS > 100 else 600)
@pytest.mark.parametrize("part", ["c", "d"])
async def test_fault_23_killed_while_the_source_is_written_to_runs_keep_what_is_promised_then(
    postgres: Postgres, workerd_d1: Workerd, tmp_path: Path, part: str
) -> None:
    dice = random.Random(seed_of(part))
    pace, kills, runs = Pace(), 0, 0

    while kills < KILLS / PARTS:
        runs += 1
        async with history(
            postgres, workerd_d1, folder=new(tmp_path, runs), dice=dice, pace=pace
        ) as run:
            source, uuid = run.streamer.source, run.streamer.uuid
            async with busy.written_to(source, dice) as writer:
                await run.to_its_end("--resume", kills=KILLS_A_RUN // 2, exact=False)
            assert writer.transactions > 10
            assert await busy.broken_promises(source, workerd_d1, uuid, writer) == []
            assert our_leftovers(workerd_d1, uuid) == []

            # With the writes stopped, started over, it is exact, however often it is killed.
            again = ("--restart", "--if-exists", "replace")
            await run.to_its_end(*again, kills=KILLS_A_RUN // 2)
            assert await differences(source, workerd_d1, uuid) == []
            kills += run.kills
    print(f"{kills} kills in {runs} runs")
