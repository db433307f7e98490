"""A comparison of what isn't there, or that can't leave what it finds: few clear lines, no trace."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from streamer.cli import main
from tests.engines.postgres import Database

pytestmark = pytest.mark.postgres

TABLES = """
CREATE TABLE item (id int PRIMARY KEY, name text);
INSERT INTO item SELECT n, 'precious ' || n FROM generate_series(1, 20) AS n;
CREATE TABLE stock (item int PRIMARY KEY, n int);
INSERT INTO stock SELECT n, n FROM generate_series(1, 20) AS n;
"""
Validate = Callable[..., tuple[int, str]]


@pytest.fixture
async def source(database: Database) -> Database:
    await database.execute(TABLES)
    return database


@pytest.fixture
def validate(
    source: Database,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Validate:
    """The command in this process, once the tables are moved: its exit code, and what it said."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("POSTGRES_DSN", source.dsn)
    target = ("--target", "sqlite:items.db", "--progress", "none")

    def carry_out(*arguments: str) -> tuple[int, str]:
        code = main(["validate", *target, *arguments])
        said = capsys.readouterr()
        assert "precious" not in said.out + said.err
        assert "Traceback" not in said.err
        return code, said.out + said.err

    assert main(["run", "-q", *target]) == 0
    capsys.readouterr()
    return carry_out


def test_a_table_that_is_gone_from_the_source_is_named_and_can_be_left_out(
    validate: Validate, source: Database, tmp_path: Path
) -> None:
    source.execute_now("DROP TABLE stock")

    code, said = validate("--full")
    rest = validate("--full", "--exclude", "public.stock")
    other = validate("--full", "--table", "item")

    assert code == 1
    assert "the run moved public.stock, which PostgreSQL hasn't got any more" in said
    assert "--exclude public.stock" in said
    assert (rest[0], other[0]) == (0, 0)
    report = json.loads((tmp_path / "validation_report.json").read_text())
    assert [table["name"] for table in report["tables"]] == ["public.item"]


def test_where_the_only_moved_table_left_is_not_selected_nothing_else_is_compared(
    validate: Validate, source: Database
) -> None:
    source.execute_now("DROP TABLE stock; DROP TABLE item; CREATE TABLE later (id int PRIMARY KEY)")

    code, said = validate("--full", "--exclude", "stock", "--exclude", "item")

    assert code == 2
    assert "none of the selected tables were moved" in said


def test_a_table_that_changed_does_not_keep_others_from_being_compared(
    validate: Validate, source: Database
) -> None:
    source.execute_now("ALTER TABLE stock RENAME n TO amount")

    code, said = validate("--full")

    assert code == 1
    assert "public.stock changed since the run began: column n is gone" in said
    assert validate("--full", "--exclude", "stock")[0] == 0


def test_where_the_source_holds_no_table_it_says_that_nothing_was_compared(
    validate: Validate, source: Database
) -> None:
    source.execute_now("DROP TABLE stock; DROP TABLE item")

    code, said = validate("--full", "--checkpoint", "other.db")

    assert code == 0
    assert "No table was there to compare." in said


@pytest.mark.parametrize("option", ["--differences", "--output-report"])
@pytest.mark.parametrize("place", ["nowhere/x.json", "."])
def test_a_file_that_could_not_be_written_in_the_end_is_refused_at_the_beginning(
    validate: Validate, tmp_path: Path, option: str, place: str
) -> None:
    code, said = validate("--full", option, place)

    assert code == 2
    assert f"{option}: " in said
    assert not (tmp_path / "validation_report.json").exists()


def test_the_size_of_a_sample_without_a_sample_is_refused(validate: Validate) -> None:
    code, said = validate("--sample", "5")

    assert code == 2
    assert "--sample: it is how many rows --detailed compares; write --detailed too" in said
    assert validate("--detailed", "--sample", "5")[0] == 0
