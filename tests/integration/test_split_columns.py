"""Composites, ranges and points as columns of their own, from a real PostgreSQL into a real D1."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from streamer.model import Shaping, TypeOptions
from tests.engines.postgres import Database
from tests.engines.sqlite_file import PlainFile
from tests.engines.workerd import Workerd
from tests.integration.postgres.test_questions import planned
from tests.stories.command import Streamer

pytestmark = [pytest.mark.postgres, pytest.mark.workerd, pytest.mark.processes]

SOURCE = r"""
CREATE TYPE place AS (at point, zone text);
CREATE TYPE mood AS ENUM ('sad', 'ok');
CREATE TYPE address AS (street text, "No" int, seen timestamptz(3), place place, mood mood, pic bytea);
CREATE DOMAIN home AS address;
CREATE DOMAIN spot AS point;
CREATE TYPE floats AS RANGE (subtype = float8);
CREATE TABLE people (
    id int PRIMARY KEY, home home, during tstzrange NOT NULL, nums numrange, days daterange,
    floats floats, at spot NOT NULL, homes address[], many int4multirange);
INSERT INTO people VALUES
  (1, '("a ""b"",c",7,"2024-01-15 10:30:45.678+05:30","(""(1.5,-2)"",utc)",ok,"\\x00ff")',
   '[2024-01-01 00:00+01,2024-02-01 00:00:00.5+00)', '[1.50,2]', '[2024-01-01,2024-01-31]',
   '(-Infinity,1.5]', '(1e300,NaN)', NULL, '{[1,2),[5,7)}'),
  (2, NULL, '(,)', 'empty', '(,)', '[1.5,)', '(0,0)', '{}', NULL),
  (3, ROW(NULL, NULL, NULL, NULL, NULL, NULL), 'empty', NULL, NULL, NULL, '(1,2)', NULL, '{}'),
  (4, ROW('', NULL, NULL, ROW(NULL, NULL), NULL, ''), '[infinity,infinity]', '[NaN,NaN]', 'empty',
   'empty', '(Infinity,-Infinity)', NULL, NULL);
