"""The torture database, moved by the real command: every cell, every message, every exit code."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw
import pytest

from tests.engines.d1server import D1Server
from tests.engines.postgres import Database, Postgres, now
from tests.engines.sqlite_file import PlainFile
from tests.engines.workerd import Workerd
from tests.stories.command import Streamer, ended
from tests.torture.content import problems, problems_of
from tests.torture.corruptions import CORRUPTIONS, Corruption
from tests.torture.expected import MESSAGES
from tests.torture.load import EVERYTHING, OPTIONS, QUIETLY, load

pytestmark = [pytest.mark.postgres, pytest.mark.workerd, pytest.mark.processes]

KEYED = [part for table in ("k_nopk", "k_rowid", "i_child") for part in ("--exclude", table)]
OLDEST = 15  # UNIQUE NULLS NOT DISTINCT and numeric(5, -2) are new there
SMALL_REQUESTS = ("--batch-bytes", "100000", "--concurrency", "3")
REFUSED = {"cols_101", "case_cols", "Dup", "dup", "zero_cols", "too_big_value", "too_big_row"}


@pytest.fixture(scope="module")
def source(postgres: Postgres) -> Database:
    """The torture database; not to be changed."""
    database = now(postgres.create_database())
    now(load(database))
    return database


@pytest.fixture(scope="module")
def plan(source: Database, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What `plan --json` says where nothing is renamed."""
    return planned(source, tmp_path_factory.mktemp("plan"), *EVERYTHING)


