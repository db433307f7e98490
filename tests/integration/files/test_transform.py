"""Transformed files: what D1 is to hold, made without PostgreSQL, and every problem with its place."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import apsw
import orjson
import pytest
from jsonschema import validate

from streamer.cli import main
from streamer.files.report import schema
from tests.engines.postgres import Database, Postgres, filled
from tests.stories.reports import read_report

pytestmark = pytest.mark.postgres

TABLES = """
CREATE TYPE mood AS ENUM ('sad', 'ok');
CREATE TABLE people (
  id int PRIMARY KEY, seen timestamptz NOT NULL, ok boolean, price numeric(20,4), data json,
  pic bytea, mood mood, tags int[], email text UNIQUE);
INSERT INTO people VALUES
  (1, '2024-01-15 10:30:45.5+05:30', true, 1.50, '{"b":1.10, "b":2}', '\\x00ff', 'ok', '{1,2}', 'a@example.com'),
  (2, '2024-01-01 00:00:00+00', NULL, NULL, NULL, NULL, NULL, NULL, NULL);
CREATE TABLE pets (name text PRIMARY KEY, owner int REFERENCES people);
INSERT INTO pets VALUES ('Rex', 1), ('Tom', NULL);
"""
SECRET = "0123456789abcdef0123456789abcdef"


@pytest.fixture(scope="module")
def source(postgres: Postgres) -> Iterator[Database]:
    with filled(postgres, TABLES) as database:
        yield database


class Steps:
    """The steps in one folder, in this process."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
        self.folder = folder
        self._monkeypatch = monkeypatch
        self._capsys = capsys
        monkeypatch.chdir(folder)

    def __call__(self, *arguments: str, dsn: str = "") -> tuple[int, str]:
        """A step's exit code, and what it said."""
        with self._monkeypatch.context() as context:
            if dsn:
                context.setenv("POSTGRES_DSN", dsn)
            code = main(arguments)
        said = self._capsys.readouterr()
        return code, said.out + said.err

    def rows(self, table: str) -> list[dict[str, Any]]:
        return json.loads((self.made / f"{table}_transformed.json").read_text())

    @property
    def made(self) -> Path:
        return self.folder / "d1_migration_data"

    @property
    def report(self) -> dict[str, Any]:
        return read_report(self.made / "transformation_report.json")

    def edit(self, table: str, edit: Callable[[str], str]) -> None:
        path = self.folder / f"migration_data/{table}.json"
        text = path.read_text()
        path.write_text(edit(text))
        assert path.read_text() != text


@pytest.fixture
def steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> Steps:
    """Nothing is exported yet."""
    return Steps(tmp_path, monkeypatch, capsys)