"""
ALL = ("--composites", "columns", "--ranges", "columns", "--points", "columns")
STORED = """
SELECT id, home__street, "home__No", home__seen, home__place__at__x, home__place__at__y,
       home__place__zone, home__mood, hex(home__pic) FROM people ORDER BY id"""
HOMES = [
    [1, 'a "b",c', 7, "2024-01-15 05:00:45.678", 1.5, -2, "utc", "ok", "00FF"],
    [2, None, None, None, None, None, None, None, ""],
    [3, None, None, None, None, None, None, None, ""],
    [4, "", None, None, None, None, None, None, ""],
]
RANGES = """
SELECT id, during__lower, during__upper, during__bounds, nums__lower, nums__upper, nums__bounds,
       days__lower, days__upper, days__bounds, floats__lower, floats__upper, floats__bounds,
       at__x, at__y, many FROM people ORDER BY id"""
SPANS = [
    [
        *(1, "2023-12-31 23:00:00", "2024-02-01 00:00:00.5", "[)", "1.50", "2", "[]"),
        *("2024-01-01", "2024-02-01", "[)", "-Infinity", 1.5, "(]", 1e300, "NaN", "{[1,2),[5,7)}"),
    ],
    [2, None, None, "()", None, None, "empty", None, None, "()", 1.5, None, "[)", 0, 0, None],
    [3, None, None, "empty", *[None] * 9, 1, 2, "{}"],
    [
        *(4, "infinity", "infinity", "[]", "NaN", "NaN", "[]", None, None, "empty"),
        *(None, None, "empty", "Infinity", "-Infinity", None),
    ],
]


@pytest.fixture
async def streamer(
    database: Database, workerd_d1: Workerd, tmp_path: Path
) -> AsyncIterator[Streamer]:
    await database.execute(SOURCE)
    uuid = workerd_d1.create(tmp_path.name)
    yield Streamer(tmp_path, database, workerd_d1, uuid)
    workerd_d1.set_faults()
    workerd_d1.delete(uuid)


def stored(streamer: Streamer) -> tuple[list[list[object]], list[list[object]]]:
    target, uuid = streamer.target, streamer.uuid
    return target.rows(uuid, STORED), target.rows(uuid, RANGES)


@pytest.mark.parametrize("pushdown", ["text", "json"])
async def test_parts_are_stored_as_columns_of_their_types_and_compare_equal(
    streamer: Streamer, pushdown: str
) -> None:
    done = streamer("run", *ALL, "--pushdown", pushdown, "--validate")

    assert done.code == 0, done.said
    assert stored(streamer) == (HOMES, SPANS)
    assert "public.people.home: NULL and a value of which all parts are NULL" in done.said
    assert "in 1 of the rows" in done.said
    assert "public.people.many: stays whole" in done.said


async def test_a_corrupted_part_is_found_by_its_name_and_mended(streamer: Streamer) -> None:
    assert streamer("run", *ALL).code == 0
    for change in (
        "home__place__at__y = -2.5, during__bounds = '[]', days__upper = NULL WHERE id = 1",
        "home__street = NULL WHERE id = 4",
    ):
        streamer.target.rows(streamer.uuid, f"UPDATE people SET {change}")

    found = streamer("validate", "--full", *ALL)
    report = json.loads((streamer.folder / "validation_report.json").read_text())
    mended = streamer("validate", "--full", "--repair", *ALL)

    assert found.code == 3, found.said
    (table,) = report["tables"]
    assert [(one["key"], one["columns"]) for one in table["differences"]] == [
        (["1"], ["home.place.at.y", "during.bounds", "days.upper"]),
        (["4"], ["home.street"]),
    ]
    assert mended.code == 0, mended.said
    assert stored(streamer) == (HOMES, SPANS)


async def test_a_run_that_was_stopped_goes_on_with_the_same_parts_and_no_others(
    streamer: Streamer,
) -> None:
    await streamer.source.execute(
        "INSERT INTO people (id, during, at) SELECT n, 'empty', point(n, n)"
        " FROM generate_series(10, 300) AS n"
    )
    streamer.stopped_at('INTO "people"', *ALL, "--batch-size", "1", requests=1)

    whole = streamer("run", "--resume")
    done = streamer("run", "--resume", *ALL)

    assert whole.code == 2, whole.said
    assert "which columns are split" in whole.said
    assert done.code == 0, done.said
    assert streamer("validate", "--full", *ALL).code == 0
    assert streamer.target.rows(streamer.uuid, "SELECT count(*) FROM people") == [[295]]
    again = streamer("run", *ALL, "--restart", "--if-exists", "upsert", "--validate")
    assert again.code == 0, again.said


async def test_files_hold_the_parts(streamer: Streamer, tmp_path: Path) -> None:
    for step in (
        ("export", "--output-dir", "out", *ALL),
        ("transform", "--input-dir", "out", "--output-dir", "made", "--validate"),
        ("import", "--input-dir", "made"),
    ):
        done = streamer(*step)
        assert done.code == 0, done.said

    assert stored(streamer) == (HOMES, SPANS)
    row = json.loads((tmp_path / "out" / "people.json").read_text())[0]
    assert row["home.place.at.x"] == "1.5"
    refused = streamer(
        "transform", "--input-dir", "out", "--output-dir", "no", "--ranges", "columns"
    )
    assert refused.code == 2
    assert "columns split into several" in refused.said


async def test_parts_have_options_names_masks_and_transforms_of_their_own(
    streamer: Streamer, tmp_path: Path
) -> None:
    (tmp_path / "streamer.toml").write_text(
        """