@pytest.fixture(scope="module")
def names(source: Database, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What the tables that can be moved are called in the target, by `schema|table`."""
    found = planned(source, tmp_path_factory.mktemp("names"), *OPTIONS)
    return {table["name"].replace(".", "|", 1): table["target_name"] for table in found["tables"]}


def planned(source: Database, folder: Path, *options: str) -> dict[str, Any]:
    done = Streamer(folder, source, PlainFile(folder / "none"), "")("plan", *options, "--json")
    assert done.code in {0, 2, 3}, done.said
    return json.loads(done.stdout)


@pytest.fixture
def streamer(source: Database, workerd_d1: Workerd, tmp_path: Path) -> Iterator[Streamer]:
    """The command, into a new database of workerd's D1."""
    uuid = workerd_d1.create(tmp_path.name)
    yield Streamer(tmp_path, source, workerd_d1, uuid)
    workerd_d1.delete(uuid)


def wrong(server: D1Server | PlainFile, uuid: str, names: dict[str, str]) -> list[str]:
    """What isn't as it should be in a target, a line each."""
    found = problems(lambda sql: server.rows(uuid, sql), names)
    orphans = server.rows(uuid, "PRAGMA foreign_key_check")
    return found + [f"{orphan}: its parent is missing" for orphan in orphans]


def tables(server: D1Server | PlainFile, uuid: str) -> set[str]:
    rows = server.rows(uuid, "SELECT name FROM sqlite_schema WHERE type='table'")
    return {name for (name,) in rows if not name.startswith(("_cf_", "sqlite_stat"))}


def test_every_cell_arrives_and_what_is_refused_makes_the_exit_code_3(
    source: Database, any_d1: D1Server, names: dict[str, str], tmp_path: Path
) -> None:
    streamer = Streamer(tmp_path, source, any_d1, any_d1.create(tmp_path.name))

    done = streamer("run", *OPTIONS, *QUIETLY)

    assert done.code == 3, done.said
    assert wrong(any_d1, streamer.uuid, names) == []
    assert tables(any_d1, streamer.uuid) == {*names.values()}
    errors = "\n".join(streamer.report["errors"])
    assert [table for table in REFUSED if f"refuse.{table}" not in errors] == []


def test_every_cell_arrives_in_a_plain_file(moved: PlainFile, names: dict[str, str]) -> None:
    assert wrong(moved, "", names) == []
    assert tables(moved, "") == {*names.values()}
    assert moved.rows("", "PRAGMA integrity_check") == [["ok"]]


async def test_every_cell_arrives_from_an_older_postgres_too(
    older_postgres: Postgres, tmp_path: Path
) -> None:
    if older_postgres.engine.major < OLDEST:
        pytest.skip(f"torture.sql is written for PostgreSQL {OLDEST} and newer")
    source = await older_postgres.create_database()
    await load(source)
    libxml = await source.fetch("SELECT FROM pg_config() WHERE setting LIKE '%--with-libxml%'")
    there = {t["name"]: t["target_name"] for t in planned(source, tmp_path, *OPTIONS)["tables"]}
    file = PlainFile(tmp_path / "torture.db")

    done = Streamer(tmp_path, source, file, "")("run", *OPTIONS, *QUIETLY)

    assert done.code == 3, done.said
    assert wrong(file, "", {name.replace(".", "|", 1): to for name, to in there.items()}) == []
    assert ("public.t_xml" in there) == bool(libxml)
    await older_postgres.drop_database(source.name)


@pytest.fixture(scope="module")
def moved(source: Database, tmp_path_factory: pytest.TempPathFactory) -> PlainFile:
    """A file with all that can be moved; not to be changed."""
    folder = tmp_path_factory.mktemp("moved")
    file = PlainFile(folder / "torture.db")
    done = Streamer(folder, source, file, "")("run", *OPTIONS, *QUIETLY)
    assert done.code == 3, done.said
    return file


@pytest.mark.parametrize("corruption", CORRUPTIONS, ids=lambda c: c.sql)
def test_a_change_of_one_cell_or_row_is_noticed(moved: PlainFile, corruption: Corruption) -> None:
    connection = apsw.Connection(":memory:")
    connection.execute("ATTACH ? AS moved", (str(moved.path),))
    connection.execute(f"CREATE TABLE t AS SELECT * FROM moved.{corruption.table}")

    def run(sql: str) -> list[Any]:
        return list(connection.execute(sql))

    assert problems_of(run, f"public|{corruption.table}", "t") == []
    connection.execute(corruption.sql)
    assert problems_of(run, f"public|{corruption.table}", "t") != []
    connection.close()


def test_without_leave_to_skip_it_is_refused_and_nothing_is_written(streamer: Streamer) -> None:
    done = streamer("run", *EVERYTHING, *QUIETLY)

    assert (done.code, done.stdout) == (2, "")
    assert [table for table in REFUSED if f"refuse.{table}" not in done.stderr] == []
    assert tables(streamer.target, streamer.uuid) == set()
    assert not (streamer.folder / "run_report.json").exists()


def test_a_second_run_changes_nothing(streamer: Streamer, names: dict[str, str]) -> None:
    first = streamer("run", *OPTIONS, *QUIETLY)
    assert first.code == 3, first.said

    second = streamer("run", *OPTIONS, *QUIETLY, *KEYED, "--if-exists", "upsert")

    assert second.code == 3, second.said
    assert wrong(streamer.target, streamer.uuid, names) == []


def test_killed_in_the_middle_and_resumed_it_is_the_same(
    streamer: Streamer, names: dict[str, str]
) -> None:
    arguments = ("run", "--resume", *OPTIONS, *QUIETLY, *SMALL_REQUESTS)
    kills = 0
    for requests in (30, 60, 60):
        streamer.target.stats(reset=True)
        process = streamer.start(*arguments)
        while process.poll() is None:
            if streamer.target.stats()["by"].get("POST raw", 0) >= requests:
                process.send_signal(signal.SIGKILL)
                break
        kills += ended(process).code == -signal.SIGKILL

    done = streamer(*arguments)

    assert kills > 0
    assert done.code == 3, done.said
    assert wrong(streamer.target, streamer.uuid, names) == []


@pytest.mark.parametrize(
    ("action", "table", "words"), MESSAGES, ids=[f"{table}: {' '.join(words)}" for _, table, words in MESSAGES]
)  # fmt: skip
def test_the_plan_says_what_becomes_of(
    plan: dict[str, Any], action: str, table: str, words: list[str]
) -> None:
    places = {"warn": ["warnings"], "refuse": ["refusals"]}.get(action, ["warnings", "refusals"])
    name = table.replace("|", ".")
    said = " ".join(
        f"{finding['object']}: {finding['what']}. {finding['hint']}"
        for place in places
        for finding in plan[place]
        if finding["object"] == name or finding["object"].startswith(f"{name}.")
    )

    assert [word for word in words if word.lower() not in said.lower()] == [], said


def test_what_the_plan_refuses_is_what_a_run_leaves_out(plan: dict[str, Any]) -> None:
    refused = {finding["object"] for finding in plan["refusals"]}

    assert {name.split(".")[1] for name in refused if name.startswith("refuse.")} == REFUSED
    assert {name for name in refused if not name.startswith("refuse.")} == {
        "Sales.orders",
        "sales.orders",
        "public.json_each",
    }
