"""Folders that hold an export already: what the next `streamer export` makes of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from streamer.files.manifest import read_export
from tests.engines.postgres import Database
from tests.engines.sqlite_file import PlainFile
from tests.stories.command import Streamer

pytestmark = [pytest.mark.postgres, pytest.mark.processes]

TABLES = """
CREATE TABLE orders (id int PRIMARY KEY);
INSERT INTO orders SELECT generate_series(1, 100);
"""

MORE_WHEN_COUNTED = """
CREATE VIEW more AS SELECT n AS id
FROM generate_series(1, CASE WHEN current_query() LIKE '%count(%' THEN 3 ELSE 2 END) AS n;
"""


@pytest.fixture
async def exporter(database: Database, tmp_path: Path) -> Streamer:
    await database.execute(TABLES)
    return Streamer(tmp_path, database, PlainFile(tmp_path / "none.db"), "")


async def test_a_new_export_whose_disk_is_full_leaves_the_finished_one_as_it_is(
    exporter: Streamer,
) -> None:
    folder = exporter.folder / "migration_data"
    # What an export writes down of these takes more room than opening its checkpoint.
    columns = ", ".join(f"{'c' * 50}_{n} int" for n in range(90))
    for table in range(8):
        await exporter.source.execute(f"CREATE TABLE wide_{table} (id int PRIMARY KEY, {columns})")
    done = exporter("export")
    await exporter.source.execute("INSERT INTO orders VALUES (101)")

    exporter.program = ("tests.stories.small_disk", "40000")
    stopped = exporter("export", "-q")
    exporter.program = ("streamer",)
    kept = read_export(folder)
    again = exporter("export", "--resume")

    assert done.code == 0, done.said
    assert (stopped.code, "export.checkpoint.db" in stopped.stderr) == (1, True), stopped.said
    assert "--resume" not in stopped.stderr
    assert sum(table.file.rows for table in kept.tables) == 100
    assert (again.code, "a new one starts" in again.stderr) == (0, True), again.said
    assert sum(table.file.rows for table in read_export(folder).tables) == 101


async def test_a_new_export_that_ends_before_it_begins_is_what_a_resume_makes(
    exporter: Streamer,
) -> None:
    folder = exporter.folder / "migration_data"
    assert exporter("export").code == 0
    await exporter.source.execute("INSERT INTO orders VALUES (101)")
    exporter.overrides["STREAMER_RENAME"] = "orders.nothing=something"
    refused = exporter("export")
    kept = read_export(folder)
    del exporter.overrides["STREAMER_RENAME"]

    again = exporter("export", "--resume")

    assert refused.code == 2, refused.said
    assert [table.file.rows for table in kept.tables] == [100]
    assert (again.code, "a new one starts" in again.stderr) == (0, True), again.said
    assert [table.file.rows for table in read_export(folder).tables] == [101]


async def test_a_manifest_that_cannot_be_removed_is_named_and_gone_before_files_are_written(
    exporter: Streamer,
) -> None:
    manifest = exporter.folder / "migration_data" / "export_manifest.json"
    assert exporter("export").code == 0
    finished = manifest.read_bytes()
    manifest.unlink()
    manifest.mkdir()
    stuck = exporter("export")
    manifest.rmdir()
    manifest.write_bytes(finished)
    (manifest.parent / "orders.json.part").mkdir()

    stopped = exporter("export", "--resume")

    assert (stuck.code, "export_manifest.json can't be written" in stuck.stderr) == (1, True), (
        stuck.said
    )
    assert (stopped.code, "orders.json.part" in stopped.stderr) == (1, True), stopped.said
    assert not manifest.exists()


async def test_an_export_without_its_manifest_is_not_taken_for_a_finished_one(
    exporter: Streamer,
) -> None:
    folder = exporter.folder / "migration_data"
    assert exporter("export").code == 0
    (folder / "export_manifest.json").unlink()

    again = exporter("export", "--resume")

    assert (again.code, "a new one starts" in again.stderr) == (0, True), again.said
    assert [table.file.rows for table in read_export(folder).tables] == [100]


async def test_rows_that_came_between_two_starts_are_no_difference_to_files_of_the_first(
    exporter: Streamer,
) -> None:
    report = exporter.folder / "migration_data" / "export_report.json"
    await exporter.source.execute("CREATE TABLE nothing (id int PRIMARY KEY)")
    report.mkdir(parents=True)  # so that the first start ends behind the files, unfinished
    stopped = exporter("export", "--validate")
    report.rmdir()
    await exporter.source.execute("INSERT INTO orders VALUES (101); INSERT INTO nothing VALUES (1)")

    done = exporter("export", "--resume", "--validate")

    assert (stopped.code, "export_report.json" in stopped.stderr) == (1, True), stopped.said
    assert done.code == 0, done.said
    assert "2 not counted" in done.stderr
    assert sum(table.file.rows for table in read_export(report.parent).tables) == 100


async def test_rows_that_are_missing_in_a_file_are_noticed_also_where_a_resume_read_them(
    exporter: Streamer,
) -> None:
    folder = exporter.folder / "migration_data"
    await exporter.source.execute(MORE_WHEN_COUNTED)
    (exporter.folder / "streamer.toml").write_text('[tables.more]\nkey = ["id"]\n')
    (folder / "more.json.part").mkdir(parents=True)
    stopped = exporter("export", "--validate", "--config", "streamer.toml")
    (folder / "more.json.part").rmdir()

    done = exporter("export", "--resume", "--validate", "--config", "streamer.toml")

    assert (stopped.code, "more.json.part" in stopped.stderr) == (1, True), stopped.said
    assert (done.code, "2 rows in more.json, 3 in PostgreSQL" in done.stderr) == (3, True), (
        done.said
    )
