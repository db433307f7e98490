"""Files of each step beside what they were made from, and beside D1: which row of which file differs."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from streamer.cli import main
from streamer.validate.report import schema
from tests.engines.postgres import Database, Postgres, filled, now
from tests.engines.sqlite_file import PlainFile

pytestmark = pytest.mark.postgres

TABLES = """
CREATE TYPE mood AS ENUM ('sad', 'ok');
CREATE TABLE people (id int PRIMARY KEY, seen timestamptz NOT NULL, ok boolean, price numeric(20,4),
  data json, pic bytea, mood mood, tags int[], email text UNIQUE, ratio double precision);
INSERT INTO people SELECT n, '2024-01-15 10:30:45.5+00'::timestamptz + n * interval '1 h', n % 2 = 0, n / 7.0,
  json_build_object('n', n), decode(lpad(to_hex(n), 4, '0'), 'hex'), 'ok', array[n], 'precious' || n, n / 3.0
  FROM generate_series(1, 3000) AS n;
CREATE TABLE pets (name text PRIMARY KEY, owner int REFERENCES people);
INSERT INTO pets VALUES ('Rex', 1), ('Tom', NULL);
CREATE TABLE log (line text, n double precision);
INSERT INTO log VALUES ('one', 1), ('same', 2), ('same', 2), (NULL, 'Infinity');
CREATE TABLE at (moment timestamptz, part numeric(6,2), bytes bytea, PRIMARY KEY (moment, part, bytes));
INSERT INTO at SELECT '2024-01-01 00:00:00+00'::timestamptz + n * interval '1 s', n, decode(lpad(to_hex(n), 4, '0'), 'hex')
  FROM generate_series(1, 20) AS n;
"""
EXPORTED, MADE = ("postgresql", "export"), ("export", "transformed")
STORED = ("transformed", "d1")
BOTH = ("--export-dir", "migration_data", "--transformed-dir", "d1_migration_data")


@pytest.fixture(scope="module")
def source(postgres: Postgres) -> Iterator[Database]:
    with filled(postgres, TABLES) as database:
        yield database


@pytest.fixture(scope="module")
def moved(source: Database, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The three steps' files and a database of them; not to be changed."""
    folder = tmp_path_factory.mktemp("moved")
    with pytest.MonkeyPatch.context() as context:
        context.chdir(folder)
        context.setenv("POSTGRES_DSN", source.dsn)
        assert main(["export", "-q"]) == 0
        assert main(["transform", "-q"]) == 0
        assert main(["import", "-q", "--target", "sqlite:moved.db"]) == 0
    return folder


class Files:
    """The steps' files in one folder, and `validate` in this process."""

    def __init__(self, folder: Path, capsys: Any) -> None:
        self.folder = folder
        self._capsys = capsys

    def __call__(self, *arguments: str) -> tuple[int, str]:
        """The exit code, and what was said."""
        code = main(["validate", "--target", "sqlite:moved.db", *arguments, "--progress", "none"])
        said = self._capsys.readouterr()
        return code, said.out + said.err

    def report(self, folder: str = "d1_migration_data") -> dict[str, Any]:
        found = json.loads((self.folder / folder / "validation_report.json").read_text())
        jsonschema.validate(found, schema(), cls=jsonschema.Draft202012Validator)
        return found

    def differences(self, folder: str = "d1_migration_data") -> list[tuple[Any, ...]]:
        """Sides, table, kind, key, columns and line of each."""
        return [
            (tuple(table["between"]), table["name"].removeprefix("public."), one["kind"],
             tuple(one["key"]), tuple(one["columns"]), one.get("line"))
            for table in self.report(folder)["tables"] for one in table["differences"]
        ]  # fmt: skip

    def edit(self, path: str, edit: Callable[[str], str]) -> None:
        file = self.folder / path
        text = file.read_text()
        file.write_text(edit(text))
        assert file.read_text() != text

    @property
    def database(self) -> PlainFile:
        return PlainFile(self.folder / "moved.db")


