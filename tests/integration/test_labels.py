"""Enums as positions, with a table of their labels, from a real PostgreSQL into a real D1."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.engines.postgres import Database
from tests.engines.workerd import Workerd
from tests.stories.command import Streamer

pytestmark = [pytest.mark.postgres, pytest.mark.workerd, pytest.mark.processes]

SOURCE = r"""
CREATE SCHEMA sales;
CREATE TYPE mood AS ENUM ('sad', 'it''s \ "odd"', '', 'ok');
ALTER TYPE mood ADD VALUE 'so so' BEFORE 'ok';
CREATE TYPE sales.state AS ENUM ('new', 'paid');
CREATE TYPE unused AS ENUM ('x');
CREATE DOMAIN feeling AS mood;
CREATE TABLE users (id int PRIMARY KEY, mood mood, later feeling NOT NULL DEFAULT 'ok', moods mood[]);
CREATE TABLE sales.orders (id int PRIMARY KEY, state sales.state, CHECK (state <> 'paid' OR id > 0));
INSERT INTO users SELECT n, (enum_range(NULL::mood))[n % 6], 'so so', '{ok}' FROM generate_series(1, 60) AS n;
INSERT INTO sales.orders VALUES (1, 'paid'), (2, NULL);
"""
LOOKUP = ("--enums", "lookup", "--schema", "*")
MOODS = [[1, "sad"], [2, 'it\'s \\ "odd"'], [3, ""], [4, "so so"], [5, "ok"]]
JOINED = """
SELECT u.id, m.label, l.label FROM users AS u LEFT JOIN mood AS m ON m.position = u.mood
JOIN mood AS l ON l.position = u.later WHERE u.id < 7 ORDER BY u.id"""


@pytest.fixture
async def streamer(
    database: Database, workerd_d1: Workerd, tmp_path: Path
) -> AsyncIterator[Streamer]:
    await database.execute(SOURCE)
    uuid = workerd_d1.create(tmp_path.name)
    yield Streamer(tmp_path, database, workerd_d1, uuid)
    workerd_d1.set_faults()
    workerd_d1.delete(uuid)


def rows(streamer: Streamer, sql: str) -> list[list[object]]:
    return streamer.target.rows(streamer.uuid, sql)


def holds_all(streamer: Streamer) -> bool:
    assert rows(streamer, "SELECT * FROM mood ORDER BY position") == MOODS
    assert rows(streamer, "SELECT * FROM sales__state") == [[1, "new"], [2, "paid"]]
    joined = rows(streamer, JOINED)
    return joined == [[n, (MOODS[n - 1][1] if n < 6 else None), "so so"] for n in range(1, 7)]


def tables(streamer: Streamer) -> set[object]:
    found = rows(streamer, "SELECT name FROM sqlite_master WHERE type = 'table'")
    return {name for (name,) in found if not str(name).startswith(("_cf_", "sqlite_"))}


async def test_positions_refer_to_a_table_of_labels_which_is_compared_and_taken_back(
    streamer: Streamer,
) -> None:
    done = streamer("run", *LOOKUP, "--validate")

    assert done.code == 0, done.said
    assert holds_all(streamer)
    assert rows(streamer, "SELECT moods, later FROM users WHERE id = 1") == [['["ok"]', 4]]
    parents = rows(streamer, 'SELECT "table", "from" FROM pragma_foreign_key_list(\'users\')')
    assert sorted(map(str, parents)) == ["['mood', 'later']", "['mood', 'mood']"]
    reported = {table["name"]: table["rows_written"] for table in streamer.report["tables"]}
    assert reported["public.mood"] == 5
    assert streamer("run", *LOOKUP, "--resume").code == 0
    rows(streamer, "UPDATE mood SET label = 'fine' WHERE position = 5")
    rows(streamer, "INSERT INTO mood VALUES (9, 'nobody')")
    assert streamer("validate", "--full", *LOOKUP).code == 3
    mended = streamer("validate", "--full", "--repair", *LOOKUP)
    assert mended.code == 0, mended.said
    assert holds_all(streamer)

    back = streamer("rollback", "--yes")

    assert back.code == 0, back.said
    assert tables(streamer) == set()


async def test_a_run_that_was_stopped_before_and_behind_the_labels_goes_on(
    streamer: Streamer,
) -> None:
    streamer.stopped_at('INTO "mood"', *LOOKUP)
    streamer.stopped_at('INTO "users"', "--resume", *LOOKUP)
    other = streamer("run", "--resume", "--schema", "*", "--enums", "integer")

    done = streamer("run", "--resume", *LOOKUP, "--validate")

    assert other.code in {1, 2}, other.said
    assert done.code == 0, done.said
    assert holds_all(streamer)


async def test_a_table_brings_its_labels_along_by_their_new_name_and_no_others(
    streamer: Streamer,
) -> None:
    refused = streamer("run", "--enums", "lookup", "--rename", "users=mood")
    done = streamer(
        *("run", "--enums", "lookup", "--table", "users", "--exclude", "mood"),
        *("--rename", "mood=moods", "--rename", "mood.label=name"),
    )

    assert refused.code == 2, refused.said
    assert "would be called mood, and so would public." in refused.said
    assert done.code == 0, done.said
    assert tables(streamer) == {"users", "moods"}
    assert rows(streamer, "SELECT position, name FROM moods ORDER BY 1") == MOODS


async def test_labels_travel_in_files_and_stand_in_the_schema(
    streamer: Streamer, tmp_path: Path
) -> None:
    schema = streamer("schema", *LOOKUP)
    database = sqlite3.connect(":memory:")
    database.executescript(schema.stdout)
    made = {name for (name,) in database.execute("SELECT name FROM sqlite_master")}
    assert {"mood", "sales__state", "users", "sales__orders"} <= made
    assert "unused" not in made
    for step in (
        ("export", "--output-dir", "out", *LOOKUP),
        ("transform", "--input-dir", "out", "--output-dir", "made", "--validate"),
        ("import", "--input-dir", "made"),
    ):
        done = streamer(*step)
        assert done.code == 0, done.said

    assert holds_all(streamer)
    assert (tmp_path / "out" / "mood.json").is_file()
    whole = streamer("export", "--output-dir", "whole", "--schema", "*")
    late = streamer("transform", "--input-dir", "whole", "--output-dir", "no", "--enums", "lookup")
    assert whole.code == 0, whole.said
    assert late.code == 2
    assert "tables of labels" in late.said


async def test_nothing_but_names_can_be_set_of_labels(streamer: Streamer, tmp_path: Path) -> None:
    (tmp_path / "streamer.toml").write_text(
        '[tables.users.column.mood]\nenums = "lookup"\n[tables.mood]\nwhere = "position > 1"\n'
    )

    refused = streamer("plan", "--config", "streamer.toml")

    assert refused.code == 2
    assert "public.mood: of the table of an enum's labels nothing can be set" in refused.said
