"""Rows of files that refer to what isn't there: `transform --validate` tells of each key that has some."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from streamer.cli import main
from streamer.files.transform import Found, name_missing
from streamer.files.trial import Missing
from streamer.model import TablePlan
from streamer.model.plan import ForeignKeyPlan
from tests.engines.catalogs import FLOAT8, column, identified, plan_of
from tests.engines.postgres import Database, Postgres, filled
from tests.stories.reports import read_report

TABLES = """
CREATE EXTENSION citext;
CREATE TABLE tariff (price float8 PRIMARY KEY);
CREATE TABLE word (word citext PRIMARY KEY);
INSERT INTO tariff VALUES (1), (10), (0.1), (1e22);
INSERT INTO word VALUES ('a'), ('b');
CREATE TABLE child (id int PRIMARY KEY, price float8 REFERENCES tariff, word citext REFERENCES word);
INSERT INTO child VALUES
  (1, 1, 'a'), (2, 10, 'A'), (3, 0.1, 'a'), (4, 1e22, NULL), (5, NULL, 'a');
"""


@pytest.fixture(scope="module")
def source(postgres: Postgres) -> Iterator[Database]:
    with filled(postgres, TABLES) as database:
        yield database


@pytest.fixture
def exported(source: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of exported files."""
    monkeypatch.chdir(tmp_path)
    with monkeypatch.context() as context:
        context.setenv("POSTGRES_DSN", source.dsn)
        assert main(["export", "-q"]) == 0
    return tmp_path / "migration_data"


def without(path: Path, column: str, value: object) -> None:
    """Take the row with this value away."""
    rows = [row for row in json.loads(path.read_text()) if row[column] != value]
    path.write_text("\n".join(["[", ",\n".join(map(json.dumps, rows)), "]", ""]))


@pytest.mark.postgres
@pytest.mark.parametrize("form", ["json", "sql"])
@pytest.mark.parametrize(("price", "line"), [(1, 2), (10, 3), (0.1, 4), (1e22, 5)])
def test_a_number_that_no_parent_has_is_told_however_a_file_spells_it(
    exported: Path, price: float, line: int, form: str, capsys: Any
) -> None:
    without(exported / "tariff.json", "price", price)

    code = main(["transform", "--edited", "--validate", "--format", form])

    said = capsys.readouterr().err
    assert code == 3, said
    assert f", line {line} (id={line - 1}): price: no row of tariff has this price" in said
    report = read_report(exported.parent / "d1_migration_data/transformation_report.json")
    assert (report["validated"], len(report["errors"])) == (False, 1)


@pytest.mark.postgres
def test_texts_that_differ_in_case_are_told_each(exported: Path, capsys: Any) -> None:
    without(exported / "word.json", "word", "a")

    code = main(["transform", "--edited", "--validate"])

    said = capsys.readouterr().err
    assert code == 3, said
    lines = [number for number in range(2, 7) if f"line {number} (id={number - 1}): word:" in said]
    assert lines == [2, 3, 4, 6]


CHILD = plan_of(identified("child", column("price", FLOAT8))).tables[0]


def missing(table: TablePlan, *values: str) -> Missing:
    key = ForeignKeyPlan(("price",), "tariff", ("cost",), "child_price_fkey")
    return Missing(table, key, frozenset({values}))


def found(*prices: str | None) -> Sequence[Found]:
    place = missing(CHILD).places[0]
    rows = [["7"] * len(CHILD.columns) for _ in prices]
    for row, price in zip(rows, prices, strict=True):
        row[place] = price
    return [(number, "", row) for number, row in enumerate(rows, 1)]


def test_a_missing_one_that_no_row_is_known_by_is_told_all_the_same_without_its_value() -> None:
    told = name_missing(missing(CHILD, "0.25"), Path("child.json"), iter(found("0.5", None)))

    assert told == ["child.json: price: some rows refer to a cost that no row of tariff has"]


def test_a_row_that_refers_to_nothing_is_not_told() -> None:
    told = name_missing(missing(CHILD, "None"), Path("child.json"), iter(found(None, "None")))

    assert told == ["child.json, line 2: price: no row of tariff has this cost"]
