"""`streamer export`, as a user has it."""

from __future__ import annotations

import asyncio
import gzip
import json
import signal
from pathlib import Path
from typing import Any

import orjson
import pytest
import zstandard
from jsonschema import validate

from streamer.files.manifest import read_export
from streamer.files.report import schema
from tests.engines.postgres import Database
from tests.engines.sqlite_file import PlainFile
from tests.stories.command import Streamer, ended
from tests.stories.reports import read_report

pytestmark = [pytest.mark.postgres, pytest.mark.processes]

TABLES = """
CREATE TABLE people (
  id bigint PRIMARY KEY, name text, born date, seen timestamptz, ok boolean, price numeric(20,4),
  half real, data json, pic bytea, doubled bigint GENERATED ALWAYS AS (id * 2) STORED);
INSERT INTO people VALUES
  (-9223372036854775808, 'a "b" \\ é' || chr(10) || '😀', '0044-03-15 BC', '2024-01-15 10:30:45.5+05:30', true, 1.50, 'NaN', '{"b":1.10, "b":2}', '\\x00ff'),
  (2, NULL, 'infinity', '-infinity', NULL, NULL, NULL, NULL, NULL),
  (3, '', '2024-02-29', '2024-01-01 00:00:00+00', false, 'NaN', 0.1, 'null', '');
CREATE SCHEMA audit;
CREATE TABLE audit."log 1" (what text);
INSERT INTO audit."log 1" SELECT 'row ' || n FROM generate_series(1, 2000) AS n;
CREATE TABLE nothing (id int PRIMARY KEY);
""".replace("\\\\", "\\")  # fmt: skip


@pytest.fixture
async def exporter(database: Database, tmp_path: Path) -> Streamer:
    await database.execute(TABLES.replace("id * 2) STORED", "id / 2) STORED"))
    return Streamer(tmp_path, database, PlainFile(tmp_path / "none.db"), "")


def read(path: Path) -> list[dict[str, Any]]:
    return json.loads(path.read_text())


async def test_each_table_is_a_json_array_with_a_row_a_line_and_lossless_values(
    exporter: Streamer,
) -> None:
    done = exporter("export", "--schema", "*", "--validate")

    assert done.code == 0, done.said
    folder = exporter.folder / "migration_data"
    assert read(folder / "people.json") == [
        {
            "id": -9223372036854775808, "name": 'a "b" \\ é\n😀', "born": "0044-03-15 BC",
            "seen": "2024-01-15T05:00:45.5+00:00", "ok": True, "price": "1.5000", "half": "NaN",
            "data": '{"b":1.10, "b":2}', "pic": "\\x00ff", "doubled": -4611686018427387904,
        },
        {
            "id": 2, "name": None, "born": "infinity", "seen": "-infinity", "ok": None, "price": None,
            "half": None, "data": None, "pic": None, "doubled": 1,
        },
        {
            "id": 3, "name": "", "born": "2024-02-29", "seen": "2024-01-01T00:00:00+00:00",
            "ok": False, "price": "NaN", "half": 0.1, "data": "null", "pic": "\\x", "doubled": 1,
        },
    ]  # fmt: skip
    assert len((folder / "people.json").read_text().splitlines()) == 3 + 2
    assert read(folder / "audit.log%201.json") == [{"what": f"row {n}"} for n in range(1, 2001)]
    assert (folder / "nothing.json").read_text() == "[\n]\n"


async def test_what_lies_beside_the_files_is_as_the_schemas_say_and_nobody_elses(
    exporter: Streamer,
) -> None:
    done = exporter("export", "--schema", "*", "--validate")

    assert done.code == 0, done.said
    folder = exporter.folder / "migration_data"
    report = read_report(folder / "export_report.json")
    validate(
        orjson.loads((folder / "export_manifest.json").read_bytes()), schema("export_manifest")
    )
    assert (report["status"], report["validated"], report["totals"]["rows_written"]) == (
        "done",
        True,
        2003,
    )
    assert [str(table.name) for table in read_export(folder).tables] == [
        t["name"] for t in report["tables"]
    ]
    assert "people.json" in (folder / "export.log").read_text()
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
    assert exporter.source.password not in "".join(
        path.read_text(errors="replace") for path in folder.iterdir()
    )


