"""Tables whose names hold letters of patterns, beside others that these would match: each command means them alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw
import pytest

from streamer.cli import main
from tests.engines.postgres import Database, Postgres, filled

pytestmark = pytest.mark.postgres

TABLES = """
CREATE SCHEMA "a.b";
CREATE TABLE "order.items" (id int PRIMARY KEY);
CREATE TABLE order_items (id int PRIMARY KEY, other text);
CREATE TABLE "a.b"."[x]?*" (id int PRIMARY KEY);
CREATE TABLE "a.b"."xyz" (id int PRIMARY KEY, other text);
INSERT INTO "order.items" VALUES (1), (2);
INSERT INTO "a.b"."[x]?*" VALUES (3);
"""
EXPORT = ("export", "--schema", "*", "--exclude", "order_items", "--exclude", "xyz")


@pytest.fixture
def source(postgres: Postgres) -> Iterator[Database]:
    with filled(postgres, TABLES) as database:
        yield database


def test_each_step_is_about_the_exported_tables_alone(
    source: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("POSTGRES_DSN", source.dsn)
    target = ("--target", "sqlite:made.db")
    both = ("--export-dir", "migration_data", "--transformed-dir", "d1_migration_data")

    codes = [
        main([*step, "-q"])
        for step in (EXPORT, ("transform",), ("import", *target), ("validate", *target, *both))
    ]

    assert codes == [0, 0, 0, 0], capsys.readouterr().err
    made = apsw.Connection("made.db")
    found = made.execute("SELECT name FROM sqlite_schema WHERE sql LIKE 'CREATE TABLE%'")
    names = {str(name) for (name,) in found if not str(name).startswith(("_", "sqlite"))}
    assert len(names) == 2
    rows = {number for name in names for (number,) in made.execute(f'SELECT id FROM "{name}"')}
    assert rows == {1, 2, 3}


def test_what_was_run_is_validated_whatever_the_names_of_its_tables(
    source: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("POSTGRES_DSN", source.dsn)
    target = ("--target", "sqlite:made.db", "-q")
    assert main(["run", *EXPORT[1:], *target]) == 0, capsys.readouterr().err

    code = main(["validate", "--full", "--schema", "*", *target])

    assert code == 0, capsys.readouterr().err
