"""Names that nobody would choose: exact in D1, or refused before anything is written."""

from __future__ import annotations

import pytest

from tests.stories.command import Streamer
from tests.stories.compare import differences, quoted

NAMES = [
    'double "" " quotes',
    "single ' '' quotes",
    "line\nbreak\ttab",
    "back\\slash",
    "question ? ?1 :name @v $p",
    "semi; DROP TABLE country; --",
    "/* comment */",
    "select",
    "rowid",
    "fox 🦊 and ﷽",
    " spaces ",
    "%s {0} {name} %(x)s",
    "[brackets]",
    "back`tick",
    "é",
    "e\u0301",
    "\u202eright to left",
    "x" * 63,
    "Ω" * 31,
]

pytestmark = [pytest.mark.postgres, pytest.mark.workerd, pytest.mark.processes]


def hostile(name: str, number: int) -> str:
    """A table of this name with columns, a key, an index and a foreign key of such names."""
    table, column = quoted(name), quoted(name[::-1] if name[::-1].strip() else name)
    other = quoted(NAMES[number - 1]) if number else table
    refers = f", up int REFERENCES {other}" if number else ""
    return (
        f"CREATE TABLE {table} (id int PRIMARY KEY, {column} text{refers});"
        f"CREATE INDEX ON {table} ({column});"
        f"INSERT INTO {table} SELECT n, 'x' || n FROM generate_series(1, 20) AS n;"
    )


async def test_fault_27_hostile_names_are_exact(streamer: Streamer) -> None:
    for number, name in enumerate(NAMES):
        await streamer.source.execute(hostile(name, number))

    done = streamer("run", "--progress", "none", "--batch-bytes", "3000")

    assert done.code == 0, done.said
    assert await differences(streamer.source, streamer.target, streamer.uuid) == []
    assert "\u202e" not in done.said
    held = streamer.target.rows(
        streamer.uuid,
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '\\_cf%' ESCAPE '\\' AND name NOT LIKE 'sqlite%'",
    )
    assert sorted(name for (name,) in held) == sorted(NAMES)


@pytest.mark.parametrize(
    ("sql", "says"),
    [
        (
            'CREATE TABLE "Item" (id int PRIMARY KEY); CREATE TABLE item (id int PRIMARY KEY)',
            "item",
        ),
        ('CREATE TABLE t (id int PRIMARY KEY, "A" int, a int)', "a"),
        ("CREATE TABLE sqlite_x (id int PRIMARY KEY)", "sqlite_"),
        ('CREATE TABLE "_CF_x" (id int PRIMARY KEY)', "_CF_x"),
        ("CREATE TABLE _streamer_owner (id int PRIMARY KEY)", "_streamer_"),
    ],
)
async def test_fault_27_names_that_d1_can_not_hold_are_refused_before_anything_is_written(
    streamer: Streamer, sql: str, says: str
) -> None:
    await streamer.source.execute("CREATE TABLE good (id int PRIMARY KEY);" + sql)

    refused = streamer("run", "--progress", "none")

    assert refused.code == 2, refused.said
    assert says in refused.stderr
    assert "what to do:" in refused.stderr
    held = streamer.target.rows(
        streamer.uuid, "SELECT name FROM sqlite_master WHERE name NOT LIKE '\\_cf%' ESCAPE '\\'"
    )
    assert held == []
