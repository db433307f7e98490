"""The sample database, loaded once for all tests that only read it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engines.postgres import Database, Postgres, now
from tests.engines.workerd import Workerd
from tests.stories.command import Streamer

SAMPLE = (Path(__file__).parent.parent / "stories" / "sample.sql").read_text()


@pytest.fixture(scope="session")
def sample_source(postgres: Postgres) -> Database:
    """The sample database; not to be changed."""
    database = now(postgres.create_database("sample"))
    database.execute_now(SAMPLE)
    return database


@pytest.fixture
def streamer(sample_source: Database, workerd_d1: Workerd, tmp_path: Path) -> Iterator[Streamer]:
    """The command, from the sample database into a new D1 database."""
    uuid = workerd_d1.create(tmp_path.name)
    yield Streamer(tmp_path, sample_source, workerd_d1, uuid)
    workerd_d1.set_faults()
    workerd_d1.delete(uuid)
