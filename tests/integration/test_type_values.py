"""Values whose options take more SQL than a cast: intervals, JSON, masks, keys of extensions."""

from __future__ import annotations

import hmac

import apsw
import asyncpg
import pytest

from streamer.model import PgType
from streamer.model.shaping import TypeOptions
from streamer.postgres.catalog import read_catalog
from streamer.postgres.connect import beginning
from streamer.translate.masks import INNER_KEY, OUTER_KEY, masked
from streamer.translate.names import quote
from streamer.translate.types import Mapping, map_type
from tests.engines.postgres import Database, Postgres

pytestmark = pytest.mark.postgres


@pytest.mark.parametrize("style", ["years", "days and times", "signs"])
async def test_intervals_are_printed_as_postgresql_s_own_style_prints_them(
    any_database: Database, style: str
):
    values = {
        "years": "SELECT make_interval(y, m, 0, d) FROM generate_series(-2, 2) y,"
        " generate_series(-13, 13, 13) m, generate_series(-1, 2) d",
        "days and times": "SELECT make_interval(0, 0, 0, d, h, 0, s) FROM generate_series(-1, 1) d,"
        " unnest(ARRAY[0, 1, -26, 123456]) h, unnest(ARRAY[0, 0.5, -0.000001, 59.999999, 3661]) s",
        "signs": "SELECT make_interval(y, m, 0, d, h) FROM generate_series(-1, 1) y,"
        " generate_series(-1, 1) m, generate_series(-1, 1) d, generate_series(-1, 1) h",
    }
    await any_database.execute(f"CREATE TABLE t (v) AS {values[style]}")
    connection = await any_database.connect()
    try:
        await connection.execute("SET IntervalStyle = postgres")
        own = [row[0] for row in await connection.fetch("SELECT v::text FROM t ORDER BY ctid")]
        await connection.execute(beginning())
        kind = (await read_catalog(connection)).tables[0].column("v").type
        mapping = map_type(kind, TypeOptions(intervals="postgres"))
        assert isinstance(mapping, Mapping)
        rows = await connection.fetch(
            f"SELECT {mapping.read_sql('t.v')} FROM public.t ORDER BY ctid"
        )
    finally:
        await connection.close()

    assert [row[0] for row in rows] == own
    assert len(own) > 30


async def mapping_of(
    connection: asyncpg.Connection, column: str = "v", **choices: str
) -> tuple[Mapping, PgType]:
    """How the column of the only table is moved, and its type; begins a transaction."""
    await connection.execute(beginning())
    catalog = await read_catalog(connection)
    kind = catalog.tables[0].column(column).type
    mapping = map_type(kind, TypeOptions().but(choices), server_version=170_000)
    assert isinstance(mapping, Mapping)
    return mapping, kind


@pytest.mark.parametrize("kind", ["json", "jsonb"])
async def test_json_is_counted_as_too_deep_where_sqlite_says_it_is_not_valid(
    any_database: Database, kind: str
):
    texts = [
        *(f"{'[' * depth}{']' * depth}" for depth in (1, 999, 1000, 1001, 1500)),
        *('{"a":' * depth + "1" + "}" * depth for depth in (1000, 1001)),
        "[" + ",".join(["[]"] * 3000) + "]",
        "[" + ",".join(['{"a":[1]}'] * 3000) + "]",
        '["' + "[" * 3000 + '"]',
        '["' + '\\"[' * 3000 + '\\\\"]',
        "[" * 900 + '"' + "]{" * 900 + '", ' + "[" * 100 + "]" * 1000,
        "[" * 900 + '"\\"' + "]" * 900 + '", ' + "[" * 101 + "]" * 1001,
    ]
    connection = await any_database.connect()
    try:
        await connection.execute(f"CREATE TABLE t (id int, v {kind})")
        await connection.executemany("INSERT INTO t VALUES ($1, $2)", list(enumerate(texts)))
        mapping, _ = await mapping_of(connection)
        condition = mapping.counted[0].condition.replace("{c}", "t.v")
        rows = await connection.fetch(
            f"SELECT {mapping.read_sql('t.v')}, {condition} FROM public.t ORDER BY id"
        )
    finally:
        await connection.close()
    sqlite = apsw.Connection(":memory:")

    for text, deep in rows:
        (valid,) = sqlite.execute("SELECT json_valid(?)", (text,)).fetchone()
        assert deep is (valid == 0), text[:40]
    assert sum(deep for _, deep in rows) == 4


@pytest.mark.parametrize("kind", ["json", "jsonb"])
async def test_null_and_small_json_is_not_taken_apart_to_find_how_deep_it_is(
    any_database: Database, kind: str
):
    connection = await any_database.connect()
    try:
        await connection.execute(
            f"CREATE TABLE t (id int, v {kind}); INSERT INTO t VALUES (1, NULL), (2, '[]')"
        )
        mapping, _ = await mapping_of(connection)
        condition = mapping.counted[0].condition.replace("{c}", "t.v")
        lines = await connection.fetch(f"EXPLAIN (ANALYZE) SELECT {condition} FROM public.t")
    finally:
        await connection.close()

    windows = [line for (line,) in lines if "WindowAgg" in line]
    assert windows
    assert all("never executed" in line for line in windows)


