"""`--target wrangler:DIR`: what a run writes is what the developer's own wrangler reads."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.engines.postgres import Database
from tests.engines.sqlite_file import PlainFile
from tests.engines.wrangler import Project
from tests.stories.command import Streamer
from tests.stories.compare import differences

pytestmark = [pytest.mark.postgres, pytest.mark.processes]

JSONC = """\
{ // two databases here, another one in staging
  "name": "shop", "main": "index.mjs", "compatibility_date": "2026-01-01",
  "d1_databases": [
    {"binding": "DB", "database_name": "shop", "database_id": "7e8b2c1c-0000-4000-8000-000000000001"},
    {"binding": "OTHER", "database_name": "other"},
  ],
  "env": {"staging": {"d1_databases": [
    {"binding": "DB", "database_name": "shop-staging", "database_id": "x", "preview_database_id": "y"},
  ]}},
}
"""
TOML = """\
name = "shop"
main = "index.mjs"
compatibility_date = "2026-01-01"

[[d1_databases]]
binding = "DB"
database_name = "shop"
database_id = "7e8b2c1c-0000-4000-8000-000000000002"
"""
COUNTS = "SELECT (SELECT count(*) FROM customer) AS customers, (SELECT count(*) FROM log) AS lines"
FULL = [{"customers": 2000, "lines": 1500}]
KEY = "SELECT CAST(max(id) AS TEXT) AS id, typeof(max(id)) AS kind FROM customer"


def command(project: Project, source: Database) -> Streamer:
    streamer = Streamer(project.folder, source, PlainFile(project.folder / "none"), "")
    streamer.overrides["STREAMER_TARGET"] = "wrangler:."
    return streamer


def written(project: Project) -> PlainFile:
    (path,) = [
        path
        for path in project.folder.rglob("miniflare-D1DatabaseObject/*.sqlite")
        if path.name != "metadata.sqlite"
    ]
    return PlainFile(path)


async def test_wrangler_reads_every_row_of_what_a_run_wrote(
    sample_source: Database, tmp_path: Path
) -> None:
    project = Project(tmp_path / "shop", JSONC)
    streamer = command(project, sample_source)

    several = streamer("run")
    done = streamer("run", "--env", "staging")

    assert several.code == 2
    assert "shop (DB), other (OTHER)" in several.stderr
    assert done.code == 0, done.said
    assert await differences(sample_source, written(project), "") == []
    assert project.rows("DB", COUNTS, "--env", "staging") == FULL
    assert project.rows("shop-staging", KEY, "--env", "staging") == [
        {"id": "9007199254742000", "kind": "integer"}
    ]


async def test_what_wrangler_made_itself_is_filled_and_read_again(
    sample_source: Database, tmp_path: Path
) -> None:
    project = Project(tmp_path / "shop", TOML, "wrangler.toml")
    project(
        "d1",
        "execute",
        "DB",
        "--local",
        "--command",
        "CREATE TABLE mine (a); INSERT INTO mine VALUES (1)",
    )
    streamer = command(project, sample_source)
    streamer.overrides["D1_DATABASE_ID"] = "shop"

    done = streamer("run")

    assert done.code == 0, done.said
    assert project.rows("shop", COUNTS) == FULL
    assert project.rows("DB", "SELECT a FROM mine") == [{"a": 1}]


def test_nothing_is_written_while_wrangler_dev_runs(
    sample_source: Database, tmp_path: Path
) -> None:
    project = Project(tmp_path / "shop", TOML, "wrangler.toml")
    streamer = command(project, sample_source)

    with project.dev():
        refused = streamer("run")
    done = streamer("run")

    assert refused.code == 1
    assert "wrangler dev" in refused.stderr
    assert done.code == 0, done.said
