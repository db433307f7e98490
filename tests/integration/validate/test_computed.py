"""Columns that D1 computes hold what PostgreSQL has, or are named."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.engines.postgres import Database
from tests.engines.workerd import Workerd
from tests.stories.command import Streamer
from tests.stories.reports import read_report

pytestmark = [pytest.mark.postgres, pytest.mark.workerd, pytest.mark.processes]

QUIETLY = ("--progress", "none")
SOURCE = """
CREATE TABLE shop (id int PRIMARY KEY, name text, n int,
    twice int GENERATED ALWAYS AS (n * 2) STORED,
    label text GENERATED ALWAYS AS (name || '!') STORED);
INSERT INTO shop SELECT n, 'shop ' || n, nullif(n, 7) FROM generate_series(1, 40) AS n;
"""
# As somebody may have made it for `--no-schema`: `twice` is another one for three rows.
OTHERWISE = """
CREATE TABLE shop (id INTEGER PRIMARY KEY, name TEXT, n INTEGER,
    twice INTEGER AS (CASE WHEN n < 4 THEN n * 3 ELSE n * 2 END) VIRTUAL,
    label TEXT AS (name || '!') STORED)
"""


KEYLESS = " PRIMARY KEY"
"""What a table without a key lacks."""


@pytest.fixture(params=["", KEYLESS], ids=["with a key", "without a key"])
def lacking(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def streamer(
    database: Database, workerd_d1: Workerd, tmp_path: Path, lacking: str
) -> Iterator[Streamer]:
    database.execute_now(SOURCE.replace(lacking, ""))
    uuid = workerd_d1.create(tmp_path.name)
    yield Streamer(tmp_path, database, workerd_d1, uuid)
    workerd_d1.delete(uuid)


@pytest.fixture
def otherwise(streamer: Streamer, lacking: str) -> list[Any]:
    """The rows moved into a table that computes otherwise; what differs there."""
    streamer.target.run(streamer.uuid, OTHERWISE.replace(lacking, ""))
    assert streamer("run", "--no-schema", *QUIETLY).code == 0
    rows = streamer.target.rows(
        streamer.uuid, "SELECT CAST(rowid AS TEXT) FROM shop WHERE n < 4 ORDER BY id"
    )
    assert len(rows) == 3
    return [("different", [*row], ["twice"]) for row in rows]


def validated(
    streamer: Streamer, *arguments: str, code: int, folder: str = "."
) -> tuple[dict[str, Any], list[Any]]:
    """The check of the values, and the keys and columns of what differs."""
    done = streamer("validate", *QUIETLY, *arguments)
    assert done.code == code, done.said
    report: Any = read_report(streamer.folder / folder / "validation_report.json")
    (table,) = report["tables"]
    (values,) = [check for check in table["checks"] if check["name"] in {"values", "rows"}]
    return values, [(one["kind"], one["key"], one["columns"]) for one in table["differences"]]


def repaired(streamer: Streamer) -> Any:
    return read_report(streamer.folder / "validation_report.json")["repaired"]


def test_what_is_computed_alike_is_equal(streamer: Streamer) -> None:
    assert streamer("run", *QUIETLY).code == 0
    computed = streamer.target.rows(streamer.uuid, "SELECT twice, label FROM shop WHERE id = 5")
    assert [*map(tuple, computed)] == [(10, "shop 5!")]

    values, different = validated(streamer, "--full", code=0)

    assert (values["compared"], different) == (40, [])
    assert "D1 computes" not in values["note"]


@pytest.mark.parametrize("depth", ["--full", "--detailed"])
def test_what_d1_computes_otherwise_is_named(
    streamer: Streamer, otherwise: list[Any], depth: str
) -> None:
    values, different = validated(streamer, depth, code=3)

    assert different == otherwise
    assert values["note"].endswith("D1 computes twice: no repair changes that")


def test_a_repair_mends_what_is_written_and_leaves_what_is_computed_alone(
    streamer: Streamer, otherwise: list[Any]
) -> None:
    streamer.target.run(streamer.uuid, "UPDATE shop SET n = 50 WHERE id IN (2, 9)")

    _, different = validated(streamer, "--full", "--repair", code=3)

    assert different == otherwise
    assert repaired(streamer) == {"sent": 2, "deleted": 0, "rounds": 1}


def test_nothing_is_sent_where_only_what_is_computed_differs(
    streamer: Streamer, otherwise: list[Any]
) -> None:
    _, different = validated(streamer, "--full", "--repair", code=3)

    assert different == otherwise
    assert repaired(streamer) is None


def test_files_have_no_such_columns_and_are_compared_without_them(streamer: Streamer) -> None:
    for command in ("export", "transform", "import"):
        done = streamer(command, "-q")
        assert done.code == 0, done.said

    made = "d1_migration_data"
    values, different = validated(
        streamer, "--full", "--transformed-dir", made, code=0, folder=made
    )

    assert (values["compared"], different) == (40, [])
