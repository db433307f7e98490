"""What the tests of faults share."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.engines.postgres import Database
from tests.engines.workerd import Workerd
from tests.faults.between import Between
from tests.stories.command import Streamer


@pytest.fixture
async def between(workerd_d1: Workerd) -> AsyncIterator[Between]:
    """A proxy before the real D1, which says when what passes."""
    async with Between(workerd_d1) as proxy:
        yield proxy


@pytest.fixture
def streamer(database: Database, workerd_d1: Workerd, tmp_path: Path) -> Iterator[Streamer]:
    """The command between an empty PostgreSQL database and an empty one of the real D1."""
    uuid = workerd_d1.create(database.name)
    yield Streamer(tmp_path, database, workerd_d1, uuid)
    workerd_d1.set_faults()
    workerd_d1.delete(uuid)
