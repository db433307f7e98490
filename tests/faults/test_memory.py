"""Memory stays within its bound, whatever is big or many."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.engines.local_d1 import LocalD1Process
from tests.engines.postgres import Database
from tests.engines.workerd import Workerd
from tests.stories.command import Streamer

MB = 1_000_000
FAT_BOUND, BOUND = 200 * MB, 150 * MB  # 70 MB of them are the program's own

pytestmark = [pytest.mark.postgres, pytest.mark.workerd, pytest.mark.processes]


@pytest.fixture
async def streamer(
    database: Database, workerd_d1: Workerd, tmp_path: Path
) -> AsyncIterator[Streamer]:
    uuid = workerd_d1.create(database.name)
    yield Streamer(tmp_path, database, workerd_d1, uuid, program=("tests.stories.measured",))
    workerd_d1.set_faults()
    workerd_d1.delete(uuid)


@pytest.fixture
async def into_local(
    database: Database, local_d1: LocalD1Process, tmp_path: Path
) -> AsyncIterator[Streamer]:
    """As `streamer`, into the D1 that is quicker at making tables."""
    uuid = local_d1.create(database.name)
    yield Streamer(tmp_path, database, local_d1, uuid, program=("tests.stories.measured",))
    local_d1.delete(uuid)


def peak_bytes(streamer: Streamer, *options: str) -> int:
    """Run the command to its end, which must be a good one; the most memory that it had."""
    done = streamer("run", "--progress", "none", *options)
    assert done.code == 0, done.said
    return int((streamer.folder / "peak").read_text())


async def test_fault_26_rows_of_nearly_two_megabytes_do_not_pile_up(streamer: Streamer) -> None:
    tables, rows = 4, 40
    for table in range(tables):
        await streamer.source.execute(
            f"CREATE TABLE fat{table} (id int PRIMARY KEY, body text);"
            f"INSERT INTO fat{table} "
            f"SELECT n, repeat('fat ', 480000) FROM generate_series(1, {rows}) AS n"
        )
    # Slower than PostgreSQL: all that is read waits.
    slow = {"match": "/raw", "contains": 'INTO \\"fat', "times": tables * rows, "delay_ms": 200}
    streamer.target.set_faults(slow)

    peak = await asyncio.to_thread(peak_bytes, streamer, "--concurrency", "8")

    assert peak < FAT_BOUND < tables * rows * 1_920_000
    for table in range(tables):
        sizes = f"SELECT count(*), sum(length(body)) FROM fat{table}"
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


async def test_fault_26_a_thousand_tables_take_no_more(into_local: Streamer) -> None:
    tables = 1_000
    for first in range(0, tables, 250):
        await into_local.source.execute(
            "".join(
                f"CREATE TABLE t{n} (id int PRIMARY KEY, a int, b int);"
                f"INSERT INTO t{n} VALUES (1, 2, 3);"
                for n in range(first, first + 250)
            )
        )

    peak = await asyncio.to_thread(peak_bytes, into_local)

    assert peak < BOUND
    totals = into_local.report["totals"]
    assert totals["rows_written"] == tables
    assert totals["requests"] < tables / 10
