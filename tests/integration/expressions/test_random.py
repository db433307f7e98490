"""Random expressions of what is translated mean the same to PostgreSQL and to SQLite."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import apsw
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.vendor.pretty import RepresentationPrinter

from streamer.translate.expressions import Untranslated, check
from tests.engines.d1target import JSON, Target
from tests.engines.expression_trial import CHECK_OF, Trial, prepare, printed, typed
from tests.engines.local_d1 import LocalD1Process
from tests.engines.postgres import Database

pytestmark = pytest.mark.postgres

ROWS = 25
JUDGED = """
CREATE FUNCTION judged(expression text, source text, ids bigint[]) RETURNS text[] LANGUAGE plpgsql AS $$
DECLARE k bigint; said text; verdicts text[] := '{}';
BEGIN
  FOREACH k IN ARRAY ids LOOP
    BEGIN
      EXECUTE format('SELECT CASE WHEN %s THEN ''true'' WHEN NOT (%s) THEN ''false'' ELSE ''null'' END'
        ' FROM (%s) q WHERE id = $1', expression, expression, source) INTO said USING k;
    EXCEPTION WHEN OTHERS THEN said := 'error';
    END;
    verdicts := verdicts || said;
  END LOOP;
  RETURN verdicts;
END $$;
"""


class Sqlite(Target):
    """A plain SQLite in the place of a D1."""

    def send(self, body: JSON, route: str = "raw") -> JSON:
        del route
        statements = body.get("batch", [body])
        return [
            {"results": {"rows": _rows(one["sql"], one.get("params", ()))}} for one in statements
        ]


def _rows(sql: str, parameters: Sequence[JSON] = ()) -> list[list[JSON]]:
    cursor = CONNECTION.execute(sql, parameters)  # pyright: ignore[reportUnknownMemberType] (apsw's stubs)
    return [list(row) for row in cursor]


CONNECTION = apsw.Connection(":memory:")


@dataclass(slots=True, repr=False)
class Both:
    """Both engines with the same values, and the loop that PostgreSQL's connection lives in."""

    loop: asyncio.AbstractEventLoop
    trial: Trial

    def __repr__(self) -> str:
        return "Both"

    def _repr_pretty_(self, printer: RepresentationPrinter, cycle: bool) -> None:  # noqa: FBT001 (hypothesis calls it so)
        del cycle
        printer.text(repr(self))


@pytest.fixture
def both(database: Database) -> Iterator[Both]:
    """Both engines with the same values, and the loop that PostgreSQL's connection lives in."""
    loop = asyncio.new_event_loop()
    for (name,) in _rows("SELECT name FROM sqlite_schema"):
        _rows(f"DROP TABLE {name}")
    made = loop.run_until_complete(
        prepare(database, Sqlite(LocalD1Process.__new__(LocalD1Process), ""))
    )
    loop.run_until_complete(made.postgres.execute(JUDGED))
    yield Both(loop, made)
    loop.run_until_complete(made.postgres.close())
    loop.close()


def _one(*choices: str) -> st.SearchStrategy[str]:
    return st.sampled_from(choices)