@pytest.fixture
def files(
    moved: Path, source: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> Files:
    shutil.copytree(moved, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("POSTGRES_DSN", source.dsn)
    return Files(tmp_path, capsys)


@pytest.mark.parametrize("depth", [(), ("--detailed", "--sample", "50"), ("--full",)])
def test_files_that_nobody_touched_are_equal_to_both_databases(
    files: Files, depth: tuple[str, ...]
) -> None:
    code, said = files(*BOTH, *depth)

    assert code == 0, said
    assert files.differences() == []
    tables = files.report()["tables"]
    assert {tuple(table["between"]) for table in tables} == {EXPORTED, MADE, STORED}
    assert len(tables) == 12
    assert all(table["status"] == "ok" for table in tables)
    assert (files.folder / "d1_migration_data/validate.log").is_file()


def test_each_end_is_only_needed_for_its_own_files(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    (files.folder / "moved.db").unlink()
    exported = files("--export-dir", "migration_data", "--full")
    alone = files.report(".")
    monkeypatch.delenv("POSTGRES_DSN")
    monkeypatch.setenv("POSTGRES_HOST", "127.0.0.1")
    without = files("--export-dir", "migration_data", "--output-report", "other.json")

    assert exported[0] == 0, exported[1]
    assert [tuple(t["between"]) for t in alone["tables"]] == [EXPORTED] * 4
    assert alone["target"] == {"kind": "files", "database": "migration_data"}
    assert without[0] == 2


def test_transformed_files_need_no_postgresql(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("POSTGRES_DSN")
    code, said = files("--transformed-dir", "d1_migration_data", "--full")

    assert code == 0, said
    assert [tuple(t["between"]) for t in files.report()["tables"]] == [STORED] * 4


def test_an_edited_file_is_named_with_the_line_key_and_column_of_what_differs(
    files: Files,
) -> None:
    files.edit("migration_data/people.json", lambda t: t.replace('"precious77"', '"secret77"'))
    files.edit("d1_migration_data/people_transformed.json", lambda t: re.sub(r'("id":2000,.*"ratio":)[\d.]+', r"\g<1>0.987654321", t))  # fmt: skip
    files.edit("d1_migration_data/pets_transformed.json", lambda t: t.replace('"Tom"', '"Tim"'))
    files.edit("d1_migration_data/log_transformed.json", lambda t: t.replace('"one"', '"two"'))

    code, said = files(*BOTH, "--full", "--differences", "all.ndjson")

    assert code == 3, said
    assert sorted(files.differences(), key=repr) == sorted([
        (EXPORTED, "people", "different", ("77",), ("email",), 78),
        (MADE, "people", "different", ("77",), ("email",), 78),
        (MADE, "people", "different", ("2000",), ("ratio",), 2001),
        (MADE, "pets", "missing", ("Tom",), (), None),
        (MADE, "pets", "extra", ("Tim",), (), 3),
        (MADE, "log", "missing", ("1",), (), None),
        (MADE, "log", "extra", ("2",), (), 2),
        (STORED, "people", "different", ("2000",), ("ratio",), None),
        (STORED, "pets", "missing", ("Tim",), (), None),
        (STORED, "pets", "extra", ("Tom",), (), None),
        (STORED, "log", "different", ("1",), ("line",), None),
    ], key=repr)  # fmt: skip
    assert "d1_migration_data/people_transformed.json, line 2001: different in ratio" in said
    told = said + (files.folder / "all.ndjson").read_text() + json.dumps(files.report())
    assert [word for word in ("precious", "secret", "987654321", '"two"') if word in told] == []
    assert len((files.folder / "all.ndjson").read_text().splitlines()) == 11
    changed = [t["name"] for t in files.report()["tables"] for c in t["checks"] if c["name"] == "file" and c["status"] == "differs"]  # fmt: skip
    assert sorted(changed) == ["public.log", "public.people", "public.people", "public.pets"]


@pytest.mark.parametrize(
    ("path", "edit", "words"),
    [
        ("migration_data/people.json", lambda t: t[: t.index('{"id":2')], "people.json, line 2: the file ends without ]"),
        ("migration_data/people.json", lambda t: t.replace('"ok":true', '"ok":"true"', 1), "people.json, line 3, ok: it isn't true or false"),
        ("d1_migration_data/people_transformed.json", lambda t: t[:-4], "people_transformed.json, line 3001"),
        ("d1_migration_data/people_transformed.json", lambda t: t.replace('"pic":"0002"', '"pic":"0x02"'), "people_transformed.json, line 3: pic: it isn't hex digits"),
    ],
    ids=["cut off", "another type", "cut off behind", "no hex"],
)  # fmt: skip
def test_a_damaged_file_is_an_error_with_its_line(
    files: Files, path: str, edit: Callable[[str], str], words: str
) -> None:
    files.edit(path, edit)

    code, said = files(*BOTH, "--full")

    assert code == 1, said
    assert words in said
    assert "precious" not in said
    assert files.report()["status"] == "failed"
    assert words in files.report()["errors"][0]


def test_rows_that_moved_came_or_went_are_told_from_those_that_did_not(files: Files) -> None:
    def edit(text: str) -> str:
        head, *rows, end = text.splitlines()
        rows = [row.removesuffix(",") for row in rows]
        del rows[99]  # id 100
        rows[1000:1010] = reversed(rows[1000:1010])
        rows.append(rows[0].replace('"id":1,', '"id":5000,').replace("precious1", "precious5000"))
        return "\n".join([head, *(f"{row}," for row in rows[:-1]), rows[-1], end, ""])

    files.edit("migration_data/people.json", edit)

    code, said = files("--export-dir", "migration_data", "--full")

    assert code == 3, said
    assert files.differences(".") == [
        (EXPORTED, "people", "missing", ("100",), (), None),
        (EXPORTED, "people", "extra", ("5000",), (), 3001),
    ]


def test_what_changed_in_a_database_since_is_named(
    files: Files, source: Database, postgres: Postgres
) -> None:
    database = files.database
    database.change("UPDATE people SET ratio = 1 WHERE id = 5")
    database.change("DELETE FROM log WHERE line = 'same' AND rowid = 2")
    database.change("INSERT INTO pets VALUES ('Max', NULL)")
    database.change("UPDATE at SET part = 99.5 WHERE part = 3")

    code, said = files("--transformed-dir", "d1_migration_data", "--full")
    sampled = files("--transformed-dir", "d1_migration_data", "--detailed", "--sample", "3000")

    assert code == 3, said
    found = sorted(files.differences(), key=repr)
    assert (STORED, "people", "different", ("5",), ("ratio",), None) in found
    assert (STORED, "pets", "extra", ("Max",), (), None) in found
    assert (STORED, "log", "missing", ("3",), (), None) in found
    assert sampled[0] == 3
    assert [one[2] for one in found if one[1] == "at"] == ["extra", "missing"]


def test_a_table_that_is_gone_or_another_is_said_so(
    files: Files, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = now(postgres.create_database())
    other.execute_now("CREATE TABLE pets (name text PRIMARY KEY, owner bigint)")
    monkeypatch.setenv("POSTGRES_DSN", other.dsn)

    code, said = files("--export-dir", "migration_data")

    assert code == 3, said
    notes = {table["name"]: table["checks"][0]["note"] for table in files.report(".")["tables"]}
    assert "no such table" in notes["public.people"]
    now(postgres.drop_database(other.name))


def test_files_are_not_repaired_and_folders_must_be_there(files: Files) -> None:
    repaired = files("--transformed-dir", "d1_migration_data", "--repair")
    missing = files("--transformed-dir", "nowhere")
    exported = files("--export-dir", "nowhere")

    assert (repaired[0], "streamer import" in repaired[1]) == (2, True)
    assert (missing[0], "--transformed-dir" in missing[1]) == (1, True)
    assert (exported[0], "--export-dir" in exported[1]) == (1, True)
