"""The whole way in steps: what `run` gives, cell by cell, whatever happens on the way."""

from __future__ import annotations

import json
import shutil
import signal
from pathlib import Path
from typing import Any

import apsw
import orjson
import pytest
from jsonschema import validate

from streamer.cli import main
from streamer.progress.report import schema
from tests.engines.postgres import Database
from tests.engines.sqlite_file import PlainFile
from tests.stories.command import Streamer, ended
from tests.stories.compare import differences, our_leftovers

pytestmark = [pytest.mark.postgres, pytest.mark.workerd, pytest.mark.processes]

TORTURE = (Path(__file__).parents[2] / "torture" / "torture.sql").read_text()
SELECTED = ("--schema", "*", "--rename", "Sales.orders=Sales2_orders", "--rename", "json_each=json_each_table", "--skip-refused")  # fmt: skip
WITHOUT_KEY = {"i_child", "k_nopk", "k_rowid"}


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
    found = orjson.loads((streamer.folder / "d1_migration_data/import_report.json").read_bytes())
    validate(found, schema())
    return found


def contents(path: Path) -> dict[str, Any]:
    """Every table's SQL, and its rows with their types; row numbers of tables without a key aside."""
    connection = apsw.Connection(str(path))
    found: dict[str, Any] = {}
    for kind, name, sql in list(connection.execute("SELECT type, name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%'")):  # fmt: skip
        found[f"{kind} {name}"] = sql
        if kind != "table":
            continue
        quoted = name.replace('"', '""')
        columns = [
            c for (c,) in connection.execute("SELECT name FROM pragma_table_info(?)", (name,))
        ]
        cells = ", ".join('typeof("{0}"), "{0}"'.format(c.replace('"', '""')) for c in columns if c != "_streamer_row")  # fmt: skip
        found[f"rows of {name}"] = sorted(connection.execute(f'SELECT {cells} FROM "{quoted}"'), key=repr)  # fmt: skip
    return found


async def test_the_steps_give_what_run_gives_cell_by_cell(
    database: Database, tmp_path: Path
) -> None:
    connection = await database.connect()
    connection.add_log_listener(lambda *_: None)  # what a server has no extension for is skipped
    await connection.execute(TORTURE)
    await connection.close()
    whole, steps = PlainFile(tmp_path / "run.db"), PlainFile(tmp_path / "steps.db")
    run = Streamer(tmp_path, database, whole, "")("run", *SELECTED, "--progress", "none")
    assert run.code == 3, run.said
    streamer = Streamer(tmp_path, database, steps, "")

    exported = streamer("export", *SELECTED, "--compress", "zstd", "--validate", "-q")
    transformed = streamer("transform", "-q", "--validate")
    imported = streamer("import", "-q", "--checkpoint", "import.db")

    assert exported.code == 3, exported.said
    assert transformed.code == 0, transformed.said
    assert imported.code == 0, imported.said
    there, here = contents(whole.path), contents(steps.path)
    assert there.keys() == here.keys()
    assert [name for name in there if there[name] != here[name]] == []
    assert sum(name.startswith("rows of") for name in there) > 75


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
    assert "another source" in refused.stderr


@pytest.fixture
def files(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Transformed files, in the folder that steps work in, in this process."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(made, tmp_path / "d1_migration_data")
    return tmp_path / "d1_migration_data"


def test_a_dry_run_reads_all_files_and_needs_no_settings(files: Path, capsys: Any) -> None:
    assert main(["import", "--dry-run"]) == 0

    said = capsys.readouterr().out
    assert "files are as they should be" in said
    assert "requests" in said
    assert not (files.parent / "streamer.checkpoint.db").exists()


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


def test_edited_files_are_taken_where_the_user_says_so(files: Path, capsys: Any) -> None:
    path = files / "country_transformed.json"
    rows = json.loads(path.read_text())
    name = rows[0]["name"]
    path.write_text(path.read_text().replace(json.dumps(name, ensure_ascii=False), '"edited"'))

    code = main(["import", "--target", "sqlite:target.db", "--edited", "-q"])

    assert code == 0, capsys.readouterr().err
    target = apsw.Connection("target.db")
    assert (1,) in list(target.execute("SELECT count(*) FROM country WHERE name = 'edited'"))


def test_without_files_it_says_what_comes_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)

    assert main(["import", "--dry-run"]) == 1
    assert "streamer transform" in capsys.readouterr().err
