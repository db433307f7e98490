"""Settings that are found by themselves, beside fixed ones, on models of a D1 in virtual time."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.simulation.pump import MODELS, Model, pump

FIXED = [(1, 4_000_000), (2, 4_000_000), (4, 4_000_000), (2, 1_000_000), (8, 1_000_000)]
LARGE_MB = 500.0  # so that what finding takes doesn't count
BY_NAME = {model.name: model for model in MODELS}


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_what_is_found_is_nearly_as_fast_as_the_best_fixed_setting(
    model: Model, tmp_path: Path
) -> None:
    best = min(
        pump(model, tmp_path, megabytes=LARGE_MB, concurrency=most, batch_bytes=size).seconds
        for most, size in FIXED
    )

    found = pump(model, tmp_path, megabytes=LARGE_MB)

    assert found.seconds <= best / 0.9


def test_a_d1_that_queues_little_is_not_overloaded(tmp_path: Path) -> None:
    model = BY_NAME["overloaded beyond 3 waiting"]

    found = pump(model, tmp_path, megabytes=LARGE_MB)
    greedy = pump(model, tmp_path, megabytes=LARGE_MB, concurrency=16)

    assert found.refused <= found.requests // 50
    assert greedy.refused > found.refused


def test_a_size_that_is_too_much_is_soon_not_tried_any_more(tmp_path: Path) -> None:
    found = pump(BY_NAME["resets above 1.5 MB"], tmp_path, megabytes=LARGE_MB)

    assert found.batch_bytes <= 1_500_000
    assert found.refused <= 8