@pytest.fixture(scope="module")
def exported(source: Database, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An export with the defaults; not to be changed."""
    folder = tmp_path_factory.mktemp("exported") / "migration_data"
    with pytest.MonkeyPatch.context() as context:
        context.setenv("POSTGRES_DSN", source.dsn)
        assert main(["export", "--output-dir", str(folder)]) == 0
    return folder


@pytest.fixture
def files(steps: Steps, exported: Path) -> Steps:
    """The steps behind that export."""
    shutil.copytree(exported, steps.folder / "migration_data")
    return steps


def test_rows_are_as_d1_is_to_hold_them(files: Steps) -> None:
    code, said = files("transform", "--validate")

    assert code == 0, said
    assert files.rows("people") == [
        {
            "id": 1, "seen": "2024-01-15 05:00:45.5", "ok": 1, "price": "1.5000",
            "data": '{"b":1.10, "b":2}', "pic": "00ff", "mood": "ok", "tags": "[1,2]", "email": "a@example.com",
        },
        {
            "id": 2, "seen": "2024-01-01 00:00:00", "ok": None, "price": None, "data": None,
            "pic": None, "mood": None, "tags": None, "email": None,
        },
    ]  # fmt: skip
    assert files.report["validated"] is True
    manifest = orjson.loads((files.made / "transform_manifest.json").read_bytes())
    validate(manifest, schema("transform_manifest"))
    fresh = apsw.Connection(":memory:")
    fresh.execute((files.made / "schema.sql").read_text())
    made = fresh.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")
    assert {name for (name,) in made} == {"people", "pets"}
    assert not (files.made / "validation.db").exists()


def test_long_files_are_told_of_while_they_are_read(
    files: Steps, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streamer.run.transforming.TELL_ROWS", 2)

    code, said = files("transform")

    assert code == 0, said
    assert "public.people: 2 rows so far" in said


def test_how_types_are_stored_can_still_be_chosen(files: Steps) -> None:
    options = ("--timestamps", "unixms", "--enums", "integer", "--bytea", "base64")
    code, said = files("transform", *options, "--rename", "people.ok=fine")

    assert code == 0, said
    row = files.rows("people")[0]
    assert (row["seen"], row["mood"], row["pic"], row["fine"]) == (1705294845500, 2, "AP8=", 1)


def test_what_only_postgresql_can_print_must_be_asked_of_the_export(files: Steps) -> None:
    code, said = files("transform", "--arrays", "postgres")

    assert code == 2
    assert "public.people.tags" in said
    assert "export again" in said
    assert not (files.made / "people_transformed.json").exists()


def test_what_the_export_was_told_holds_until_something_else_is_asked(
    steps: Steps, source: Database
) -> None:
    code, said = steps("export", "--arrays", "postgres", "--timestamps", "seconds", dsn=source.dsn)
    assert code == 0, said

    assert steps("transform")[0] == 0
    row = steps.rows("people")[0]
    assert (row["tags"], row["seen"]) == ("{1,2}", "2024-01-15 05:00:45")


def test_masks_and_expressions_are_the_exports_and_functions_the_transformations(
    steps: Steps, source: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    (steps.folder / "streamer.toml").write_text(
        '[tables.people]\ntransform = "changing_people:change"\n'
        '[tables.people.column.email]\nmask = "hash"\n'
        "[tables.people.column.price]\nexpression = \"'p' || id\"\n"
    )
    (steps.folder / "changing_people.py").write_text(
        "def change(row):\n    return None if row['id'] == 2 else {**row, 'data': 'changed'}\n"
    )
    monkeypatch.syspath_prepend(steps.folder)
    with monkeypatch.context() as context:
        context.setenv("STREAMER_HASH_KEY", SECRET)
        arguments = ("export", "--config", "streamer.toml", "--table", "people")
        code, said = steps(*arguments, dsn=source.dsn)
    assert code == 0, said
    exported = [path.read_text() for path in (steps.folder / "migration_data").glob("*.json")]
    assert [text for text in exported if "a@example.com" in text or SECRET in text] == []

    code, said = steps("transform", "--config", "streamer.toml")

    assert code == 0, said
    (row,) = steps.rows("people")
    assert (row["price"], row["data"], len(row["email"])) == ("p1", "changed", 64)
    assert steps.report["rows_skipped"] == 1
    (steps.folder / "other.toml").write_text('[tables.people.column.email]\nmask = "null"\n')
    code, said = steps("transform", "--config", "other.toml")
    assert (code, "masks" in said) == (2, True)


Edit = Callable[[str], str]
WRONG: dict[str, tuple[Edit, str]] = {
    "a bad date": (lambda t: t.replace("2024-01-15T", "2024-02-30T"), "people.json, line 2 (id=1): seen: there is no such day"),
    "no date": (lambda t: t.replace("2024-01-15T05:00:45.5+00:00", "yesterday"), "people.json, line 2 (id=1): seen: it isn't a timestamp"),
    "no JSON": (lambda t: t.replace(r"1.10, \"b\"", "1.10, b"), "people.json, line 2 (id=1): data: it isn't valid JSON"),
    "NULL": (lambda t: t.replace('"2024-01-01T00:00:00+00:00"', "null"), "people.json, line 3 (id=2): seen: it is null, and the column is NOT NULL"),
    "too big": (lambda t: t.replace('"id":2', '"id":99999999999999999999'), "people.json, line 3"),
    "a text": (lambda t: t.replace('"ok":true', '"ok":"yes"'), "people.json, line 2 (id=1): ok: it isn't true or false"),
    "a column is missing": (lambda t: t.replace('"ok":true,', ""), "people.json, line 2 (id=1): it has no member ok"),
    "a column too many": (lambda t: t.replace('"ok":true', '"ok":true,"no":1'), "people.json, line 2 (id=1): it has 1 member that is no column"),
    "a column twice": (lambda t: t.replace('"ok":true', '"ok":true,"ok" :false'), "people.json, line 2 (id=1): ok: it is given twice"),
    "cut off": (lambda t: t[: t.index('{"id":2')], "people.json, line 2: the file ends without ]"),
    "huge": (lambda t: t.replace("a@example.com", "x" * 2_000_001), "people.json, line 2 (id=1): it takes 2,000,"),
}  # fmt: skip


@pytest.mark.parametrize(("edit", "words"), WRONG.values(), ids=WRONG)
def test_a_wrong_row_is_told_by_its_place_and_nothing_is_written(
    files: Steps, edit: Edit, words: str
) -> None:
    files.edit("people", edit)

    code, said = files("transform", "--edited")

    assert code == 1, said
    assert words in said
    assert "yesterday" not in said
    assert files.report["status"] == "failed"
    left = {path.name for path in files.made.iterdir()}
    assert left == {"transform.log", "transformation_report.json"}


@pytest.mark.parametrize("value", ["[1]", "{}"])
def test_a_container_for_a_number_is_told_by_its_place_where_nan_becomes_null(
    files: Steps, value: str
) -> None:
    files.edit("people", lambda text: text.replace('"1.5000"', value))

    code, said = files("transform", "--edited", "--nan", "null", "--numeric", "real")

    assert code == 1, said
    assert "people.json, line 2 (id=1): price: it isn't the text of a decimal number" in said


def test_validation_names_rows_whose_parents_are_missing(files: Steps) -> None:
    files.edit("pets", lambda text: text.replace('"owner":1', '"owner":7'))

    code, said = files("transform", "--edited", "--validate")

    assert code == 3, said
    place = "pets_transformed.json, line 2 (name=Rex)"
    assert f"{place}: owner: no row of people has this id" in said
    assert files.report["validated"] is False


def test_validation_of_sql_files_names_rows_where_they_were_exported(files: Steps) -> None:
    files.edit("pets", lambda text: text.replace('"owner":1', '"owner":7'))

    code, said = files("transform", "--edited", "--validate", "--format", "sql")

    assert code == 3, said
    assert "pets.json, line 2 (name=Rex): owner: no row of people has this id" in said
    assert files.report["files"] == ["schema.sql", "tables_0001.sql"]
    assert {path.name for path in files.made.iterdir()} == {
        "schema.sql", "tables_0001.sql", "transform.log", "transformation_report.json",
    }  # fmt: skip


def test_validation_names_rows_that_are_twice_and_keeps_its_database(files: Steps) -> None:
    files.edit("people", lambda t: t.replace('"email":null', '"email":"a@example.com"'))

    code, said = files("transform", "--edited", "--keep-temp-db")

    assert code == 1, said
    assert "people.json, line 3 (id=2): UNIQUE constraint failed: people.email" in said
    database = apsw.Connection(str(files.made / "validation.db"))
    assert list(database.execute("SELECT count(*) FROM pets")) == [(2,)]
    database.close()

    assert files("transform", "--edited")[0] == 0
    assert not (files.made / "validation.db").exists()


@pytest.mark.parametrize("step", ["export", "transform"])
@pytest.mark.parametrize("folder", ["notes", "notes/made"])
def test_an_output_folder_that_is_a_file_is_wrong_usage(
    files: Steps, source: Database, step: str, folder: str
) -> None:
    Path("notes").write_text("mine")

    code, said = files(step, "--output-dir", folder, dsn=source.dsn)

    assert code == 2, said
    assert f"{folder} can't be a folder: notes is a file" in said
    assert "--output-dir" in said
    assert Path("notes").read_text() == "mine"


@pytest.mark.parametrize("step", [("transform",), ("import", "--target=sqlite:made.db")])
def test_an_input_folder_that_is_a_file_is_told_so(files: Steps, step: Sequence[str]) -> None:
    Path("notes").write_text("mine")

    code, said = files(*step, "--input-dir", "notes")

    assert code == 1, said
    assert "notes is no folder" in said


@pytest.mark.parametrize("name", ["transform_manifest.json", "validation.db"])
def test_what_stands_in_the_way_in_the_output_folder_is_named(files: Steps, name: str) -> None:
    (files.made / name).mkdir(parents=True)

    code, said = files("transform", "--validate")

    assert code == 1, said
    assert f"{name} can't be written: Is a directory" in said


def test_changed_renamed_and_missing_files_are_refused(files: Steps) -> None:
    path = files.folder / "migration_data/pets.json"
    files.edit("pets", lambda text: text.replace("Rex", "Max"))
    changed = files("transform")
    path.rename(path.with_name("animals.json"))
    renamed = files("transform")
    manifest = files.folder / "migration_data/export_manifest.json"
    manifest.write_text(manifest.read_text().replace('"form": "boolean"', '"form": "flag"'))
    malformed = files("transform")
    manifest.unlink()
    missing = files("transform")

    assert (changed[0], "--edited" in changed[1]) == (1, True)
    assert (renamed[0], "pets.json isn't there" in renamed[1]) == (1, True)
    assert (malformed[0], "tables[0].columns[2].form: not one of" in malformed[1]) == (1, True)
    assert (missing[0], "export_manifest.json isn't there" in missing[1]) == (1, True)
    assert not list(files.made.glob("*_transformed.json"))


TWICE = {
    "a table": (lambda two: [two[0], {**two[1], "name": two[0]["name"]}], "names public.people 2 times"),
    "a file": (lambda two: [two[0], {**two[1], "file": two[0]["file"]}], "names people.json 2 times"),
    "another folder": (
        lambda two: [{**two[0], "file": {**two[0]["file"], "name": "../people.json"}}, two[1]],
        "outside the folder",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("edit", "words"), TWICE.values(), ids=TWICE)
def test_a_manifest_that_speaks_of_other_files_than_it_may_is_refused(
    files: Steps, edit: Callable[[list[Any]], list[Any]], words: str
) -> None:
    path = files.folder / "migration_data/export_manifest.json"
    manifest = json.loads(path.read_text())
    manifest["tables"] = edit(manifest["tables"])
    path.write_text(json.dumps(manifest))

    code, said = files("transform")

    assert (code, words in said) == (1, True), said


def test_a_signal_ends_it_and_nothing_is_written(files: Steps) -> None:
    path = files.folder / "migration_data/people.json"
    path.unlink()
    os.mkfifo(path)  # a file that never ends
    process = subprocess.Popen(
        [sys.executable, "-m", "streamer", "transform", "--edited"],
        cwd=files.folder,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
        stderr=subprocess.PIPE,
        text=True,
    )
    with path.open("w"):  # returns once it is being read
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=120)

    assert process.returncode == 75, said
    assert "nothing was written" in said
    assert files.report["status"] == "stopped"
    assert {p.name for p in files.made.iterdir()} == {"transform.log", "transformation_report.json"}
