"""What somebody else does to the source keeps its constraints, as PostgreSQL would see to."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable

import pytest

from tests.simulation.changes import change, uniques
from tests.simulation.rows import Postgres
from tests.simulation.shapes import SHAPES, Shape, make_of

_SEEDS = 30
_CHANGES = 60


@pytest.mark.parametrize("shape", SHAPES)
def test_every_reference_leads_somewhere_and_values_are_there_once(
    shape: Callable[[], Shape],
) -> None:
    for seed in range(_SEEDS):
        dice = random.Random(seed)
        server = make_of([shape], dice, dice.choice([3, 12]))

        for _ in range(_CHANGES):
            change(server, dice)

            assert not _loose_ends(server), seed
            assert not _twice(server), seed


def _loose_ends(server: Postgres) -> list[str]:
    return [
        f"{name}.{key.columns[0]}: {version.cells}"
        for name, stored in server.tables.items()
        for key in stored.table.foreign_keys
        for version in server.live(name)
        if (cell := version.cells[key.columns[0]]) is not None
        and all(v.cells[key.parent_columns[0]] != cell for v in server.live(str(key.parent)))
    ]


def _twice(server: Postgres) -> list[str]:
    return [
        f"{name}: {columns} {values}"
        for name, stored in server.tables.items()
        for columns in [*uniques(stored), *([stored.key] if stored.key else [])]
        for values, times in Counter(
            tuple(v.cells[column] for column in columns) for v in server.live(name)
        ).items()
        if times > 1 and None not in values
    ]
