"""One cell changed in D1, in any column of any kind of table: that cell is named, and nothing else."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.engines.postgres import Database, Postgres, filled
from tests.engines.workerd import Workerd
from tests.stories.command import Streamer
from tests.stories.reports import read_report

pytestmark = [pytest.mark.postgres, pytest.mark.workerd, pytest.mark.processes]

QUIETLY = ("--progress", "none")
ROWS = 60
TYPES = ["integer", "text", "double precision", "numeric(12,2)", "boolean", "timestamptz", "bytea",
         "bigint", "jsonb", "uuid", "numeric", "date", "interval", "int[]", "char(8)"]  # fmt: skip
VALUES = {
    "integer": "n * {k} - 500", "text": "'text ' || n * {k}", "double precision": "n / {k}.7",
    "numeric(12,2)": "n * {k} / 8.0", "boolean": "(n + {k}) % 2 = 0",
    "timestamptz": "'2024-01-01 00:00:00Z'::timestamptz + n * {k} * interval '0.25 s'",
    "bytea": "decode(lpad(to_hex(n * {k}), 8, '0'), 'hex')", "bigint": "9007199254740993 + n * {k}",
    "jsonb": "jsonb_build_object('n', n, 'k', {k})", "uuid": "md5(n::text || {k})::uuid",
    "numeric": "n * {k} + 0.123456789012345678901", "date": "'2024-01-01'::date + n + {k}",
    "interval": "n * interval '1 day 1 s'", "int[]": "array[n, {k}]", "char(8)": "n::text || 'x{k}'",
}  # fmt: skip
WIDE = [TYPES[k % len(TYPES)] for k in range(1, 100)]


def _table(name: str, key: str, columns: list[str], rows: int) -> str:
    declared = ", ".join(f"c{k} {kind}" for k, kind in enumerate(columns, 1))
    values = ", ".join(
        f"CASE WHEN (n + {k}) % 7 <> 0 THEN {VALUES[kind].format(k=k)} END"
        for k, kind in enumerate(columns, 1)
    )
    keys = {"keyless": "", "by_text": "'k''\" ' || n, "}.get(name, "n, ")
    return (
        f"CREATE TABLE {name} ({key}{declared});"
        f"INSERT INTO {name} SELECT {keys}{values} FROM generate_series(1, {rows}) AS n;"
    )


SOURCE = "".join([
    _table("wide", "id int PRIMARY KEY, ", WIDE, ROWS),
    _table("narrow", "id bigint PRIMARY KEY, ", TYPES, ROWS),
    _table("by_text", "id text PRIMARY KEY, ", TYPES, ROWS),
    _table("keyless", "", TYPES, ROWS),
    """CREATE TABLE fat (id int PRIMARY KEY, body text, data bytea);
    INSERT INTO fat SELECT n, repeat(md5(n::text), 29000), decode(repeat(md5(n::text), 60000), 'hex')
    FROM generate_series(1, 3) AS n;
    CREATE TABLE masked (mail text PRIMARY KEY, note text);
    INSERT INTO masked SELECT 'precious' || n, 'note ' || n FROM generate_series(1, 40) AS n""",
])  # fmt: skip
CONFIG = '[tables.masked.column.mail]\nmask = "hash"\n'

# Each makes another value of any; NULLs become something, and something NULL or of another type.
WAYS = [
    """CASE typeof({c}) WHEN 'integer' THEN {c} + 1 WHEN 'real' THEN {c} + abs({c}) * 2.3e-16 + 5e-324
    WHEN 'text' THEN {c} || 'x' WHEN 'blob' THEN CAST({c} || x'00' AS BLOB) ELSE 0 END""",
    "CASE typeof({c}) WHEN 'null' THEN '' ELSE NULL END",
    "CASE typeof({c}) WHEN 'blob' THEN hex({c}) WHEN 'null' THEN x'' ELSE CAST({c} AS BLOB) END",
    """CASE typeof({c}) WHEN 'integer' THEN -{c} - 1 WHEN 'real' THEN -{c} - 1
    WHEN 'text' THEN char(unicode({c}) + 1) || substr({c}, 2)
    WHEN 'blob' THEN CAST(substr({c}, 2) AS BLOB) ELSE 1.5 END""",
]


@pytest.fixture(scope="module")
def source(postgres: Postgres) -> Iterator[Database]:
    with filled(postgres, SOURCE) as database:
        yield database


@pytest.fixture
def streamer(source: Database, workerd_d1: Workerd, tmp_path: Path) -> Iterator[Streamer]:
    """The command, with the tables moved."""
    (tmp_path / "streamer.toml").write_text(CONFIG)
    uuid = workerd_d1.create(tmp_path.name)
    key = {"STREAMER_HASH_KEY": "0123456789abcdef0123456789abcdef"}
    streamer = Streamer(tmp_path, source, workerd_d1, uuid, key)
    moved = streamer("run", "--config", "streamer.toml", *QUIETLY)
    assert moved.code == 0, moved.said
    yield streamer
    workerd_d1.delete(uuid)


def compared(streamer: Streamer, *arguments: str, code: int) -> list[tuple[str, ...]]:
    """Table, kind, key and columns of all differences of a comparison that ends with `code`."""
    options = ("--config", "streamer.toml", "--full", *QUIETLY, *arguments)
    done = streamer("validate", *options)
    assert done.code == code, done.said
    report: Any = read_report(streamer.folder / "validation_report.json")
    assert "precious" not in done.said + json.dumps(report)
    return sorted(
        (table["name"].removeprefix("public."), one["kind"], *one["key"], *one["columns"])
        for table in report["tables"]
        for one in table["differences"]
    )


def test_any_cells_that_are_changed_are_named_and_nothing_else_and_mended(
    streamer: Streamer,
) -> None:
    seed = random.SystemRandom().getrandbits(32)
    print("seed:", seed)
    changed = sorted(change_cells(streamer, random.Random(seed)))

    found = compared(streamer, "--batch-bytes", "60000", code=3)

    assert found == changed
    assert compared(streamer, "--repair", code=0) == []


def change_cells(streamer: Streamer, dice: random.Random) -> Iterator[tuple[str, ...]]:
    """Change cells in D1, at most one a row; which ones."""
    tables = {"wide": (WIDE, 40), "narrow": (TYPES, 15), "by_text": (TYPES, 15), "keyless": (TYPES, 15)}  # fmt: skip
    for table, (columns, changes) in tables.items():
        name = "rowid" if table == "keyless" else "id"
        keys = streamer.target.rows(streamer.uuid, f"SELECT CAST({name} AS TEXT) FROM {table}")
        for (key,) in dice.sample(keys, changes):
            column = f"c{dice.randrange(len(columns)) + 1}"
            where = "{} = '{}'".format(name, key.replace("'", "''"))
            before = held(streamer, table, column, where)
            change(streamer, table, column, dice.choice(WAYS), where)
            if held(streamer, table, column, where) != before:
                yield table, "different", key, column
    for column, way in (("body", WAYS[3]), ("data", WAYS[3])):
        row = {"body": 1, "data": 3}[column]
        change(streamer, "fat", column, way, f"id = {row}")
        yield "fat", "different", str(row), column
    ((key,),) = streamer.target.rows(streamer.uuid, "SELECT min(mail) FROM masked")
    change(streamer, "masked", "note", WAYS[0], f"mail = '{key}'")
    yield "masked", "different", key, "note"
    ((key,),) = streamer.target.rows(streamer.uuid, "SELECT max(mail) FROM masked")
    streamer.target.rows(streamer.uuid, f"DELETE FROM masked WHERE mail = '{key}'")
    yield "masked", "missing", key


def change(streamer: Streamer, table: str, column: str, way: str, where: str) -> None:
    value = way.format(c=column)
    streamer.target.rows(streamer.uuid, f"UPDATE {table} SET {column} = {value} WHERE {where}")


def held(streamer: Streamer, table: str, column: str, where: str) -> list[Any]:
    """A cell with its type, to its last bit."""
    exact = f"CASE typeof({column}) WHEN 'real' THEN printf('%!.20g', {column}) ELSE quote({column}) END"
    sql = f"SELECT typeof({column}), {exact} FROM {table} WHERE {where}"
    ((kind, text),) = streamer.target.rows(streamer.uuid, sql)
    return [kind, text]
