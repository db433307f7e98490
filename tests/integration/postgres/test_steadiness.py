"""SQL of the user's that may say something else each time: refused as a `where`, else told."""

import pytest

from streamer.config import Config, Selection, SourceSettings
from streamer.errors import UsageError
from streamer.model import ColumnOptions, Finding, Secret, Shaping, TableOptions
from streamer.postgres import PostgresSource
from streamer.run.planning import plan_job
from tests.engines.postgres import Database

pytestmark = pytest.mark.postgres

TABLES = """
    CREATE TABLE a (id int PRIMARY KEY, at timestamptz, x text, boss int REFERENCES a);
    CREATE TABLE b (id int PRIMARY KEY, at timestamptz);
    CREATE FUNCTION public.dice(int) RETURNS bool LANGUAGE plpgsql AS 'BEGIN RETURN true; END';
    CREATE FUNCTION public.fixed(int) RETURNS bool LANGUAGE plpgsql STABLE AS 'BEGIN RETURN true; END';
    CREATE FUNCTION public.roll(text, text) RETURNS bool LANGUAGE plpgsql AS 'BEGIN RETURN true; END';
    CREATE OPERATOR public.### (LEFTARG = text, RIGHTARG = text, FUNCTION = public.roll);"""

VOLATILE = (
    "random() < 0.5",
    "at < clock_timestamp()",
    "public.dice(id)",
    "x OPERATOR(public.###) 'y'",
    "id IN (SELECT id FROM public.b WHERE random() < 0.5)",
    "t.x <> gen_random_uuid()::text",
)
MOMENTARY = (
    "at > now() - interval '30 days'",
    "at > CURRENT_DATE",
    "at > pg_catalog.now()",
    "at > 'yesterday'",
    "age(at) < interval '1 year'",
    "x = current_user",
)
STEADY = (
    "id % 10 = 3",
    "public.fixed(id)",
    "x <> 'now or never'",
    "age(at, '2024-01-15') < interval '1 year'",
    "hashtext(t.id::text) % 10 = 0",
    "at > timestamptz '2024-01-15 00:00+00' AND x ~ 'a|b'",
    "date_trunc('day', at) > '2024-01-15'",
    "id IN (SELECT id FROM public.b)",
)


async def told(database: Database, shaping: Shaping) -> list[Finding]:
    config = Config(
        source=SourceSettings(dsn=Secret(database.dsn)), selection=Selection(), shaping=shaping
    )
    async with PostgresSource.open(config.source) as source:
        plan = await plan_job(source, config)
    return [f for f in plan.findings if "session" in f.what or "another value" in f.what]


def where(sql: str, table: str = "b", *columns: str) -> Shaping:
    return Shaping(tables={table: TableOptions(where=sql, columns=columns)})


async def test_a_where_that_chooses_other_rows_each_time_is_refused(any_database: Database):
    await any_database.execute(TABLES)

    for sql in VOLATILE:
        with pytest.raises(UsageError, match=r"public\.a, where: .* VOLATILE"):
            await told(any_database, where(sql, "a"))


async def test_a_where_that_speaks_of_the_moment_is_told(any_database: Database):
    await any_database.execute(TABLES)
    of_one = ("id", "at", "x")

    for sql in MOMENTARY:
        (found,) = await told(any_database, where(sql, "a", *of_one))
        assert found.object == "public.a"
    for sql in STEADY:
        assert await told(any_database, where(sql, "a", *of_one)) == []


async def test_rows_that_are_read_twice_are_not_chosen_by_the_moment(any_database: Database):
    await any_database.execute(TABLES)

    with pytest.raises(UsageError, match="read twice"):
        await told(any_database, where("at > now()", "a"))


async def test_an_expression_that_makes_another_value_each_time_is_told(any_database: Database):
    await any_database.execute(TABLES)

    def made(sql: str) -> Shaping:
        return Shaping(tables={"a": TableOptions(column={"x": ColumnOptions(expression=sql)})})

    for sql in ("random()", "gen_random_uuid()", "now()", "public.dice(id)"):
        (found,) = await told(any_database, made(sql))
        assert found.object == "public.a.x"
    assert await told(any_database, made("md5(x)")) == []
    of_another = Shaping(tables={"b": TableOptions(where="at > now()")})
    config = Config(
        source=SourceSettings(dsn=Secret(any_database.dsn)),
        selection=Selection(exclude=("b",)),
        shaping=of_another,
    )
    async with PostgresSource.open(config.source) as source:
        plan = await plan_job(source, config)
    assert [f for f in plan.findings if f.object == "public.b"] == []
