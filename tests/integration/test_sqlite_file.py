"""`streamer run --target sqlite:FILE`: the tables in a plain file, whatever happens on the way."""

from __future__ import annotations

import json
import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from streamer.targets.place import Place
from tests.engines.postgres import Database
from tests.engines.sqlite_file import PlainFile
from tests.stories.command import Streamer, ended
from tests.stories.compare import differences

pytestmark = [pytest.mark.postgres, pytest.mark.processes]

SMALL_REQUESTS = ("--batch-bytes", "64000", "--progress", "none")
KEYED = ("--exclude", "log")  # which has no key, and so can't be brought up to date


@pytest.fixture
def file(tmp_path: Path) -> PlainFile:
    return PlainFile(tmp_path / "shop.db")


@pytest.fixture
def streamer(sample_source: Database, file: PlainFile, tmp_path: Path) -> Streamer:
    """The command, with no Cloudflare settings, from the sample database into a file."""
    return Streamer(tmp_path, sample_source, file, "")


def own_objects(file: PlainFile) -> list[object]:
    names = "name LIKE '\\_streamer%' ESCAPE '\\' OR name LIKE '\\_cf%' ESCAPE '\\'"
    return file.rows("", f"SELECT name FROM sqlite_schema WHERE {names}")


async def assert_moved_whole(streamer: Streamer, file: PlainFile) -> None:
    """The file holds what the source holds, and nothing else; any program can open it."""
    assert await differences(streamer.source, file, "") == []
    assert file.rows("", "PRAGMA integrity_check") == [["ok"]]
    assert file.rows("", "PRAGMA journal_mode") == [["delete"]]
    assert own_objects(file) == []
    assert file.beside() == set()


async def test_every_row_of_every_table_arrives_in_a_plain_file(
    streamer: Streamer, file: PlainFile
) -> None:
    done = streamer("run", "--target", f"sqlite:{file.path.name}")

    assert done.code == 0, done.said
    await assert_moved_whole(streamer, file)
    assert file.path.stat().st_mode & 0o777 == 0o600
    where = f"sqlite:{file.path}"
    assert streamer.report["target"] == {"kind": "sqlite", "database": where}
    assert streamer.report["totals"]["d1_rows_written"] > 8756
    assert f"into {where}" in streamer("status").stdout
    assert json.loads(streamer("status", "--json").stdout)["target"]["kind"] == "sqlite"


async def test_a_run_killed_again_and_again_is_resumed_to_the_same_file(
    streamer: Streamer, file: PlainFile
) -> None:
    moments = ["before", "within", "after"]
    kills = 0
    for round_, number in enumerate((5, 9, 17, 20, 11, 14, 6)):
        dying = ("tests.stories.killed", str(number), moments[round_ % 3])
        mortal = replace(streamer, program=dying)
        process = mortal.start("run", "--resume", *SMALL_REQUESTS)
        kills += ended(process).code == -signal.SIGKILL

    done = streamer("run", "--resume", *SMALL_REQUESTS)

    assert kills >= 5
    assert done.code == 0, done.said
    await assert_moved_whole(streamer, file)


async def test_an_existing_file_is_an_existing_database(
    streamer: Streamer, file: PlainFile
) -> None:
    assert streamer("run").code == 0
    before = file.path.read_bytes()

    refused = streamer("run")
    assert (refused.code, "--if-exists" in refused.stderr) == (2, True), refused.said
    assert file.path.read_bytes() == before

    for table in ("invoice", "staff"):
        file.rows("", f"DELETE FROM {table} WHERE rowid % 3 = 0")
    file.rows("", "UPDATE customer SET email = 'old' || rowid")
    upserted = streamer("run", "--if-exists", "upsert", *KEYED)
    assert upserted.code == 0, upserted.said
    await assert_moved_whole(streamer, file)

    file.rows("", "INSERT INTO log SELECT * FROM log")
    replaced = streamer("run", "--if-exists", "replace")
    assert replaced.code == 0, replaced.said
    await assert_moved_whole(streamer, file)


async def test_a_run_goes_on_in_no_other_file_and_in_no_database(
    streamer: Streamer, file: PlainFile
) -> None:
    dying = replace(streamer, program=("tests.stories.killed", "9", "after"))
    assert ended(dying.start("run", *SMALL_REQUESTS)).code == -signal.SIGKILL

    other = streamer("run", "--resume", "--target", "sqlite:other.db")

    assert other.code == 2
    assert f"sqlite:{file.path}, not sqlite:" in other.stderr
    assert not (streamer.folder / "other.db").exists()
    assert streamer("run", "--resume").code == 0
    done = streamer("run", "--resume", "--target", "sqlite:other.db")
    assert (done.code, "another target" in done.stderr) == (2, True)
    await assert_moved_whole(streamer, file)


async def test_a_file_that_another_process_writes_is_refused_and_the_process_named(
    streamer: Streamer, file: PlainFile
) -> None:
    place = Place.take(file.path)

    second, doctor = streamer("run"), streamer("doctor")

    assert (second.code, doctor.code) == (1, 1)
    assert f"in use by process {os.getpid()}" in second.stderr
    assert f"in use by process {os.getpid()}" in doctor.stdout
    place.leave(unused=True)


@pytest.mark.parametrize(
    ("target", "says"),
    [
        ("sqlite:", "'sqlite:' is not a target; write d1, sqlite:FILE or wrangler:DIR"),
        ("postgres", "'postgres' is not a target; write d1, sqlite:FILE or wrangler:DIR"),
        ("sqlite:no/shop.db", "there is no folder"),
        ("sqlite:streamer.checkpoint.db", "is the checkpoint; write another file"),
        ("sqlite:run_report.json", "is the report; write another file"),
        ("sqlite:.", "is a folder, not a SQLite database"),
        ("sqlite:notes.txt", "is not a SQLite database"),
    ],
)
def test_a_target_that_cannot_be_one_is_one_line_and_touches_nothing(
    streamer: Streamer, target: str, says: str
) -> None:
    notes = streamer.folder / "notes.txt"
    notes.write_text("precious")

    done = streamer("run", "--target", target)

    assert (done.code, done.stdout) == (2, "")
    assert says in done.stderr
    assert notes.read_text() == "precious"
    said = [line for line in done.stderr.splitlines() if not line.startswith("  ")]
    # The source is looked at meanwhile, which is logged.
    assert [line for line in said if not line.endswith(" info reading the catalog")] == said[-1:]


async def test_a_run_that_is_refused_leaves_no_file(
    streamer: Streamer, file: PlainFile, database: Database
) -> None:
    await database.execute('CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE "T" (id int)')
    streamer = replace(streamer, source=database)

    refused = streamer("run")

    assert refused.code == 2, refused.said
    assert not file.path.exists()


def test_the_doctor_looks_at_a_file_and_makes_none(streamer: Streamer, file: PlainFile) -> None:
    missing = streamer("doctor")
    assert missing.code == 0, missing.said
    assert "isn't there yet; a run makes it" in missing.stdout
    assert not file.path.exists()

    file.rows("", "CREATE TABLE country (code TEXT PRIMARY KEY) STRICT")
    file.rows("", "INSERT INTO country VALUES ('x')")
    there = streamer("doctor")

    assert there.code == 0, there.said
    assert f"file: {file.path}: a SQLite file" in there.stdout
    assert "rows are in tables that a run would fill: country" in there.stdout
