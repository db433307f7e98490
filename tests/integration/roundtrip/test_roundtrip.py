"""Any tables, types and values: PostgreSQL → D1 → PostgreSQL, and PostgreSQL itself compares them."""

from __future__ import annotations

import itertools
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from streamer.model.sql import quote_identifier as quote
from tests.engines.postgres import Database, Postgres, now
from tests.engines.sqlite_file import PlainFile
from tests.engines.workerd import Workerd
from tests.integration.roundtrip.columns import KINDS, MADE, Kind
from tests.stories.command import Streamer

if TYPE_CHECKING:
    from tests.engines.d1server import D1Server

pytestmark = [pytest.mark.postgres, pytest.mark.workerd, pytest.mark.processes]

NUMBER = itertools.count()
DATABASES = 12  # each a process, with many columns
_NAMES = st.text(
    st.sampled_from("aZ é\"'?$1;-\n.\t😀`]"), min_size=1, max_size=9
) | st.sampled_from(
    ["select", "value", "key", "excluded", "o", "s", "t", "rowid", "oid", "c0", "x"]
)
KEYS = (
    "integer PRIMARY KEY",
    "text PRIMARY KEY",
    "bigint UNIQUE NOT NULL",
    "numeric PRIMARY KEY",
    "integer",
)


@dataclass(frozen=True)
class Drawn:
    """A table to make: its first column `id` numbers the rows, `key` says how."""

    name: str
    key: str
    columns: tuple[tuple[str, Kind], ...]
    rows: tuple[tuple[str | None, ...], ...]

    @property
    def sql(self) -> str:
        columns = [f"id {self.key}", *(f"{quote(name)} {kind.type}" for name, kind in self.columns)]
        return f"CREATE TABLE {quote(self.name)} ({', '.join(columns)})"


@st.composite
def _table(draw: st.DrawFn, name: str) -> Drawn:
    kinds = draw(st.lists(st.sampled_from(KINDS), min_size=1, max_size=10))
    names = draw(
        st.lists(_NAMES, min_size=len(kinds), max_size=len(kinds), unique_by=str.lower).filter(
            lambda names: "id" not in map(str.lower, names)
        )
    )
    row = st.tuples(*(st.none() | kind.literals for kind in kinds))
    rows = draw(st.lists(row, max_size=12))
    key = draw(st.sampled_from(KEYS))
    return Drawn(name, key, tuple(zip(names, kinds, strict=True)), tuple(rows))


@st.composite
def _tables(draw: st.DrawFn) -> list[Drawn]:
    names = draw(st.lists(_NAMES, min_size=4, max_size=7, unique_by=str.lower))
    return [draw(_table(name)) for name in names]


@pytest.fixture(scope="module")
def database(postgres: Postgres) -> Database:
    """An empty database with the types that the columns use."""
    made = now(postgres.create_database())
    now(_execute(made, MADE))
    return made


async def _execute(database: Database, sql: str) -> None:
    connection = await database.connect()
    try:
        await connection.execute(sql)
    finally:
        await connection.close()


async def _make(database: Database, tables: list[Drawn]) -> int:
    """Make the tables; how many of the rows PostgreSQL took."""
    connection, taken = await database.connect(), 0
    try:
        await connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
        for table in tables:
            await connection.execute(table.sql)
            for number, row in enumerate(table.rows, 1):
                cells = [f"'{number}'", *map(_literal, row)]
                try:
                    await connection.execute(
                        f"INSERT INTO {quote(table.name)} VALUES ({', '.join(cells)})"
                    )
                except asyncpg.PostgresError:
                    continue  # it isn't a value of that type
                taken += 1
    finally:
        await connection.close()
    return taken


def _literal(text: str | None) -> str:
    if text is None:
        return "NULL"
    return "E'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _stored(target: D1Server | PlainFile, uuid: str, table: Drawn) -> list[list[str | None]]:
    """The target's rows, each cell as exact text: hex of bytes, shortest text of doubles."""
    cells = [
        f"typeof({name}), CASE typeof({name}) WHEN 'integer' THEN CAST({name} AS TEXT)"
        f" WHEN 'blob' THEN hex({name}) ELSE {name} END"
        for name in (quote(name) for name in ("id", *(name for name, _ in table.columns)))
    ]
    found = target.rows(uuid, f"SELECT {', '.join(cells)} FROM {quote(table.name)}")
    return [
        [
            None if kind == "null" else repr(float(value)) if kind == "real" else str(value)
            for kind, value in zip(row[::2], row[1::2], strict=True)
        ]
        for row in found
    ]


async def _differing(
    database: Database, target: D1Server | PlainFile, uuid: str, table: Drawn
) -> list[str]:
    """Columns, by type, in which PostgreSQL finds the way back not to lead to the same values."""
    connection, wrong = await database.connect(), list[str]()
    try:
        await connection.execute("SET intervalstyle = iso_8601; SET timezone = 'UTC'")
        stored = _stored(target, uuid, table)
        there = await connection.fetchval(f"SELECT count(*) FROM {quote(table.name)}")
        if there != len(stored):
            wrong.append(f"{there} rows, {len(stored)} stored")
        for place, (name, kind) in enumerate(table.columns, 1):
            same = kind.same.format(
                new="(" + kind.back.replace("{x}", 's."came back"') + ")", old=f"t.{quote(name)}"
            )
            unequal = await connection.fetch(
                f'SELECT s.id FROM unnest($1::text[], $2::text[]) AS s (id, "came back")'
                f" LEFT JOIN {quote(table.name)} AS t ON t.id::text = s.id"
                f" WHERE t.id IS NULL OR NOT ({same})",
                [row[0] for row in stored],
                [row[place] for row in stored],
            )
            wrong += [f"{kind.type}: row {row['id']}" for row in unequal]
    finally:
        await connection.close()
    return wrong


@settings(
    max_examples=DATABASES,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # each shrinking step is a run
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
        HealthCheck.filter_too_much,
    ],
)
@given(tables=_tables(), where=st.sampled_from(["file", "workerd"]))
def test_what_comes_back_is_what_was_there(
    database: Database, workerd_d1: Workerd, tables: list[Drawn], where: str
) -> None:
    taken = now(_make(database, tables))
    with tempfile.TemporaryDirectory() as folder:
        target: D1Server | PlainFile = workerd_d1
        uuid = ""
        if where == "file":
            target = PlainFile(Path(folder) / "target.db")
        else:
            uuid = workerd_d1.create(f"roundtrip-{next(NUMBER)}")
        done = Streamer(Path(folder), database, target, uuid)("run", "--progress", "none")

        assert done.code == 0, done.said
        assert f"{taken:,} {'row' if taken == 1 else 'rows'} of" in done.stdout
        for table in tables:
            assert now(_differing(database, target, uuid, table)) == []
        assert target.rows(uuid, "PRAGMA foreign_key_check") == []
        if uuid:
            workerd_d1.delete(uuid)
