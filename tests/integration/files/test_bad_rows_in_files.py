"""Rows of files that D1 will never take: named and stopped at, or set aside and sent again once mended."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw
import pytest

from streamer.cli import main
from streamer.files.source import Looked, checked
from tests.engines.postgres import Database, Postgres, filled

pytestmark = pytest.mark.postgres

TABLES = """
CREATE TABLE people (id int PRIMARY KEY, boss int REFERENCES people, email text UNIQUE);
INSERT INTO people VALUES (1, 3, 'a'), (2, 1, 'b'), (3, NULL, 'c');
CREATE TABLE pets (name text PRIMARY KEY, owner int NOT NULL REFERENCES people);
INSERT INTO pets VALUES ('Ada', 2), ('Rex', 1), ('Tom', 3);
CREATE TABLE kinds (id bigint PRIMARY KEY, small int2, yes bool, price float8, day date, sum numeric(9, 0));
INSERT INTO kinds VALUES (5, 6, true, 1.5, '2024-01-01', 7), (8, NULL, NULL, 'NaN', NULL, 'NaN');
"""


@pytest.fixture(scope="module")
def source(postgres: Postgres) -> Iterator[Database]:
    with filled(postgres, TABLES) as database:
        yield database


@pytest.fixture
def files(source: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Transformed files, in the folder that steps work in."""
    monkeypatch.chdir(tmp_path)
    with monkeypatch.context() as context:
        context.setenv("POSTGRES_DSN", source.dsn)
        assert main(["export", "-q"]) == 0
    assert main(["transform", "-q"]) == 0
    return tmp_path / "d1_migration_data"


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    path.write_text(text.replace(old, new))
    assert path.read_text() != text


def held(sql: str) -> list[Any]:
    return list(apsw.Connection("target.db").execute(sql))


def test_rows_whose_parents_are_missing_are_set_aside_and_sent_again_once_the_file_is_mended(
    files: Path, capsys: Any
) -> None:
    into = ("import", "--target", "sqlite:target.db", "--edited", "-q")
    edit(files / "pets_transformed.json", '"owner":1', '"owner":7')

    stopped = main(into)
    said = capsys.readouterr().err
    rejected = main([*into, "--on-error", "reject", "--resume"])
    after = capsys.readouterr().err

    assert stopped == 1, said
    assert "Rex" in said
    assert rejected == 3, after
    assert held("SELECT name FROM pets ORDER BY name") == [("Ada",), ("Tom",)]
    assert held("SELECT id, boss FROM people") == [(1, 3), (2, 1), (3, None)]
    (line,) = Path("rejects/pets.ndjson").read_text().splitlines()
    assert "Rex" in line

    edit(files / "pets_transformed.json", '"owner":7', '"owner":1')
    mended = main([*into, "--retry-rejects"])

    assert mended == 0, capsys.readouterr().err
    assert held("SELECT owner FROM pets WHERE name = 'Rex'") == [(1,)]


def test_a_stop_at_a_row_says_what_a_file_needs_and_that_works(files: Path, capsys: Any) -> None:
    into = ("import", "--target", "sqlite:target.db", "--edited", "-q")
    edit(files / "pets_transformed.json", '"owner":1', '"owner":7')
    stopped = main(into)
    said = capsys.readouterr().err
    edit(files / "pets_transformed.json", '"owner":7', '"owner":1')
    resumed = main([*into, "--resume"])
    refused = capsys.readouterr().err

    again = main([*into, "--restart"])

    assert stopped == 1, said
    assert "PostgreSQL" not in said
    assert "--restart --edited" in said
    assert (resumed, "--restart" in refused) == (2, True)
    assert again == 0, capsys.readouterr().err
    assert held("SELECT name, owner FROM pets") == [("Ada", 2), ("Rex", 1), ("Tom", 3)]


@pytest.mark.parametrize(
    ("edited", "column", "wanted"),
    [
        (('"id":5', '"id":"5"'), "id", "a whole number of 64 bits"),
        (('"small":6', '"small":"six"'), "small", "a whole number of 64 bits"),
        (('"small":6', '"small":6.0'), "small", "a whole number of 64 bits"),
        (('"yes":1', '"yes":"true"'), "yes", "0 or 1"),
        (('"yes":1', '"yes":2'), "yes", "0 or 1"),
        (('"yes":1', '"yes":true'), "yes", "0 or 1"),
        (('"price":1.5', '"price":"dear"'), "price", "a number"),
        (('"day":"2024-01-01"', '"day":20240101'), "day", "a string"),
    ],
)
def test_a_value_that_its_column_has_no_room_for_is_refused_with_file_line_and_column(
    files: Path, capsys: Any, edited: tuple[str, str], column: str, wanted: str
) -> None:
    edit(files / "kinds_transformed.json", *edited)

    code = main(["import", "--target", "sqlite:target.db", "--edited", "-q"])

    said = capsys.readouterr().err
    assert code == 1
    assert f"kinds_transformed.json, line 2: {column}: {wanted} is wanted" in said
    assert not Path("target.db").exists()


def test_files_of_a_version_that_did_not_say_what_columns_hold_are_still_taken(
    files: Path, capsys: Any
) -> None:
    manifest = files / "transform_manifest.json"
    text = manifest.read_text()
    manifest.write_text(re.sub(r',\s*"only": "(integers|booleans)"', "", text))
    assert '"only"' in text
    assert '"only"' not in manifest.read_text()

    code = main(["import", "--target", "sqlite:target.db", "-q"])

    assert code == 0, capsys.readouterr().err
    assert held("SELECT sum, price FROM kinds") == [(7, 1.5), ("NaN", "NaN")]


def test_a_file_that_is_replaced_behind_its_check_stops_the_import_until_it_is_back(
    files: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    into = ("import", "--target", "sqlite:target.db", "-q")
    path = files / "people_transformed.json"
    as_checked = path.read_text()

    def then_replaced(*arguments: Any, **more: Any) -> Looked:
        looked = checked(*arguments, **more)
        edit(path, '"email":"b"', '"email":"x"')
        return looked

    with monkeypatch.context() as context:
        context.setattr("streamer.run.importing.checked", then_replaced)
        stopped = main(into)
    said = capsys.readouterr().err
    another = main([*into, "--edited", "--resume"])
    refused = capsys.readouterr().err
    path.write_text(as_checked)
    resumed = main([*into, "--resume"])

    assert stopped == 1, said
    assert "people_transformed.json was replaced or written to" in said
    assert "--resume" in said
    assert (another, "the files aren't those" in refused) == (2, True)
    assert resumed == 0, capsys.readouterr().err
    assert held("SELECT id, boss, email FROM people") == [(1, 3, "a"), (2, 1, "b"), (3, None, "c")]
