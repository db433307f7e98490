"""What tables too big to be counted are measured as, asked of real servers of two majors."""

from collections.abc import Mapping

import pytest

from streamer.config import Config, Selection, SourceSettings
from streamer.model import Known, Measure, Plan, QualifiedName, Secret, Speed
from streamer.plan.estimate import estimate
from streamer.postgres import PostgresSource, measures
from streamer.run.planning import plan_job
from tests.engines.postgres import Database

pytestmark = pytest.mark.postgres

EVENTS = QualifiedName("public", "events")
ANALYSED = """
CREATE TABLE events (id int PRIMARY KEY, note text) WITH (autovacuum_enabled = off);
CREATE INDEX even ON events (note) WHERE id % 2 = 0;
INSERT INTO events SELECT i, md5(i::text) FROM generate_series(1, 30000) AS i;
ANALYZE events"""
SEEN = Speed(round_trip_s=0.01, byte_s=2e-8, bytes_per_s=50e6)


async def measured(database: Database) -> tuple[Plan, Mapping[QualifiedName, Measure]]:
    """The plan of all tables, and what they are measured as."""
    config = Config(
        source=SourceSettings(dsn=Secret(database.dsn)), selection=Selection(schemas=("*",))
    )
    async with PostgresSource.open(config.source) as source:
        plan = await plan_job(source, config)
        return plan, await measures.measure(plan.tables, source.run)


@pytest.mark.parametrize("left", [0, 30])
async def test_where_nearly_all_rows_were_deleted_the_others_count_and_not_old_statistics(
    any_database: Database, monkeypatch: pytest.MonkeyPatch, left: int
) -> None:
    monkeypatch.setattr(measures, "COUNTED_BYTES", 0)
    await any_database.execute(ANALYSED)
    await any_database.execute(f"DELETE FROM events WHERE id > {left}")

    plan, found = await measured(any_database)

    (table,) = plan.tables
    assert table.table.rows == 30_000
    assert not measures.is_counted(table)
    assert found[EVENTS].rows == left
    assert list(found[EVENTS].indexed.values()) == [left // 2]
    cost = estimate(plan.tables, None, found, known=Known(speed=SEEN))
    assert cost.rows_written < 300
    assert cost.seconds < estimate(plan.tables, None, {}, known=Known(speed=SEEN)).seconds


async def test_a_big_table_whose_rows_are_there_counts_by_its_statistics(
    any_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measures, "COUNTED_BYTES", 0)
    await any_database.execute(ANALYSED)
    await any_database.execute("DELETE FROM events WHERE id > 15000")

    _, found = await measured(any_database)

    assert found[EVENTS].rows == 30_000


async def test_a_big_table_that_was_empty_when_it_was_analysed_is_counted(
    any_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measures, "COUNTED_BYTES", 0)
    await any_database.execute(ANALYSED)
    await any_database.execute("DELETE FROM events; ANALYZE events")
    await any_database.execute("INSERT INTO events SELECT i FROM generate_series(1, 1000) AS i")

    plan, found = await measured(any_database)

    assert plan.tables[0].table.rows == 0
    assert found[EVENTS].rows == 1_000