async def test_a_mask_hashes_as_hmac_does_and_redacts_all_but_null(any_database: Database):
    key = b"sixteen letters!"
    await any_database.execute(
        "CREATE TYPE pair AS (a int, b int);"
        "CREATE TABLE t (id int, v text, d bytea, p pair);"
        "INSERT INTO t VALUES (1, 'é', '\\x00ff', ROW(NULL, 1)), (2, NULL, NULL, NULL),"
        " (3, '', '', ROW(NULL, NULL))"
    )
    connection = await any_database.connect()
    try:
        mapping, kind = await mapping_of(connection)
        blob, blob_kind = await again(connection, "d")
        row, row_kind = await again(connection, "p")
        padded = key.ljust(64, b"\0")
        for name, value in ((INNER_KEY, 0x36), (OUTER_KEY, 0x5C)):
            setting = "\\x" + bytes(byte ^ value for byte in padded).hex()
            await connection.execute("SELECT set_config($1, $2, true)", name, setting)
        hidden = [
            masked(mapping, "hash", kind),
            masked(blob, "hash", blob_kind),
            masked(mapping, "redact", kind),
            masked(row, "redact", row_kind),
            masked(mapping, "null", kind),
        ]
        sql = [
            found.read_sql(value)
            for found, value in zip(hidden, ("t.v", "t.d", "t.v", "t.p", "t.v"), strict=True)
            if isinstance(found, Mapping)
        ]
        rows = await connection.fetch(f"SELECT {', '.join(sql)} FROM public.t ORDER BY id")
    finally:
        await connection.close()

    def digest(text: str) -> str:
        return hmac.digest(key, text.encode(), "sha256").hex()

    assert [tuple(row) for row in rows] == [
        (digest("é"), digest("00ff"), "***", "***", None),
        (None, None, None, None, None),
        (digest(""), digest(""), "***", "***", None),
    ]


async def again(connection: asyncpg.Connection, column: str) -> tuple[Mapping, PgType]:
    """How another column is moved, within the transaction."""
    kind = (await read_catalog(connection)).tables[0].column(column).type
    mapping = map_type(kind)
    assert isinstance(mapping, Mapping)
    return mapping, kind


@pytest.mark.parametrize("extension", ["citext", "ltree"])
async def test_keys_of_extensions_can_be_paged_through_by_their_own_operators(
    any_database: Database, extension: str
):
    there = {row[0] for row in await any_database.fetch("SELECT name FROM pg_available_extensions")}
    assert extension in there
    value = {
        "citext": '(CASE WHEN g % 2 = 0 THEN upper(x) ELSE x END)::"ex t".citext',
        "ltree": "replace(replace(replace(x, '-', '.'), '_', 'Z'), 'é', 'e')::\"ex t\".ltree",
    }[extension]
    await any_database.execute(
        f'CREATE SCHEMA "ex t"; CREATE EXTENSION {extension} SCHEMA "ex t";'
        f'CREATE TABLE t (v "ex t".{extension} PRIMARY KEY);'
        f"INSERT INTO t SELECT {value} FROM (SELECT g, chr(97 + g % 26) || '-é_b' || chr(65 + g % 13)"
        " || g AS x FROM generate_series(1, 300) AS g) AS made ON CONFLICT DO NOTHING"
    )
    connection = await any_database.connect()
    try:
        mapping, kind = await mapping_of(connection)
        assert mapping.keyable
        assert mapping.exact
        seen: list[str] = []
        while True:
            rows = await connection.fetch(
                f"SELECT {mapping.read_sql('t.v')} FROM public.t AS t"
                f" WHERE $1::text IS NULL OR t.v OPERATOR({quote(mapping.operator_schema)}.>)"
                f" $1::text::{kind.formatted} ORDER BY t.v LIMIT 7",
                seen[-1] if seen else None,
            )
            if not rows:
                break
            seen += [row[0] for row in rows]
        whole = [
            row[0] for row in await connection.fetch("SELECT v::text FROM public.t ORDER BY v")
        ]
    finally:
        await connection.close()

    assert len(whole) > 100
    assert sorted(seen) == sorted(whole)
    assert len(seen) == len(set(seen))


async def test_citext_counts_letters_whose_case_d1_does_not_ignore(any_postgres: Postgres):
    name = "letters"
    await any_postgres.execute(
        "postgres",
        f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C.UTF-8'",
    )
    await any_postgres.execute(
        name,
        "CREATE EXTENSION citext; CREATE TABLE t (v citext);"
        "INSERT INTO t VALUES ('Hello'), ('É'), ('été'), ('中文'), ('a😀B'), (NULL)",
    )
    connection = await any_postgres.connect(name)
    try:
        mapping, _ = await mapping_of(connection)
        condition = mapping.counted[0].condition.replace("{c}", "t.v")
        rows = await connection.fetch(f"SELECT v::text FROM public.t WHERE {condition}")
    finally:
        await connection.close()
        await any_postgres.drop_database(name)

    assert {row[0] for row in rows} == {"É", "été"}