@pytest.mark.parametrize(("how", "ending", "opened"), [("gzip", "gz", gzip.decompress), ("zstd", "zst", zstandard.ZstdDecompressor().decompressobj)])  # fmt: skip
async def test_files_can_be_lines_and_compressed(
    exporter: Streamer, how: str, ending: str, opened
) -> None:
    done = exporter("export", "--format", "ndjson", "--compress", how, "--validate")

    assert done.code == 0, done.said
    data = (exporter.folder / "migration_data" / f"people.ndjson.{ending}").read_bytes()
    text = opened(data) if how == "gzip" else opened().decompress(data)
    assert [json.loads(line)["id"] for line in text.splitlines()] == [-9223372036854775808, 2, 3]


async def test_a_dry_run_tests_the_connection_and_makes_nothing(exporter: Streamer) -> None:
    done = exporter("export", "--dry-run")

    assert done.code == 0, done.said
    assert "migration_data/people.json" in done.stdout
    assert "connection works" in done.stderr
    assert [path.name for path in exporter.folder.iterdir() if path.name != "state"] == []


async def test_killed_at_any_moment_it_goes_on_and_is_the_same(exporter: Streamer) -> None:
    await exporter.source.execute(
        "CREATE TABLE big AS SELECT n AS id, repeat('x', 2000) AS body FROM generate_series(1, 30000) AS n;"
        "ALTER TABLE big ADD PRIMARY KEY (id)"
    )
    folder = exporter.folder / "migration_data"
    process = exporter.start("export", "--compress", "gzip")
    part = folder / "big.json.gz.part"
    checkpoint = folder / "export.checkpoint.db"
    while process.poll() is None:
        if part.exists() and part.stat().st_size > 100_000 and checkpoint.exists():
            process.send_signal(signal.SIGKILL)
            break
    assert ended(process).code == -signal.SIGKILL

    refused = exporter("export", "--compress", "gzip")
    changed = exporter("export", "--resume")
    done = exporter("export", "--resume", "--compress", "gzip", "--validate")
    again = exporter("export", "--resume", "--compress", "gzip")

    assert (refused.code, "--resume" in refused.stderr) == (2, True)
    assert (changed.code, "compression" in changed.stderr) == (2, True)
    assert done.code == 0, done.said
    rows = json.loads(gzip.decompress((folder / "big.json.gz").read_bytes()))
    assert [row["id"] for row in rows] == [*range(1, 30001)]
    assert (again.code, "finished" in again.stderr) == (0, True)
    assert not list(folder.glob("*.part"))


async def test_a_signal_stops_it_resumably(exporter: Streamer) -> None:
    await exporter.source.execute(
        "CREATE TABLE big AS SELECT n AS id, repeat('x', 2000) AS body FROM generate_series(1, 40000) AS n;"
        "ALTER TABLE big ADD PRIMARY KEY (id)"
    )
    folder = exporter.folder / "migration_data"
    process = exporter.start("export")
    part = folder / "big.json.part"
    while process.poll() is None and not (part.exists() and part.stat().st_size > 1_000_000):
        pass
    process.send_signal(signal.SIGTERM)
    stopped = ended(process)

    assert stopped.code == 75, stopped.said
    report = read_report(folder / "export_report.json")
    assert report["status"] == "stopped"
    assert not (folder / "export_manifest.json").exists()
    done = exporter("export", "--resume", "--validate")
    assert done.code == 0, done.said
    assert "going on behind" in done.stderr
    assert [row["id"] for row in read(folder / "big.json")] == [*range(1, 40001)]


async def test_a_signal_ends_it_at_once_where_it_waits_for_the_source(exporter: Streamer) -> None:
    connection = await exporter.source.connect()
    try:
        async with connection.transaction():
            await connection.execute("LOCK TABLE people IN ACCESS EXCLUSIVE MODE")
            process = exporter.start("export")
            waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
            while (await exporter.source.fetch(waiting))[0][0] == 0:
                assert process.poll() is None
            process.send_signal(signal.SIGTERM)
            stopped = await asyncio.to_thread(ended, process)
    finally:
        await connection.close()

    assert stopped.code == 75, stopped.said
    assert "streamer export --resume" in stopped.stderr
    assert "SIGTERM again" not in stopped.stderr
