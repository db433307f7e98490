"""A translated view gives the same rows."""

from __future__ import annotations

import json
from decimal import Decimal, InvalidOperation

import pytest

from streamer.model import QualifiedName
from streamer.translate.expressions import Relation, Scope, Untranslated, view
from tests.engines.d1target import fresh
from tests.engines.expression_trial import (
    COLUMNS,
    VIEW_OF,
    Trial,
    operand,
    prepare,
    printed,
    typed,
)
from tests.engines.postgres import Database
from tests.engines.workerd import Workerd

pytestmark = pytest.mark.postgres

NAMES = ("a", "b", "t", "price", "d", "m", "flag", "num", "cc")
VIEWS = """
SELECT a, t AS "The text" FROM one
SELECT id, a + 1 AS next, length(t) AS n FROM one WHERE a < 1000 AND t IS NOT NULL
SELECT id, d, num, m FROM one WHERE flag
SELECT DISTINCT a, flag FROM one
SELECT x.id, y.t FROM one x JOIN two y ON x.id = y.id
SELECT x.id, y.t FROM one x LEFT JOIN two y ON x.id = y.id AND y.a > 0
SELECT x.id AS one, y.id AS two FROM one x FULL JOIN two y ON x.id = y.id AND x.a > 1
SELECT x.id AS one, y.id AS two FROM one x RIGHT JOIN two y ON x.id = y.id
SELECT one.a, two.t FROM one JOIN two USING (id)
SELECT x.id, y.id AS other FROM one x, two y WHERE x.id = y.id AND x.a = 1
SELECT x.id FROM one x CROSS JOIN two y WHERE y.id = 1
SELECT x.id FROM one x JOIN two y ON x.id = y.id LEFT JOIN one z ON z.id = y.a
SELECT a, count(*) AS n, count(t) AS texts, sum(b) AS total, min(price), max(cc) FROM one GROUP BY a
SELECT a, count(DISTINCT flag) AS flags FROM one GROUP BY a HAVING count(*) > 1
SELECT count(*) AS n FROM one
SELECT a FROM one UNION SELECT b FROM two
SELECT id, t FROM one WHERE a > 1 UNION ALL SELECT id, t FROM two
SELECT id, a FROM one ORDER BY a DESC, id LIMIT 3
SELECT id, CASE WHEN a > 0 THEN 'plus' ELSE 'other' END AS sign FROM one ORDER BY a, id
SELECT id, coalesce(t, 'it''s') AS t FROM one WHERE m = 'ok' OR price > 1
"""


ROWS = 12


async def test_a_translated_view_gives_the_same_rows(database: Database, workerd_d1: Workerd):
    trial = await prepare(database, fresh(workerd_d1))
    relations = {
        QualifiedName("public", name): Relation(f"my {name}", await _filled(trial, name, step))
        for name, step in (("one", 1), ("two", 5))
    }
    different: list[str] = []

    for number, select in enumerate(VIEWS.strip().splitlines()):
        await trial.postgres.execute(f"CREATE VIEW w{number} AS {select}")
        definition = await printed(trial, VIEW_OF, f"w{number}")
        result = view(definition, relations)
        if isinstance(result, Untranslated):
            different.append(f"{definition}: {result.reason}")
            continue
        trial.d1.run(f"CREATE VIEW w{number} AS {result.sql}")
        found = await trial.postgres.fetch(f"SELECT to_json(w) FROM w{number} w")
        theirs = [json.loads(row[0]) for row in found]
        answer = trial.d1.run(f"SELECT * FROM w{number}")["results"]
        assert theirs, select
        assert answer["columns"] == list(theirs[0])
        rows = [[_plain(cell) for cell in row] for row in answer["rows"]]
        wanted = [[_plain(cell) for cell in row.values()] for row in theirs]
        if "ORDER" not in select:
            rows, wanted = sorted(rows), sorted(wanted)
        if rows != wanted:
            different.append(f"{definition} → {result.sql}: {rows[:3]} {wanted[:3]}")

    await trial.postgres.close()
    assert not different, "\n".join(different)


def _plain(cell: object) -> str:
    """A cell as text, numbers by their value and booleans as numbers."""
    text = str(int(cell)) if isinstance(cell, bool) else str(cell)
    try:
        return str(Decimal(text).normalize())
    except InvalidOperation:
        return text


async def _filled(trial: Trial, name: str, step: int) -> Scope:
    """A table whose columns go through their values, each at its own pace."""
    await trial.postgres.execute(f"CREATE TABLE {name} (id int{typed(NAMES)})")
    trial.d1.run(f'CREATE TABLE "my {name}" (id INTEGER{trial.declared(NAMES)})')
    for number in range(ROWS):
        cells = ", ".join(
            f"(SELECT v FROM v_{column} WHERE ord = {(number * step) % (len(COLUMNS[column][1]) + 1)})"
            for column in NAMES
        )
        await trial.postgres.execute(f"INSERT INTO {name} SELECT {number}, {cells}")
        trial.d1.run(f'INSERT INTO "my {name}" SELECT {number}, {cells}')
    columns = [await trial.column(name, column) for column in ("id", *NAMES)]
    return Scope({column.name: operand(column) for column in columns})
