"""Settings that are found by themselves, beside fixed ones, on models of a D1 in virtual time."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest

from streamer.model.printed import PrintedRows
from tests.simulation.costs import SHAPES, Shape, rows_of
from tests.simulation.pump import MODELS, Model, pump

FIXED = [(1, 4_000_000), (2, 4_000_000), (6, 4_000_000), (3, 2_000_000), (4, 1_000_000)]
LARGE_MB = 300.0  # so that what finding takes doesn't count
BY_NAME = {model.name: model for model in MODELS}


@pytest.mark.parametrize(
    ("shape", "model"),
    [*product(SHAPES, MODELS)],
    ids=lambda one: one.name,
)
def test_what_is_found_is_nearly_as_fast_as_the_best_fixed_setting(
    shape: Shape, model: Model, tmp_path: Path
) -> None:
    best = min(
        pump(
            model, tmp_path, shape=shape, megabytes=LARGE_MB, concurrency=most, batch_bytes=size
        ).seconds
        for most, size in FIXED
    )

    found = pump(model, tmp_path, shape=shape, megabytes=LARGE_MB)

    assert found.rows == shape.rows(LARGE_MB)
    assert found.seconds <= best / 0.9


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_a_short_run_to_a_distant_d1_soon_has_enough_in_flight(
    shape: Shape, tmp_path: Path
) -> None:
    model = BY_NAME["150 ms away"]
    fixed = pump(model, tmp_path, shape=shape, megabytes=60.0, concurrency=6)

    found = pump(model, tmp_path, shape=shape, megabytes=60.0)

    assert found.seconds <= fixed.seconds / 0.7


@pytest.mark.parametrize("waiting", [1, 3])
def test_a_d1_that_queues_little_is_not_overloaded(waiting: int, tmp_path: Path) -> None:
    model = BY_NAME[f"overloaded beyond {waiting} waiting"]

    found = pump(model, tmp_path, megabytes=LARGE_MB)
    greedy = pump(model, tmp_path, megabytes=LARGE_MB, concurrency=16)

    assert found.refused <= found.requests // 20
    assert greedy.refused > found.refused


def test_a_size_that_is_too_much_is_soon_not_tried_any_more(tmp_path: Path) -> None:
    found = pump(BY_NAME["resets beyond 0.15 s"], tmp_path, megabytes=LARGE_MB)

    assert found.batch_bytes <= 1_500_000
    assert found.refused <= 8


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_rows_are_as_long_as_was_measured(shape: Shape) -> None:
    page = shape.page(3, 3 + len(shape.row_bytes))

    assert isinstance(page.records, PrintedRows)
    parameter = b"".join(page.records.as_parameter())

    assert rows_of(parameter) == rows_of(page.records) == len(page.records)
    expected = sum(
        shape.row_bytes[(3 + n) % len(shape.row_bytes)] for n in range(len(page.records))
    )
    assert abs(len(parameter) - expected) < 10