def _built(form: str, *parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.tuples(*parts).map(lambda made: form.format(*made))


_operators = _one("=", "<>", "<", "<=", ">", ">=")
_equal = _one("=", "<>", "IS DISTINCT FROM", "IS NOT DISTINCT FROM")
_texts = st.recursive(
    _one("t", "u", "'a'", "''", "'É'", "'abc'"),
    lambda inner: st.one_of(
        _built("({} || {})", inner, inner),
        _built("btrim({})", inner),
        _built("left({}, {})", inner, _one("-1", "0", "2")),
        _built("right({}, {})", inner, _one("-1", "0", "2")),
        _built("substr({}, {})", inner, _one("1", "2, 2", "3")),
        _built("replace({}, {}, {})", inner, inner, inner),
        _built("coalesce({}, {})", inner, inner),
        _built("nullif({}, {})", inner, inner),
    ),
    max_leaves=4,
)
_numbers = st.recursive(
    _one("a", "b", "big", "s", "0", "1", "-7", "NULL::int"),
    lambda inner: st.one_of(
        _built("({} {} {})", inner, _one("+", "-", "*", "/", "%"), inner),
        _built("(- {})", inner),
        _built("abs({})", inner),
        _built("coalesce({}, {})", inner, inner),
        _built("greatest({}, {})", inner, inner),
        _built("least({}, {}, {})", inner, inner, inner),
        _built("length({})", _texts),
        _built("strpos({}, {})", _texts, _texts),
        _built("num_nulls({}, {})", inner, _texts),
        _built("CASE WHEN {} > {} THEN {} ELSE {} END", inner, inner, inner, inner),
    ),
    max_leaves=4,
)
_simple = st.one_of(
    _built("{} {} {}", _numbers, _operators, _numbers),
    _built("{} {} {}", _numbers, _equal, _numbers),
    _built("{} BETWEEN {} AND {}", _numbers, _numbers, _numbers),
    _built("{} IN ({}, {})", _numbers, _numbers, _numbers),
    _built("{} {} {}", _texts, _equal, _texts),
    _built("{} NOT IN ({}, {})", _texts, _texts, _texts),
    _built("{} {} {}", _texts, _one("LIKE", "NOT LIKE"), _one("'a%'", "'%b_'", "'_'", "'%[*?]%'")),
    _built("{} IS {}NULL", st.one_of(_texts, _numbers), _one("", "NOT ")),
    _built("price {} {}", _operators, _one("0", "1.5", "cost", "'NaN'", "a")),
    _built("num {} {}", _operators, _one("0", "1.5", "-1.5", "10", "0.001", "-2")),
    _built("f {} {}", _operators, _one("0", "0.5", "g", "'NaN'", "'-Infinity'", "'Infinity'")),
    _built("d {} {}", _operators, _one("d2", "'2000-01-01'", "'infinity'", "'0001-01-01'")),
    _built("ts {} {}", _operators, _one("ts2", "'2000-01-01 00:00:00.5'")),
    _one("flag", "flag2", "m = 'ok'", "uid > '0a000000-0000-0000-0000-000000000000'"),
)
CONDITIONS = st.recursive(
    _simple,
    lambda inner: st.one_of(
        _built("({} AND {})", inner, inner),
        _built("({} OR {})", inner, inner),
        _built("(NOT ({}))", inner),
        _built("(({}) IS {}{})", inner, _one("", "NOT "), _one("TRUE", "FALSE", "UNKNOWN")),
        _built("(CASE WHEN {} THEN {} ELSE {} END)", inner, inner, inner),
    ),
    max_leaves=3,
)


@settings(
    # PostgreSQL computes constants beforehand, which may spare it an error in odd expressions.
    derandomize=True,
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.lists(CONDITIONS, min_size=1, max_size=3))
def test_a_random_check_is_judged_alike(both: Both, conditions: Sequence[str]) -> None:
    loop, made = both.loop, both.trial
    for expression in conditions:
        names = made.names(expression)
        if not 0 < len(names) <= 4:
            continue
        loop.run_until_complete(
            made.postgres.execute(
                "DROP TABLE IF EXISTS x;"
                f"CREATE TABLE x (id int{typed(names)}, CHECK ({expression}))"
            )
        )
        definition = loop.run_until_complete(printed(made, CHECK_OF, "x"))
        result = check(definition, made.scope)
        if isinstance(result, Untranslated):
            continue
        source = made.source(names)
        ids = [
            row[0]
            for row in made.d1.rows(
                f"SELECT id FROM ({source}) ORDER BY id * 7919 % 10007 LIMIT {ROWS}"
            )
        ]
        theirs = loop.run_until_complete(
            made.postgres.fetchval("SELECT judged($1, $2, $3)", expression, source, ids)
        )
        ours = [_judged(result.sql, source, number) for number in ids]
        assert ours == theirs, (definition, result.sql, list(zip(ids, ours, theirs, strict=True)))


def _judged(sql: str, source: str, number: int) -> str:
    try:
        (row,) = _rows(f"SELECT {sql} FROM ({source}) WHERE id = {number}")
    except apsw.Error:
        return "error"
    return {1: "true", 0: "false", None: "null"}[row[0]]
