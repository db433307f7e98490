"""Keys that D1 holds as doubles and PostgreSQL prints otherwise: 5 here, 5.0 there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import orjson
import pytest

from streamer.errors import ExitCode
from tests.engines.postgres import Database
from tests.engines.workerd import Workerd
from tests.stories.command import Streamer, moved
from tests.stories.reports import read_report

pytestmark = [pytest.mark.postgres, pytest.mark.workerd, pytest.mark.processes]

SOURCE = """
CREATE TABLE large (n numeric PRIMARY KEY, t text);
CREATE TABLE small (n numeric(10, 2) PRIMARY KEY, t text);
CREATE TABLE pair (a double precision, b int, t text, PRIMARY KEY (a, b));
CREATE TABLE deep (n numeric PRIMARY KEY, f double precision UNIQUE, j jsonb);
INSERT INTO deep SELECT n, n, (repeat('[', 1100) || repeat(']', 1100))::jsonb FROM generate_series(1, 3) AS n;
INSERT INTO large SELECT x, 'x' FROM unnest('{5, 5.5, -0.1, 1e15, 1e16, 1e23, 9007199254740993.25, 0,
    123456789012345678901234567890, 0.000001, 0.1234567890123456789, NaN}'::numeric[]) AS x;
INSERT INTO small SELECT n / 4.0, 'x' FROM generate_series(-9, 90) AS n;
INSERT INTO pair SELECT x, 7, 'x' FROM unnest('{5, 0.1, 1e23, 1e15, 5e-324, NaN, -Infinity}'::float8[]) AS x;
"""
CONFIG = ("--config", "streamer.toml")
SETTINGS = 'numeric = "real"\n'
EXTRA = [
    "INSERT INTO large VALUES (77, 'extra')",
    "INSERT INTO large VALUES ('no number', 'extra')",
    "INSERT INTO small VALUES (1000.5, 'extra')",
    "INSERT INTO small VALUES ('1_0', 'extra')",
    "INSERT INTO pair VALUES (6, 7, 'extra'), (5, 8, 'extra'), (5, 'no integer', 'extra')",
]


@pytest.fixture
async def streamer(
    database: Database, workerd_d1: Workerd, tmp_path: Path
) -> AsyncIterator[Streamer]:
    """The command, with the tables moved."""
    (tmp_path / "streamer.toml").write_text(SETTINGS)
    async with moved(database, workerd_d1, tmp_path, SOURCE, *CONFIG) as streamer:
        yield streamer


def test_json_that_d1_can_not_parse_is_the_source_s_own_whatever_its_key_looks_like(
    streamer: Streamer,
) -> None:
    compared = streamer("validate", *CONFIG, "--full")

    assert compared.code == 0, compared.said
    report = read_report(streamer.folder / "validation_report.json")
    checks = {table["name"]: table["checks"] for table in report["tables"]}
    (json,) = (check for check in checks["public.deep"] if check["name"] == "json")
    assert (json["invalid"], json["unparsed"]) == (0, 3)


def rows(streamer: Streamer) -> int:
    counts = (
        "(SELECT count(*) FROM large) + (SELECT count(*) FROM small) + (SELECT count(*) FROM pair)"
    )
    return streamer.target.rows(streamer.uuid, f"SELECT {counts}")[0][0]


def test_extra_rows_are_told_from_those_whose_keys_are_printed_otherwise(
    streamer: Streamer,
) -> None:
    before = rows(streamer)
    for sql in EXTRA:
        streamer.target.rows(streamer.uuid, sql)

    compared = streamer("validate", *CONFIG, "--full", "--differences", "found.ndjson")

    assert compared.code == ExitCode.INCOMPLETE, compared.said
    found = list(map(orjson.loads, (streamer.folder / "found.ndjson").read_bytes().splitlines()))
    assert len(found) == 7, found
    done = streamer("validate", *CONFIG, "--full", "--repair")
    assert done.code == 0, done.said
    repaired = read_report(streamer.folder / "validation_report.json")["repaired"]
    assert (repaired["sent"], repaired["deleted"]) == (0, 7)
    assert rows(streamer) == before
