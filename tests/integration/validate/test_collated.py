"""Tables that another hand made in D1, whose columns take texts for equal that aren't the same."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from streamer.errors import ExitCode
from tests.engines.postgres import Database
from tests.engines.workerd import Workerd
from tests.stories.command import Streamer

pytestmark = [pytest.mark.postgres, pytest.mark.workerd, pytest.mark.processes]

SOURCE = """
CREATE TABLE users (id int PRIMARY KEY, name text, place text);
INSERT INTO users VALUES (1, 'Alice', 'Ulm'), (2, 'bob', 'Bonn'), (3, 'Eve', NULL);
"""
USERS = """CREATE TABLE users(
    id INTEGER PRIMARY KEY, name TEXT COLLATE NOCASE, place TEXT COLLATE RTRIM)"""
HELD = "INSERT INTO users VALUES (1, 'alice', 'Ulm'), (2, 'bob', 'Bonn  '), (3, 'Eve', NULL)"
ROWS = [[1, "Alice", "Ulm"], [2, "bob", "Bonn"], [3, "Eve", None]]


@pytest.fixture
async def streamer(
    database: Database, workerd_d1: Workerd, tmp_path: Path
) -> AsyncIterator[Streamer]:
    """The command, with USERS in D1 and its rows in PostgreSQL."""
    await database.execute(SOURCE)
    uuid = workerd_d1.create(tmp_path.name)
    workerd_d1.run(uuid, USERS)
    yield Streamer(tmp_path, database, workerd_d1, uuid)
    workerd_d1.delete(uuid)


def held(streamer: Streamer) -> list[list[object]]:
    return streamer.target.rows(streamer.uuid, "SELECT * FROM users ORDER BY id")


def test_what_only_a_collation_calls_equal_is_written_by_an_upsert(streamer: Streamer) -> None:
    streamer.target.run(streamer.uuid, HELD)

    done = streamer("run", "--no-schema", "--if-exists", "upsert")

    assert done.code == 0, done.said
    assert held(streamer) == ROWS


@pytest.mark.parametrize("depth", ["--full", "--detailed"])
def test_what_only_a_collation_calls_equal_is_named_and_mended(
    streamer: Streamer, depth: str
) -> None:
    assert streamer("run", "--no-schema").code == 0
    streamer.target.run(streamer.uuid, "DELETE FROM users")
    streamer.target.run(streamer.uuid, HELD)

    compared = streamer("validate", depth, "--differences", "found.ndjson")

    assert compared.code == ExitCode.INCOMPLETE, compared.said
    named = (streamer.folder / "found.ndjson").read_text()
    assert '"name"' in named
    assert '"place"' in named
    assert streamer("validate", "--full", "--repair").code == 0
    assert held(streamer) == ROWS


@pytest.mark.parametrize("options", [["--no-schema"], ["--if-exists", "upsert"]])
async def test_a_key_that_takes_two_rows_for_one_is_refused(
    streamer: Streamer, options: list[str]
) -> None:
    await streamer.source.execute(
        "CREATE TABLE word (word text PRIMARY KEY); INSERT INTO word VALUES ('a'), ('A')"
    )
    streamer.target.run(
        streamer.uuid, "CREATE TABLE word(word TEXT COLLATE NOCASE NOT NULL PRIMARY KEY)"
    )

    done = streamer("run", *options)

    assert done.code == ExitCode.USAGE, done.said
    assert "word: in D1 with a key that compares word by NOCASE, planned BINARY" in done.said
