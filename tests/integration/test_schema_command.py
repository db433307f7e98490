"""`streamer schema`: what it prints makes the very schema that a run makes, nothing lost in silence."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from streamer.config import Config, Selection, SourceSettings
from streamer.model import Plan, Secret, Shaping
from streamer.postgres import PostgresSource
from streamer.run.planning import plan_job
from tests.engines.accounting import accounts
from tests.engines.d1server import D1RequestError
from tests.engines.postgres import Database, Postgres, now
from tests.engines.workerd import Workerd
from tests.stories.command import Streamer

pytestmark = [pytest.mark.postgres, pytest.mark.workerd]

EVERYTHING = (Path(__file__).parent / "everything.sql").read_text()
TORTURE = Path(__file__).parents[1] / "torture" / "torture.sql"
SQL = "SELECT type, name, sql FROM sqlite_schema ORDER BY type, name"
CHOSEN = ("--schema", "shop")
SETTINGS = 'autoincrement = true\ncomments = true\nviews = "create"\nwithout_rowid = "always"\n'


@pytest.fixture(scope="module")
def shop(postgres: Postgres) -> Database:
    """A database with a bit of everything; not to be changed."""
    database = now(postgres.create_database())
    database.execute_now(EVERYTHING)
    return database


@pytest.fixture
def streamer(shop: Database, workerd_d1: Workerd, tmp_path: Path) -> Iterator[Streamer]:
    uuid = workerd_d1.create(tmp_path.name)
    yield Streamer(tmp_path, shop, workerd_d1, uuid)
    workerd_d1.delete(uuid)


async def planned(database: Database, shaping: Shaping) -> Plan:
    config = Config(selection=Selection(schemas=("*",)), shaping=shaping)
    async with PostgresSource.open(SourceSettings(dsn=Secret(database.dsn))) as source:
        return await plan_job(source, config)


def schema_of(server: Workerd, uuid: str) -> list[tuple[object, ...]]:
    """What a database's catalog says, but for what isn't the user's."""
    ours = ("_cf_", "_streamer_", "sqlite_")
    return [
        (kind, name, sql)
        for kind, name, sql in server.rows(uuid, SQL)
        if not str(name).startswith(ours)
    ]


@pytest.mark.parametrize("settings", ["", SETTINGS, "strict = true\n"])
def test_the_printed_schema_is_the_one_that_a_run_makes(
    streamer: Streamer, workerd_d1: Workerd, settings: str
) -> None:
    (streamer.folder / "streamer.toml").write_text(settings)
    options = ("--config", "streamer.toml", *CHOSEN)
    by_hand = workerd_d1.create(f"{streamer.folder.name}-by-hand")

    printed = streamer("schema", *options)
    assert printed.code == 0, printed.said
    workerd_d1.run(by_hand, printed.stdout)
    done = streamer("run", *options, "--progress", "none")

    assert done.code == 0, done.said
    made = schema_of(workerd_d1, streamer.uuid)
    assert made == schema_of(workerd_d1, by_hand)
    assert {name for _, name, _ in made} >= {"shop__product", "shop__product_unsold"}
    assert ("-- ISO 3166" in str(made)) == ("comments" in settings)
    views = {name for kind, name, _ in made if kind == "view"}
    assert views == (
        {"shop__unsold_products", "shop__unsold_names"} if "views" in settings else set()
    )
    workerd_d1.delete(by_hand)


def test_what_d1_computes_and_fills_in_is_what_postgresql_would(streamer: Streamer) -> None:
    (streamer.folder / "streamer.toml").write_text("autoincrement = true\n")

    done = streamer("run", "--config", "streamer.toml", *CHOSEN)

    assert done.code == 0, done.said
    server, uuid = streamer.target, streamer.uuid
    computed = 'SELECT id, cost, double_cost FROM "shop__product" ORDER BY id'
    assert server.rows(uuid, computed) == [[100, 7, 14], [101, None, None]]
    row = server.rows(
        uuid,
        """INSERT INTO "shop__product" (name) VALUES ('Three')
           RETURNING id, size, price, cost, count, double_cost, origin, tags, sold,
                     length(uid), length(made), ticket, digest""",
    )
    assert row == [[102, "small", 9.9, 3, 1, 6, "CH", "[]", 0, 36, 19, None, None]]


@pytest.mark.parametrize("policy", ["upsert", "replace"])
def test_a_second_run_finds_its_own_tables_as_planned(streamer: Streamer, policy: str) -> None:
    count = 'SELECT count(*), count(double_cost) FROM "shop__product"'

    first = streamer("run", *CHOSEN, "--progress", "none")
    options = ("--restart", "--if-exists", policy, "--exclude", "log", "--progress", "none")
    second = streamer("run", *CHOSEN, *options)

    assert (first.code, second.code) == (0, 0), second.said
    assert streamer.target.rows(streamer.uuid, count) == [[2, 1]]


WRONG = [
    "(name, price) VALUES ('x', -1)",
    "(name, size) VALUES ('x', 'huge')",
    "(name, count) VALUES ('x', 0)",
    "(name, count) VALUES ('x', 100)",
    "(name, cost) VALUES ('x', 1000)",
    "(id, name, parent) VALUES (7, 'x', 7)",
]


def test_d1_refuses_what_postgresql_would(streamer: Streamer, workerd_d1: Workerd) -> None:
    workerd_d1.run(streamer.uuid, streamer("schema", *CHOSEN).stdout)

    for wrong in WRONG:
        with pytest.raises(D1RequestError):
            workerd_d1.run(streamer.uuid, f'INSERT INTO "shop__product" {wrong}')


async def test_everything_of_a_schema_is_carried_over_or_named(shop: Database) -> None:
    plan = await planned(shop, Shaping())

    counted = await accounts(shop, plan)
    silent = await accounts(shop, replace(plan, findings=()))

    assert counted.missing == ()
    assert counted.objects > 30
    assert {
        "constraint c shop.country.upper_case",
        "constraint x shop.stock.stock_amount_excl",
        "constraint c shop.stock.enough",
        "default shop.product.digest",
        "sequence shop.product.ticket",
        "generated shop.product.words",
        "index shop.product.by_words",
        "trigger shop.stock.touched",
        "rule shop.log.nothing",
        "partitions shop.log",
    } <= {*silent.missing}


async def test_everything_of_the_torture_database_is_carried_over_or_named(
    postgres: Postgres,
) -> None:
    database = await postgres.create_database()
    connection = await database.connect()
    connection.add_log_listener(lambda *_: None)  # what the server has no extension for
    await connection.execute(TORTURE.read_text())
    await connection.close()

    plan = await planned(database, Shaping())
    counted = await accounts(database, plan)
    strict = await planned(database, Shaping(strict=True))

    await postgres.drop_database(database.name)
    assert counted.missing == ()
    assert counted.objects > 150
    held_back = {f.object for f in strict.refusals if "STRICT" in f.what}
    assert {"public.t_floats.f4", "public.t_floats.f8", "public.t_float_nn.f"} <= held_back
    assert {"public.t_numeric.n102", "public.t_numeric.n150", "public.k_floatkey.f"} <= held_back
    assert "public.c_defaults.u" not in held_back
