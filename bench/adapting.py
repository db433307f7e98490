"""A: what settings find by themselves beside a grid of fixed ones, on models of a D1, in virtual time."""

from __future__ import annotations

import tempfile
from itertools import product
from pathlib import Path
from statistics import mean

from bench.bars import Measured, Verdict, at_least
from bench.figures import Figures
from bench.lab import Lab, say
from tests.simulation.pump import MODELS, Model, pump

BARS = ("A",)
CONCURRENCIES = (1, 2, 3, 4, 6, 8, 16)
BATCH_BYTES = (1_000_000, 2_000_000, 4_000_000)
MEGABYTES = 500.0  # about two million rows of `bench`
SEEDS = 2


def measure(lab: Lab) -> Measured:
    """Every model with every fixed setting, and with none."""
    megabytes = MEGABYTES / (4 if lab.quick else 1)
    lines: list[Figures] = []
    verdicts: list[Verdict] = []
    for model in MODELS:
        say(f"{megabytes:,.0f} MB to a D1 that is: {model.name}")
        settings = [*product(CONCURRENCIES, BATCH_BYTES)]
        grid = {(c, size): _seconds(model, megabytes, c, size) for c, size in settings}
        best = min(grid, key=lambda setting: grid[setting])
        found = _seconds(model, megabytes, None, None)
        most, size = best
        lines += [
            Figures(f"{model.name}: {most} at once, {size / 1e6:.1f} MB", 0, grid[best]),
            Figures(f"{model.name}: found by itself", 0, found),
        ]
        verdicts.append(
            at_least("A", f"speed, in the best's: {model.name}", grid[best] / found, 0.9)
        )
    return Measured(
        f"Settings that are found, beside the best of {len(CONCURRENCIES) * len(BATCH_BYTES)} fixed ones",
        (*lines,),
        (*verdicts,),
        (
            f"{megabytes:,.0f} MB to models of a D1; wall time is virtual, the mean of {SEEDS} tries.",
        ),
    )


def _seconds(model: Model, megabytes: float, most: int | None, size: int | None) -> float:
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        tries = [
            pump(
                model,
                Path(folder),
                megabytes=megabytes,
                concurrency=most,
                batch_bytes=size,
                seed=seed,
            )
            for seed in range(1, SEEDS + 1)
        ]
    return mean(one.seconds for one in tries)
