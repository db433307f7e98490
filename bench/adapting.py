"""A: what settings find by themselves beside a grid of fixed ones, on models of a D1, in virtual time."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from statistics import mean

from bench.bars import Measured, Verdict, at_least
from bench.lab import Lab, say
from tests.simulation.costs import S_A_MB, SHAPES, Shape
from tests.simulation.pump import MODELS, Model, pump

BARS = ("A",)
CONCURRENCIES = (1, 2, 3, 4, 6, 16)
BATCH_BYTES = (1_000_000, 2_000_000, 4_000_000)
MEGABYTES = 500.0  # about 2.6 million rows of `bench`
SEEDS = 2


def measure(lab: Lab) -> Measured:
    """Rows of every shape to every model, with every fixed setting, and with none."""
    megabytes = MEGABYTES / (4 if lab.quick else 1)
    verdicts: list[Verdict] = []
    for shape, model in product(SHAPES, MODELS):
        say(f"{megabytes:,.0f} MB of {shape.name} to a D1 that is: {model.name}")
        verdicts.append(_beside_fixed(shape, model, megabytes))
    return Measured(
        "Settings that are found, beside the best of"
        f" {len(CONCURRENCIES) * len(BATCH_BYTES)} fixed ones, on models of a D1",
        (),
        (*verdicts,),
        (_note(megabytes, SHAPES),),
    )


def _beside_fixed(shape: Shape, model: Model, megabytes: float) -> Verdict:
    settings = [*product(CONCURRENCIES, BATCH_BYTES)]
    grid = {(c, size): _seconds(shape, model, megabytes, c, size) for c, size in settings}
    best = min(grid, key=lambda setting: grid[setting])
    most, size = best
    found_s = _seconds(shape, model, megabytes, None, None)
    what = f"{shape.name}, {model.name}: beside {most} at once, {size / 1e6:.0f} MB"
    return at_least("A", f"{what}, {grid[best]:.1f} s", grid[best] / found_s, 0.9)


def _seconds(
    shape: Shape, model: Model, megabytes: float, most: int | None, size: int | None
) -> float:
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        tries = [
            pump(
                model,
                Path(folder),
                shape=shape,
                megabytes=megabytes,
                concurrency=most,
                batch_bytes=size,
                seed=seed,
            )
            for seed in range(1, SEEDS + 1)
        ]
    return mean(one.seconds for one in tries)


def _note(megabytes: float, shapes: Sequence[Shape]) -> str:
    rows = ", ".join(f"{shape.rows(megabytes):,} rows of {shape.name}" for shape in shapes)
    costs = ", ".join(
        f"{shape.row_s * 1e6:.2f} µs a row of {shape.name}" for shape in shapes if shape.row_s
    )
    packed = "packed and paced as in a run, read in no time"
    took = f"{S_A_MB * 1e3:.1f} ms a MB and {costs}"
    return (
        f"Speed in that of the best fixed setting: {megabytes:,.0f} MB each ({rows}), {packed};"
        f" seconds are virtual, the mean of {SEEDS} tries. The models take what workerd was measured"
        f" to take, {took}, or several times as much."
    )
