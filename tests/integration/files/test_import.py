"""Transformed files into D1, without PostgreSQL, whatever happens on the way."""

from __future__ import annotations

import json
import re
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw
import pytest

from streamer.cli import main
from streamer.errors import InterruptedRunError
from streamer.files.manifest import read_transform
from streamer.files.source import checked
from tests.engines.postgres import Database, Postgres, now
from tests.stories.command import Streamer, ended
from tests.stories.compare import differences, our_leftovers
from tests.stories.reports import read_report

pytestmark = [pytest.mark.postgres, pytest.mark.workerd, pytest.mark.processes]


@pytest.fixture(scope="module")
def made(sample_source: Database, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample database's transformed files; not to be changed."""
    folder = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as context:
        context.setenv("POSTGRES_DSN", sample_source.dsn)
        context.chdir(folder)
        assert main(["export", "-q"]) == 0
        assert main(["transform", "-q"]) == 0
    return folder / "d1_migration_data"


@pytest.fixture
def importer(streamer: Streamer, made: Path) -> Streamer:
    """The command, with transformed files and a new D1 database; without PostgreSQL."""
    shutil.copytree(made, streamer.folder / "d1_migration_data")
    streamer.overrides = {"POSTGRES_DSN": ""}
    return streamer


def report(streamer: Streamer) -> dict[str, Any]:
    return read_report(streamer.folder / "d1_migration_data/import_report.json")


async def test_every_row_arrives_and_the_report_is_as_its_schema_says(importer: Streamer) -> None:
    done = importer("import")

    assert done.code == 0, done.said
    assert await differences(importer.source, importer.target, importer.uuid) == []
    assert our_leftovers(importer.target, importer.uuid) == []
    assert (report(importer)["command"], report(importer)["status"]) == ("import", "done")
    assert "moving rows" in (importer.folder / "d1_migration_data/import.log").read_text()
    again = importer("import", "--resume")
    assert (again.code, "finished" in again.stderr) == (0, True)


async def test_killed_in_the_middle_it_goes_on_and_is_the_same(importer: Streamer) -> None:
    small = ("import", "--batch-bytes", "20000", "--concurrency", "3", "--resume")
    kills = 0
    for requests in (15, 30):
        importer.target.stats(reset=True)
        process = importer.start(*small)
        while process.poll() is None:
            if importer.target.stats()["by"].get("POST raw", 0) >= requests:
                process.send_signal(signal.SIGKILL)
                break
        kills += ended(process).code == -signal.SIGKILL

    done = importer(*small)

    assert kills > 0
    assert done.code == 0, done.said
    assert await differences(importer.source, importer.target, importer.uuid) == []


def test_other_files_than_it_began_with_are_refused(importer: Streamer) -> None:
    place = {"match": "/raw", "contains": 'INTO \\"customer\\"', "times": 99}
    refusal = {"status": 400, "code": 7500, "message": "not authorized"}
    importer.target.set_faults({**place, **refusal})
    assert importer("import").code == 1
    importer.target.set_faults()
    path = importer.folder / "d1_migration_data/country_transformed.json"
    path.write_text(path.read_text().replace("Noreg", "Nareg"))

    refused = importer("import", "--resume", "--edited")

    assert refused.code == 2, refused.said
    assert "the files aren't those" in refused.stderr


async def test_a_finished_import_is_not_taken_for_that_of_other_files(importer: Streamer) -> None:
    assert importer("import").code == 0
    path = importer.folder / "d1_migration_data/country_transformed.json"
    path.write_text(path.read_text().replace("Noreg", "Nareg"))

    refused = importer("import", "--resume", "--edited")
    del importer.overrides["POSTGRES_DSN"]
    of_postgres = importer("run", "--resume")

    assert (refused.code, "the files aren't those" in refused.stderr) == (2, True), refused.said
    assert (of_postgres.code, "an import of files" in of_postgres.stderr) == (2, True)


@pytest.fixture
def files(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Transformed files, in the folder that steps work in, in this process."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(made, tmp_path / "d1_migration_data")
    return tmp_path / "d1_migration_data"


def test_a_dry_run_reads_all_files_and_needs_no_settings(files: Path, capsys: Any) -> None:
    assert main(["import", "--dry-run"]) == 0

    said = capsys.readouterr().out
    assert "read, nothing wrong" in said
    assert "requests" in said
    assert not (files.parent / "streamer.checkpoint.db").exists()


@pytest.fixture
def packed(postgres: Postgres) -> Iterator[Database]:
    """A database whose one table PostgreSQL keeps in a fiftieth of its length."""
    database = now(postgres.create_database())
    now(database.execute("CREATE TABLE doc (id int PRIMARY KEY, body text)"))
    rows = "SELECT n, repeat('kůň ', 2000) FROM generate_series(1, 1000) AS n"
    now(database.execute(f"INSERT INTO doc {rows}"))
    now(database.execute("VACUUM ANALYZE doc"))
    yield database
    now(postgres.drop_database(database.name))


def test_a_dry_run_estimates_by_what_the_files_hold(
    packed: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setenv("POSTGRES_DSN", packed.dsn)
    monkeypatch.chdir(tmp_path)
    assert main(["export", "-q"]) == main(["transform", "-q"]) == 0
    capsys.readouterr()

    assert main(["import", "--dry-run"]) == 0

    estimate = re.search(r"requests +(\d+)\n(?:.*\n)+?  size +([\d.]+) MB", capsys.readouterr().out)
    assert estimate is not None
    assert main(["import", "--target", "sqlite:doc.db", "-q"]) == 0
    done = read_report(tmp_path / "d1_migration_data/import_report.json")["totals"]["requests"]
    assert float(estimate[2]) == pytest.approx((tmp_path / "doc.db").stat().st_size / 1e6, rel=0.05)
    assert int(estimate[1]) == pytest.approx(done, abs=4)


def test_how_much_of_the_files_was_read_is_told(files: Path) -> None:
    manifest = read_transform(files)
    blocks = list[int]()

    checked(files, manifest, edited=False, heed=lambda: None, tell=blocks.append)

    assert sum(blocks) == sum(table.file.bytes for table in manifest.tables)


WRONG = {
    "cut off": (lambda text: text[: len(text) // 2], "country_transformed.json, line"),
    "a row is missing": (
        lambda text: "".join(
            text.splitlines(keepends=True)[:2] + text.splitlines(keepends=True)[3:]
        ),
        "rows, and",
    ),
    "another value": (lambda text: text.replace("Noreg", "Nareg"), "SHA-256"),
    "a number": (lambda text: text.replace('"name":"', '"name":7,"was":"', 1), "line 2"),
}


@pytest.mark.parametrize(("edit", "words"), WRONG.values(), ids=WRONG)
def test_files_that_are_not_what_was_written_are_refused_and_nothing_is_sent(
    files: Path, edit: Any, words: str, capsys: Any
) -> None:
    path = files / "country_transformed.json"
    text = path.read_text()
    path.write_text(edit(text))
    assert path.read_text() != text

    code = main(["import", "--target", "sqlite:target.db"])

    said = capsys.readouterr().err
    assert code == 1, said
    assert words in said
    assert not (files.parent / "target.db").exists()


def test_reading_files_ends_as_soon_as_it_is_to_stop(files: Path) -> None:
    heard = list[int]()

    def heed() -> None:
        heard.append(1)
        if len(heard) == 3:
            raise InterruptedRunError("stopped by a signal")

    with pytest.raises(InterruptedRunError):
        checked(files, read_transform(files), edited=False, heed=heed)


def test_edited_files_are_taken_where_the_user_says_so(files: Path, capsys: Any) -> None:
    path = files / "country_transformed.json"
    rows = json.loads(path.read_text())
    name = rows[0]["name"]
    path.write_text(path.read_text().replace(json.dumps(name, ensure_ascii=False), '"edited"'))

    code = main(["import", "--target", "sqlite:target.db", "--edited", "-q"])

    assert code == 0, capsys.readouterr().err
    target = apsw.Connection("target.db")
    assert (1,) in list(target.execute("SELECT count(*) FROM country WHERE name = 'edited'"))


def test_an_edited_row_that_has_a_column_twice_is_told_and_nothing_is_sent(
    files: Path, capsys: Any
) -> None:
    path = files / "country_transformed.json"
    path.write_text(path.read_text().replace('"name":', '"name":"Neverland", "name" : ', 1))

    code = main(["import", "--target", "sqlite:target.db", "--edited"])

    said = capsys.readouterr().err
    assert code == 1, said
    assert "country_transformed.json, line 2" in said
    assert "name: it is given twice" in said
    assert "Neverland" not in said
    assert not (files.parent / "target.db").exists()


def test_a_dry_run_counts_the_rows_that_edited_files_have_now(files: Path, capsys: Any) -> None:
    path = files / "country_transformed.json"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join([*lines[:1], *lines[2:]]))
    manifest = read_transform(files)
    written = sum(table.file.rows for table in manifest.tables)

    assert main(["import", "--dry-run", "--edited"]) == 0

    assert f": {written - 1:,} rows" in capsys.readouterr().out


def test_without_files_it_says_what_comes_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)

    assert main(["import", "--dry-run"]) == 1
    assert "streamer transform" in capsys.readouterr().err