[tables.people]
exclude_columns = ["home.place", "homes", "many", "floats"]
transform = "moves:people"
[tables.people.column.home]
composites = "columns"
rename = "h"
timestamps = "unixms"
[tables.people.column."home.street"]
mask = "redact"
[tables.people.column."home.No"]
expression = "(home).\\"No\\" + 1"
rename = "next_no"
[tables.people.column.during]
ranges = "columns"
"""
    )
    (tmp_path / "moves.py").write_text(
        "def people(row):\n"
        "    row['home.mood'] = row['during.bounds'] + str(row['home.mood'])\n"
        "    return row\n"
    )
    done = streamer("run", "--config", "streamer.toml", "--rename", 'people."home.mood"=feels')

    assert done.code == 0, done.said
    sql = "SELECT h__street, next_no, h__seen, feels, nums, at FROM people WHERE id IN (1, 4)"
    assert streamer.target.rows(streamer.uuid, sql) == [
        ["***", 8, 1705294845678, "[)ok", "[1.50,2]", "(1e+300,NaN)"],
        ["***", None, None, "[]None", "[NaN,NaN]", "(Infinity,-Infinity)"],
    ]


async def test_a_plain_file_gets_the_same(streamer: Streamer, tmp_path: Path) -> None:
    streamer.target, streamer.uuid = PlainFile(tmp_path / "plain.db"), ""

    refused = streamer("run", *ALL, "--strict")
    done = streamer("run", *ALL, "--validate")

    assert refused.code == 2, refused.said
    assert "public.people.at.x: holds 1 values that are no numbers" in refused.said
    assert done.code == 0, done.said
    assert stored(streamer) == (HOMES, SPANS)


async def test_a_table_that_is_too_wide_moves_as_views_that_share_its_key(
    database: Database, tmp_path: Path
) -> None:
    names = [f"c{n}" for n in range(101)]
    await database.execute(
        f"CREATE TABLE wide (id int PRIMARY KEY, {', '.join(f'{n} int' for n in names)});"
        f"INSERT INTO wide VALUES ({', '.join(map(str, range(102)))});"
        f"CREATE VIEW wide_1 AS SELECT id, {', '.join(names[:50])} FROM wide;"
        f"CREATE VIEW wide_2 AS SELECT id, {', '.join(names[50:])} FROM wide;"
    )
    keys = '[tables.wide_1]\nkey = ["id"]\n[tables.wide_2]\nkey = ["id"]\n'
    (tmp_path / "streamer.toml").write_text(keys)
    file = PlainFile(tmp_path / "plain.db")
    streamer = Streamer(tmp_path, database, file, "")

    refused = streamer("run")
    done = streamer("run", "--config", "streamer.toml", "--exclude", "wide", "--validate")

    assert refused.code == 2
    assert "views with a `key` take some each" in refused.said
    assert done.code == 0, done.said
    assert file.rows("", "SELECT c0, c50 FROM wide_1 JOIN wide_2 USING (id)") == [[1, 51]]


ENDS = {
    "int4range": ("integer", "1", "7"),
    "numrange": ("numeric", "-1.50", "NaN"),
    "daterange": ("date", "-infinity", "2024-02-29"),
    "tsrange": ("timestamp", "0044-03-15 12:00:00.5 BC", "10000-01-01"),
    "tstzrange": ("timestamptz", "2024-01-15 10:30:45.123456+05:30", "infinity"),
}


async def test_every_range_can_be_made_of_its_parts_again(any_database: Database) -> None:
    bounds = "unnest(ARRAY['[)', '[]', '(]', '()']) AS b (v)"
    for kind, (of, low, high) in ENDS.items():
        lower, upper = (
            f"unnest(ARRAY[NULL, '{one}', '{other}']::{of}[]) AS {name} (v)"
            for one, other, name in ((low, low, "l"), (low, high, "u"))
        )
        await any_database.execute(
            f"CREATE TABLE {kind}s (v {kind}); INSERT INTO {kind}s VALUES (NULL), ('empty');"
            f"INSERT INTO {kind}s SELECT {kind}(l.v, u.v, b.v) FROM {lower}, {upper}, {bounds}"
        )

    plan = await planned(any_database, Shaping(types=TypeOptions(ranges="columns")))

    for table in plan.tables:
        kind = table.name.name.removesuffix("s")
        back = f"::{ENDS[kind][0]}".replace("timestamptz", "timestamp AT TIME ZONE 'UTC'")
        lower, upper, bound = (f"({column.read_sql})" for column in table.columns)
        made = (
            f"CASE WHEN {bound} = 'empty' THEN 'empty'"
            f" WHEN {bound} IS NOT NULL THEN {kind}({lower}{back}, {upper}{back}, {bound}) END"
        )
        rows = await any_database.fetch(
            f"SELECT count(*), count(*) FILTER (WHERE {made} IS DISTINCT FROM t.v)"
            f" FROM public.{table.name.name} AS t"
        )
        assert tuple(rows[0]) == (38, 0), kind
    assert len(plan.tables) == len(ENDS)
