"""Memory stays within its bound, whatever is big or many."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.engines.postgres import Database
from tests.engines.workerd import Workerd
from tests.stories.command import Streamer

MB = 1_000_000
FAT_BOUND, BOUND = 250 * MB, 150 * MB  # a process that has only read the catalog takes about 70 MB

pytestmark = [pytest.mark.postgres, pytest.mark.workerd, pytest.mark.processes]


@pytest.fixture
async def streamer(
    database: Database, workerd_d1: Workerd, tmp_path: Path
) -> AsyncIterator[Streamer]:
    uuid = workerd_d1.create(database.name)
    yield Streamer(tmp_path, database, workerd_d1, uuid, program=("tests.stories.measured",))
    workerd_d1.delete(uuid)


def peak_bytes(streamer: Streamer, *options: str) -> int:
    """Run the command to its end, which must be a good one; the most memory that it had."""
    done = streamer("run", "--progress", "none", *options)
    assert done.code == 0, done.said
    return int((streamer.folder / "peak").read_text())


async def test_fault_26_rows_of_nearly_two_megabytes_do_not_pile_up(streamer: Streamer) -> None:
    rows = 150
    await streamer.source.execute(
        "CREATE TABLE fat (id int PRIMARY KEY, body text);"
        f"INSERT INTO fat SELECT n, repeat('fat ', 480000) FROM generate_series(1, {rows}) AS n"
    )

    peak = await asyncio.to_thread(peak_bytes, streamer)

    assert peak < FAT_BOUND < rows * 1_920_000
    sizes = "SELECT count(*), sum(length(body)) FROM fat"
    assert streamer.target.rows(streamer.uuid, sizes) == [[rows, rows * 1_920_000]]


async def test_fault_26_many_tables_of_a_hundred_columns_take_no_more(streamer: Streamer) -> None:
    tables = 60
    columns = ", ".join(f"c{n} text DEFAULT 'some text'" for n in range(1, 99))
    for first in range(0, tables, 20):
        await streamer.source.execute(
            "".join(
                f"CREATE TABLE t{n} (id int PRIMARY KEY, {columns});"
                f"INSERT INTO t{n} (id) SELECT generate_series(1, 10);"
                for n in range(first, first + 20)
            )
        )

    peak = await asyncio.to_thread(peak_bytes, streamer, "--consistency", "rolling")

    assert peak < BOUND
    assert streamer.report["totals"]["rows_written"] == 10 * tables
