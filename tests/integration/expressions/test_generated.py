"""Generated columns, partial indexes and index keys: the same values, the same rows."""

from __future__ import annotations

import pytest

from streamer.translate.expressions import Untranslated, generated, index_key, predicate
from tests.engines.d1target import fresh
from tests.engines.expression_trial import (
    DEFAULT_OF,
    KEY_OF,
    PREDICATE_OF,
    Trial,
    operand,
    prepare,
    printed,
    typed,
)
from tests.engines.postgres import Database
from tests.engines.workerd import Workerd

pytestmark = pytest.mark.postgres

GENERATED = """
int|a + b
int|a - b * 2
int|abs(a)
int|length(t)
bigint|a::bigint * b
bigint|big + 1
smallint|s + 1::smallint
boolean|a > b
boolean|t LIKE 'A%'
boolean|d > '2000-01-01'
text|t || u
text|'n' || a::text
text|coalesce(t, 'none')
text|CASE WHEN a > 0 THEN 'plus' WHEN a < 0 THEN 'minus' ELSE 'zero' END
text|left(t, 2)
text|replace(t, 'a', 'b')
text|btrim(t)
numeric(10,2)|price
date|d
uuid|uid
int|greatest(a, b)
"""
PREDICATES = """
a > 0
t IS NOT NULL
flag
NOT flag
d IS NULL
price > 0 AND a IS NOT NULL
m = 'ok'
t LIKE 'A%'
a + b > 5
num > 0
f < 0.5
vc IN ('a', 'abc')
"""
KEYS = """
lower(t)
upper(vc)
coalesce(t, '')
(a + b)
(t || u)
coalesce(a, 0)
(a::text)
length(t)
btrim(t)
(a > 0)
"""


async def test_a_generated_column_holds_the_same_values(database: Database, workerd_d1: Workerd):
    trial = await prepare(database, fresh(workerd_d1))
    different: list[str] = []

    for number, line in enumerate(GENERATED.strip().splitlines()):
        kind, expression = line.split("|", 1)
        names, table = trial.names(expression), f"g{number}"
        await trial.postgres.execute(
            f"CREATE TABLE {table} (id int{typed(names)},"
            f" x {kind} GENERATED ALWAYS AS ({expression}) STORED)"
        )
        definition = await printed(trial, DEFAULT_OF, table)
        column = await trial.column(table, "x")
        result = generated(definition, trial.scope, operand(column))
        if isinstance(result, Untranslated):
            different.append(f"{definition}: {result.reason}")
            continue
        storage = operand(column).mapping.storage
        trial.d1.run(
            f"CREATE TABLE {table} (id INTEGER{trial.declared(names)},"
            f" x {storage} AS ({result.sql}) STORED)"
        )
        ours, theirs = await trial.values(table, names, operand(column).mapping.read_sql("t.x"))
        if ours != theirs:
            rows = [pair for pair in zip(ours, theirs, strict=False) if pair[0] != pair[1]]
            different.append(f"{definition} → {result.sql}: {rows[:3]}")

    await trial.postgres.close()
    assert not different, "\\n".join(different)


async def test_a_partial_index_covers_the_same_rows(database: Database, workerd_d1: Workerd):
    trial = await prepare(database, fresh(workerd_d1))
    different: list[str] = []

    for number, expression in enumerate(PREDICATES.strip().splitlines()):
        names, table = trial.names(expression), f"p{number}"
        definition = await _indexed(trial, table, names, f"(id) WHERE {expression}", PREDICATE_OF)
        result = predicate(definition, trial.scope)
        if isinstance(result, Untranslated):
            different.append(f"{definition}: {result.reason}")
            continue
        trial.d1.run(f"CREATE UNIQUE INDEX {table}_i ON {table} (id) WHERE {result.sql}")
        await trial.fill(table, names)
        theirs = await trial.postgres.fetch(
            f"SELECT id FROM {table} WHERE {expression} ORDER BY id"
        )
        ours = trial.d1.rows(f"SELECT id FROM {table} WHERE {result.sql} ORDER BY id")
        if [row[0] for row in theirs] != [row[0] for row in ours]:
            different.append(f"{definition} → {result.sql}")

    await trial.postgres.close()
    assert not different, "\\n".join(different)


async def test_an_index_key_is_an_expression_that_d1_takes(database: Database, workerd_d1: Workerd):
    trial = await prepare(database, fresh(workerd_d1))
    different: list[str] = []

    for number, expression in enumerate(KEYS.strip().splitlines()):
        names, table = trial.names(expression), f"k{number}"
        definition = await _indexed(trial, table, names, f"({expression})", KEY_OF)
        result = index_key(definition, trial.scope)
        if isinstance(result, Untranslated):
            different.append(f"{definition}: {result.reason}")
            continue
        trial.d1.run(f"CREATE INDEX {table}_i ON {table} ({result.sql})")
        await trial.fill(table, names)
        assert bool(result.note) == ("lower" in expression or "upper" in expression)

    await trial.postgres.close()
    assert not different, "\\n".join(different)


async def _indexed(trial: Trial, table: str, names: list[str], index: str, query: str) -> str:
    await trial.postgres.execute(
        f"CREATE TABLE {table} (id int{typed(names)}); CREATE INDEX ON {table} {index}"
    )
    trial.d1.run(f"CREATE TABLE {table} (id INTEGER{trial.declared(names)})")
    return await printed(trial, query, table)
