"""What `plan` says that a run will cost, beside what it does: tables that nobody ever analysed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.engines.postgres import Database
from tests.engines.sqlite_file import PlainFile
from tests.stories.command import Streamer

pytestmark = [pytest.mark.postgres, pytest.mark.processes]

MIXED = """
CREATE TABLE shops (id int PRIMARY KEY, name text NOT NULL UNIQUE);
INSERT INTO shops SELECT i, 'shop "' || i || '"' FROM generate_series(1, 500) AS i;
CREATE TABLE orders (
    id bigint PRIMARY KEY, shop int REFERENCES shops, total numeric(12, 2), note text,
    facts jsonb, token uuid, made timestamptz, open boolean
);
CREATE INDEX ON orders (shop); CREATE INDEX ON orders (made);
INSERT INTO orders SELECT i, 1 + i % 500, i / 7.0, repeat(E'a\\\\b"c\\n', i % 9),
    jsonb_build_object('n', i, 'tags', array['x', 'y']), md5(i::text)::uuid,
    now() + i * interval '1 second', i % 3 = 0
FROM generate_series(1, 20000) AS i"""
FAT = """
CREATE TABLE files (id int PRIMARY KEY, body text, data bytea);
INSERT INTO files SELECT i, repeat(md5(i::text), 300 + i % 1500), decode(repeat(md5(i::text), i), 'hex')
FROM generate_series(1, 300) AS i"""
CHOSEN = """
CREATE TABLE words (word text PRIMARY KEY, n int);
INSERT INTO words SELECT md5(i::text), i FROM generate_series(1, 30000) AS i"""
GROWING = """
CREATE TABLE events (id int PRIMARY KEY, place double precision, story text);
CREATE INDEX ON events (place) WHERE id % 10 = 0;
CREATE INDEX ON events (story);
INSERT INTO events SELECT i, i / 7.0, repeat('x', i / 100) FROM generate_series(1, 30000) AS i"""
LATEST = """
CREATE TABLE logs (id int, note text);
INSERT INTO logs SELECT i, repeat('y', 300) FROM generate_series(1, 30000) AS i"""


@pytest.mark.parametrize(
    ("script", "settings"),
    [
        (MIXED, ""),
        (MIXED, "batch_bytes = 200000\n"),
        (FAT, ""),
        (CHOSEN, "[tables.words]\nwhere = 'n <= 10000'\n"),
        (GROWING, ""),
        (LATEST, "[tables.logs]\nwhere = 'id > 29950'\n"),
    ],
    ids=["mixed", "small requests", "fat", "chosen", "growing", "latest"],
)
async def test_a_run_costs_what_plan_had_said_give_or_take_a_tenth(
    database: Database, tmp_path: Path, script: str, settings: str
) -> None:
    await database.execute(script)
    (tmp_path / "streamer.toml").write_text(settings)
    file = PlainFile(tmp_path / "copy.db")
    streamer = Streamer(tmp_path, database, file, "")

    planned = streamer("plan", "--json", "--config", "streamer.toml")
    moved = streamer("run", "--target", "sqlite:copy.db", "--config", "streamer.toml")

    assert (planned.code, moved.code) == (0, 0), planned.said + moved.said
    said = json.loads(planned.stdout)["estimate"]
    totals = streamer.report["totals"]
    size = file.path.stat().st_size
    assert said["rows_written"] == pytest.approx(totals["d1_rows_written"], rel=0.1, abs=20)
    assert said["size_bytes"] == pytest.approx(size, rel=0.1, abs=40_960)
    assert said["requests"] == pytest.approx(totals["requests"], rel=0.1, abs=2)


async def test_a_table_whose_rows_are_all_deleted_has_none_whatever_its_size(
    database: Database, tmp_path: Path
) -> None:
    await database.execute(f"{MIXED}; ANALYZE; DELETE FROM orders")
    streamer = Streamer(tmp_path, database, PlainFile(tmp_path / "copy.db"), "")

    tables = json.loads(streamer("plan", "--json").stdout)["tables"]

    assert {table["name"]: table["rows"] for table in tables} == {
        "public.shops": 500,
        "public.orders": 0,
    }


async def test_rows_of_tables_that_nobody_analysed_are_counted(
    database: Database, tmp_path: Path
) -> None:
    await database.execute(MIXED)
    streamer = Streamer(tmp_path, database, PlainFile(tmp_path / "copy.db"), "")

    tables = json.loads(streamer("plan", "--json").stdout)["tables"]

    assert {table["name"]: table["rows"] for table in tables} == {
        "public.shops": 500,
        "public.orders": 20_000,
    }
