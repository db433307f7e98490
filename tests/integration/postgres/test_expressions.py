"""The user's own SQL, looked at by real servers of two majors before anything is read."""

import pytest

from streamer.config import Config, Selection, SourceSettings
from streamer.errors import UsageError
from streamer.model import (
    ColumnOptions,
    PgType,
    QualifiedName,
    Secret,
    Shaping,
    TableOptions,
    TypeKind,
)
from streamer.postgres import PostgresSource
from streamer.run.planning import plan_job
from tests.engines.postgres import Database

pytestmark = pytest.mark.postgres

TABLES = """
    CREATE TYPE mood AS ENUM ('sad', 'ok'); CREATE DOMAIN price AS numeric(10, 2) CHECK (VALUE > 0);
    CREATE TABLE a (id int PRIMARY KEY, "Full Name" text, m mood, p price, tags text[]);
    INSERT INTO a VALUES (1, 'x', 'ok', 1, '{a,b}');
    CREATE SCHEMA s; CREATE TABLE s.a (id int PRIMARY KEY, v int)"""


async def types_of(database: Database, shaping: Shaping) -> dict[tuple[QualifiedName, str], PgType]:
    async with PostgresSource.open(SourceSettings(dsn=Secret(database.dsn))) as source:
        return {**(await source.own_sql(shaping, await source.catalog())).types}


def with_expression(sql: str) -> Shaping:
    return Shaping(tables={"a": TableOptions(column={"id": ColumnOptions(expression=sql)})})


async def test_postgresql_says_what_type_an_expression_has(any_database: Database):
    await any_database.execute(TABLES)
    columns = {
        "id": "t.id + 1.5",
        "Full Name": 'upper("Full Name") /* ( */',
        "m": "coalesce(m, 'sad')",
        "p": "p",
        "tags": "array_append(tags, 'x')",
    }
    asked = {name: ColumnOptions(expression=sql) for name, sql in columns.items()}
    shaping = Shaping(
        tables={
            "a": TableOptions(where="id > 0 AND t.m = 'ok'", column=asked),
            "s.a": TableOptions(column={"v": ColumnOptions(expression="'text'")}),
        }
    )

    types = await types_of(any_database, shaping)

    found = {str(table) + "." + column: kind.formatted for (table, column), kind in types.items()}
    assert found == {
        "public.a.id": "numeric",
        "public.a.Full Name": "text",
        "public.a.m": "public.mood",
        "public.a.p": "numeric",  # PostgreSQL describes results without domains and modifiers
        "public.a.tags": "text[]",
        "s.a.v": "text",
    }
    table = QualifiedName("public", "a")
    assert types[table, "m"].labels == ("sad", "ok")
    assert types[table, "tags"].kind is TypeKind.ARRAY


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ("idd", 'column "idd" does not exist'),
        ("id +", "syntax error"),
        ("1), (2", ") closes nothing"),
        ("1; DROP TABLE a", "; ends a statement"),
        ("id -- all", "comments that end with the line"),
        ("$1 + 1", "no parameters"),
        ("count(*)", "aggregate functions are not allowed"),
        ("row_number() OVER ()", "window functions are not allowed"),
        ("unnest(tags)", "set-returning functions are not allowed"),
        ("nothing(id)", "function nothing(integer) does not exist"),
        ("1 AS x", "syntax error"),
    ],
)
async def test_an_expression_that_is_no_value_of_a_row_is_a_usage_error(
    any_database: Database, sql: str, words: str
):
    await any_database.execute(TABLES)

    with pytest.raises(UsageError, match=r"public\.a\.id, expression: ") as raised:
        await types_of(any_database, with_expression(sql))

    assert words in raised.value.what


async def test_the_message_names_each_where_and_expression_that_is_wrong(any_database: Database):
    await any_database.execute(TABLES)
    shaping = Shaping(
        tables={
            "a": TableOptions(
                where="id",
                column={"m": ColumnOptions(expression="x"), "p": ColumnOptions(expression="p")},
            ),
            "s.a": TableOptions(where="v > 'many'"),
        }
    )

    with pytest.raises(UsageError) as raised:
        await types_of(any_database, shaping)

    lines = raised.value.what.splitlines()
    assert [line.partition(": ")[0] for line in lines] == [
        "public.a, where",
        "public.a.m, expression",
        "s.a, where",
    ]
    assert "must be type boolean" in lines[0]


async def test_nothing_is_written_or_read_by_looking(any_database: Database):
    await any_database.execute(
        TABLES
        + """; CREATE SEQUENCE seen;
        CREATE FUNCTION public.writes(int) RETURNS bool LANGUAGE sql VOLATILE AS 'DELETE FROM public.a RETURNING true'"""
    )
    sql = "public.writes(id) AND nextval('public.seen') > 0"
    shaping = Shaping(
        tables={"a": TableOptions(where=sql, column={"p": ColumnOptions(expression=sql)})}
    )

    with pytest.raises(UsageError, match="VOLATILE"):
        await types_of(any_database, shaping)

    rows = await any_database.fetch("SELECT id, pg_sequence_last_value('seen') AS last FROM a")
    assert [(row["id"], row["last"]) for row in rows] == [(1, None)]


async def test_all_problems_of_the_settings_are_told_together(database: Database):
    await database.execute(TABLES)
    shaping = Shaping(
        tables={
            "a": TableOptions(where="nonsense(", columns=("id", "m", "nothere")),
            "s.a": TableOptions(column={"v": ColumnOptions(expression="nope", rename="x")}),
            "missing": TableOptions(),
        }
    )
    config = Config(
        source=SourceSettings(dsn=Secret(database.dsn)),
        selection=Selection(schemas=("*",), tables=("nosuch", "*")),
        shaping=shaping,
    )

    async with PostgresSource.open(config.source) as source:
        with pytest.raises(UsageError) as caught:
            await plan_job(source, config)

    lines = caught.value.what.splitlines()
    for words in (
        "--table nosuch",
        "nothere",
        "missing: no such table",
        "public.a, where",
        "s.a.v, expr",
    ):
        assert any(words in line for line in lines), words
    assert len(lines) == 5
