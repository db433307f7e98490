"""`streamer run`, as a user has it: real PostgreSQL, a real D1, a process of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.engines.postgres import Database
from tests.engines.workerd import Workerd
from tests.stories.command import Streamer
from tests.stories.compare import differences, our_leftovers

SAMPLE = (Path(__file__).parent.parent / "stories" / "sample.sql").read_text()

pytestmark = [pytest.mark.postgres, pytest.mark.workerd, pytest.mark.processes]


@pytest.fixture
async def streamer(
    database: Database, workerd_d1: Workerd, tmp_path: Path
) -> AsyncIterator[Streamer]:
    await database.execute(SAMPLE)
    uuid = workerd_d1.create(database.name)
    yield Streamer(tmp_path, database, workerd_d1, uuid)
    workerd_d1.delete(uuid)


async def differs(streamer: Streamer) -> list[str]:
    return await differences(streamer.source, streamer.target, streamer.uuid)


async def test_every_row_of_every_table_arrives(streamer: Streamer) -> None:
    done = streamer("run")

    assert done.code == 0, done.said
    assert await differs(streamer) == []
    assert our_leftovers(streamer.target, streamer.uuid) == []
