"""Names and values made to break something: all arrive as they are, or are refused by name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.engines.postgres import Database, Postgres, now
from tests.engines.sqlite_file import PlainFile
from tests.engines.workerd import Workerd
from tests.integration.hostile.names import RESERVED, names_database
from tests.integration.hostile.values import values_database
from tests.stories.command import Streamer
from tests.stories.compare import differences, quoted

pytestmark = [pytest.mark.postgres, pytest.mark.workerd, pytest.mark.processes]

QUIETLY = ("--progress", "none")
WAYS = {
    "as it is by default": (),
    "a row a statement, JSON made by PostgreSQL": ("--pack", "rows", "--pushdown", "json"),
    "rows as parameters": ("--pack", "values", "--batch-bytes", "100000"),
    "a statement a request, JSON made by PostgreSQL": ("--batch-size", "1", "--pushdown", "json"),
}


@pytest.fixture(scope="module")
def names(postgres: Postgres) -> Database:
    """A database of hostile names; not to be changed."""
    return _made(postgres, names_database())


@pytest.fixture(scope="module")
def values(postgres: Postgres) -> Database:
    """A database of hostile values; not to be changed."""
    return _made(postgres, values_database())


def _made(postgres: Postgres, script: str) -> Database:
    database = now(postgres.create_database())
    database.execute_now(script)
    return database


def unkeyed(streamer: Streamer) -> list[str]:
    """The options that leave out what can only be read by position."""
    plan = json.loads(streamer("plan", "--json").stdout)
    by_position = [t["name"] for t in plan["tables"] if t["key"]["kind"] == "physical position"]
    return [part for name in by_position for part in ("--exclude", name)]


@pytest.mark.parametrize("way", WAYS)
async def test_every_hostile_value_arrives(
    values: Database, workerd_d1: Workerd, tmp_path: Path, way: str
) -> None:
    streamer = Streamer(tmp_path, values, workerd_d1, workerd_d1.create(tmp_path.name))

    done = streamer("run", *QUIETLY, *WAYS[way])

    assert done.code == 0, done.said
    assert await differences(values, workerd_d1, streamer.uuid) == []


async def test_hostile_keys_are_found_again_by_a_second_run(
    values: Database, workerd_d1: Workerd, tmp_path: Path
) -> None:
    streamer = Streamer(tmp_path, values, workerd_d1, workerd_d1.create(tmp_path.name))
    first = streamer("run", *QUIETLY)
    keyed = unkeyed(streamer)

    second = streamer("run", *QUIETLY, *keyed, "--if-exists", "upsert", "--batch-size", "2")

    assert (first.code, second.code) == (0, 0), second.said
    assert len(keyed) < 50
    assert await differences(values, workerd_d1, streamer.uuid) == []


@pytest.mark.parametrize("way", ["as it is by default", "rows as parameters"])
async def test_every_hostile_name_arrives(
    names: Database, workerd_d1: Workerd, tmp_path: Path, way: str
) -> None:
    streamer = Streamer(tmp_path, names, workerd_d1, workerd_d1.create(tmp_path.name))

    done = streamer("run", *QUIETLY, *WAYS[way])

    assert done.code == 0, done.said
    assert await differences(names, workerd_d1, streamer.uuid) == []


def test_hostile_names_are_spelled_in_the_schema_so_that_d1_takes_it(
    names: Database, workerd_d1: Workerd, tmp_path: Path
) -> None:
    streamer = Streamer(tmp_path, names, workerd_d1, workerd_d1.create(tmp_path.name))

    printed = json.loads(streamer("schema", "--json").stdout)
    for statement in (*printed["tables"], *printed["indexes"]):
        workerd_d1.run(streamer.uuid, statement["sql"])

    tables = workerd_d1.rows(streamer.uuid, "SELECT name FROM sqlite_schema WHERE type = 'table'")
    assert {table["name"] for table in printed["tables"]} == {
        str(name) for (name,) in tables if not str(name).startswith("_cf_")
    }


async def test_reserved_names_are_refused_with_the_option_that_helps(
    database: Database, tmp_path: Path
) -> None:
    for name in RESERVED:
        await database.execute(f"CREATE TABLE {quoted(name)} (id integer PRIMARY KEY)")
    streamer = Streamer(tmp_path, database, PlainFile(tmp_path / "none"), "")

    done = streamer("plan", "--json")

    refused = {f["object"]: f["hint"] for f in json.loads(done.stdout)["refusals"]}
    assert done.code == 2, done.said
    assert {*refused} == {f"public.{name}" for name in RESERVED}
    renamed = [part for hint in refused.values() for part in hint.split()[:2]]
    for number in range(1, len(renamed), 2):
        renamed[number] = renamed[number].replace("NEW_NAME", f"renamed_{number}")
    assert streamer("plan", *renamed).code == 0
