"""Hundreds of objects: all in D1 or named, in as few lines as one can read."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

import pytest

from streamer.config import Config, Selection, SourceSettings
from streamer.model import Plan, Secret
from streamer.postgres import PostgresSource
from streamer.run.planning import plan_job
from tests.engines.accounting import accounts
from tests.engines.postgres import Database, Postgres, now
from tests.engines.workerd import Workerd
from tests.stories.command import Outcome, Streamer
from tests.stories.compare import differences
from tests.stories.large_schema import SCHEMAS, large_schema

pytestmark = [pytest.mark.postgres, pytest.mark.workerd, pytest.mark.processes]

SEED, TABLES = 1, 70
EVERYTHING = ("--schema", "*")
OBJECTS = """\
SELECT name, sql FROM sqlite_schema
WHERE name NOT LIKE '\\_cf%' ESCAPE '\\' AND name NOT LIKE 'sqlite%' ORDER BY name"""


@pytest.fixture(scope="module")
def large(postgres: Postgres) -> Iterator[Database]:
    """A database of hundreds of objects; not to be changed."""
    database = now(postgres.create_database())
    now(_load(database))
    yield database
    now(postgres.drop_database(database.name))


async def _load(database: Database) -> None:
    connection = await database.connect()
    try:
        await connection.execute("SET session_replication_role = replica")  # rows in any order
        await connection.execute(large_schema(SEED, TABLES))
    finally:
        await connection.close()


async def _planned(database: Database) -> Plan:
    config = Config(selection=Selection(schemas=("*",)))
    async with PostgresSource.open(SourceSettings(dsn=Secret(database.dsn))) as source:
        return await plan_job(source, config)


@pytest.fixture(scope="module")
def plan(large: Database) -> Plan:
    return now(_planned(large))


@pytest.fixture(scope="module")
def moved(
    large: Database, workerd_process: Workerd, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Streamer, Outcome]:
    """The database in D1, and what the run said."""
    folder = tmp_path_factory.mktemp("large")
    uuid = workerd_process.create(folder.name)
    streamer = Streamer(folder, large, workerd_process, uuid)
    return streamer, streamer("run", *EVERYTHING, "--progress", "none", "--log-file", "run.log")


async def test_every_object_is_carried_over_or_named(large: Database, plan: Plan) -> None:
    counted = await accounts(large, plan)
    silent = await accounts(large, replace(plan, findings=()))

    assert counted.missing == ()
    assert counted.objects > 8 * TABLES
    assert len(silent.missing) > TABLES
    assert plan.refusals == ()


async def test_every_row_arrives(large: Database, moved: tuple[Streamer, Outcome]) -> None:
    streamer, done = moved

    assert done.code == 0, done.said
    assert isinstance(streamer.target, Workerd)
    assert await differences(large, streamer.target, streamer.uuid, SCHEMAS) == []


def test_the_printed_schema_makes_what_the_run_made(
    moved: tuple[Streamer, Outcome], workerd_d1: Workerd
) -> None:
    streamer, _ = moved
    printed = workerd_d1.create("printed")

    workerd_d1.run(printed, streamer("schema", *EVERYTHING).stdout)

    made = workerd_d1.rows(streamer.uuid, OBJECTS)
    assert workerd_d1.rows(printed, OBJECTS) == made
    assert len(made) > 2 * TABLES


def test_what_is_lost_is_said_in_few_lines_and_kept_one_by_one(
    moved: tuple[Streamer, Outcome], plan: Plan
) -> None:
    streamer, done = moved
    short = [line for line in done.stderr.splitlines() if " warning " in line]
    logged = (streamer.folder / "run.log").read_text()

    lost = [f"{finding.object}: {finding.what}" for finding in plan.findings]
    reported = "\n".join(streamer.report["warnings"])
    assert [line for line in lost if line not in reported] == []
    assert [line for line in lost if line.replace("\n", "\\n") not in logged] == []
    assert len(lost) > 4 * len(short)
    told = sum(
        int(n or 1) for line in short for n in re.findall(r"Z warning (?:(\d+) objects )?", line)
    )
    assert told - 1 == len(lost)  # the last line counts them all
    assert f"that makes {len(lost)} things" in short[-1]
