"""The stand-in and the real engine agree on values and statements that nobody thought of."""

import json
import struct
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from streamer.postgres.copied import printed_rows
from tests.engines.copied import copied_lines
from tests.engines.d1server import D1Server
from tests.engines.d1target import Pair, fresh

JSON = Any
TABLES = count()

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
copied_texts = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=9
)
bound = (
    st.none()
    | st.booleans()
    | texts
    | st.integers(-(2**64), 2**64)
    | st.lists(st.integers(0, 255), max_size=20)
)
floats = st.floats(allow_nan=False, allow_infinity=False)
elements = st.none() | st.booleans() | texts | st.integers(-(2**63), 2**63 - 1) | floats
agreeing = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])  # fmt: skip


@pytest.fixture(scope="module")
def both(workerd_process: D1Server, local_d1_process: D1Server) -> Iterator[Pair]:
    """A database on each, for all examples of a test."""
    pair = Pair(fresh(workerd_process), fresh(local_d1_process))
    yield pair
    for target in (pair.real, pair.ours):
        target.server.delete(target.uuid)


@agreeing
@given(st.lists(bound | floats, min_size=1, max_size=8))
@example([1e21, 1e20, 123456789012345680000, 2**53 + 2, -(2**63), 5e-324, 1.7976931348623157e308])
def test_on_parameters(both: Pair, values: list[JSON]) -> None:
    marks = ", ".join(f"?{n}, typeof(?{n}), quote(?{n})" for n in range(1, len(values) + 1))

    both.run(f"SELECT {marks}", *values)


ROWS = [
    "(SELECT key + 1 AS k, value AS v FROM jsonb_each(?1) LIMIT -1)",
    "(SELECT key + 1 AS k, jsonb(value) AS v FROM json_each(?1) LIMIT -1)",
]


@agreeing
@given(st.sampled_from(ROWS), st.lists(st.tuples(*[elements] * 4), max_size=6))
@example(ROWS[0], [(0.1, 1e308, -0.0, 2**63 - 1)])
@example(ROWS[1], [(0.1, 1e308, -0.0, 2**63 - 1)])
def test_on_rows_in_a_json_parameter(both: Pair, source: str, rows: list[tuple[JSON, ...]]) -> None:
    name = f"t{next(TABLES)}"
    both.run(f"CREATE TABLE {name} (id INTEGER PRIMARY KEY, i INTEGER, r REAL, t TEXT, n)")
    insert = f"""INSERT INTO {name} SELECT k, v->>0, v->>1, v->>2, v->>3 FROM {source} WHERE true
    ON CONFLICT (id) DO UPDATE SET (i, r, t, n) = (excluded.i, excluded.r, excluded.t, excluded.n)
    WHERE ({name}.i, {name}.r, {name}.t, {name}.n) IS NOT (excluded.i, excluded.r, excluded.t, excluded.n)"""

    for _ in range(2):
        both.run(insert, json.dumps(rows))

    shown = ", ".join(f"typeof({c}), {c}, CAST({c} AS TEXT), quote({c})" for c in "irtn")
    both.run(f"SELECT {shown} FROM {name} ORDER BY id")


@agreeing
@given(
    st.lists(st.none() | copied_texts | st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=6)
)
@example(["'", "\\", "\\'", '"', '\\"', "\n\x01", "\u2028\\\u2029", "/*", "é😀", ""])
def test_on_texts_in_single_quotes_which_are_those_that_were_copied(
    both: Pair, cells: list[str | int | None]
) -> None:
    printed = printed_rows(copied_lines([cells]), 1)
    (parameter,) = json.loads(b"".join(printed.as_parameter()))
    columns = ",".join(f"typeof(v->>{n}), CAST(v->>{n} AS TEXT)" for n in range(len(cells)))

    for source in ROWS:
        both.run(f"SELECT {columns} FROM {source}", parameter)
        (row,) = both.real.rows(f"SELECT {columns} FROM {source}", parameter)
        assert row[1::2] == [cell if cell is None else str(cell) for cell in cells]


@agreeing
@given(st.lists(st.binary(min_size=8, max_size=8), min_size=1, max_size=30))
def test_on_the_text_of_doubles(both: Pair, patterns: list[bytes]) -> None:
    doubles = [value for (value,) in map(struct.Struct("<d").unpack, patterns) if abs(value) < 1e308]  # fmt: skip

    both.run("SELECT value, quote(value), CAST(value AS TEXT) FROM json_each(?)", json.dumps(doubles))  # fmt: skip


operands = st.sampled_from(["1", "-7", "2.5", "'12'", "'x'", "''", "NULL", "x'0041'", "9223372036854775807", "1e999", "'[1,{\"a\":2}]'", "'é\u0301'"])  # fmt: skip
one_operand = st.sampled_from(["typeof({0})", "-({0})", "NOT {0}", "abs({0})", "length({0})", "hex({0})", "unhex({0})", "lower({0})", "CAST({0} AS INTEGER)", "CAST({0} AS REAL)", "CAST({0} AS TEXT)", "CAST({0} AS BLOB)", "json({0})", "json_valid({0})", "json_type({0})", "round({0})", "date({0})", "unicode({0})", "octet_length({0})", "ceil({0})", "sqrt({0})", "({0}) IS NULL"])  # fmt: skip
two_operands = st.sampled_from(["({0} + {1})", "({0} / {1})", "({0} % {1})", "({0} || {1})", "({0} < {1})", "({0} IS NOT {1})", "(quote({0}) LIKE {1} || '')", "(quote({0}) GLOB {1} || '')", "({0} ->> {1})", "({0} << {1})", "({0} IN ({1}, 1))", "coalesce({0}, {1})", "instr({0}, {1})", "substr({0}, {1})", "max({0}, {1})", "pow({0}, {1})", "printf({0}, {1})", "json_array({0}, {1})", "json_extract({0}, {1})", "replace({0}, {1}, 'z')"])  # fmt: skip


def grown(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    one = st.builds(str.format, one_operand, inner)
    return one | st.builds(str.format, two_operands, inner, inner)


@agreeing
@given(st.lists(st.recursive(operands, grown, max_leaves=6), min_size=1, max_size=5))
@example(["1e999", "-1e999", "1 / 0"])
def test_on_expressions_or_on_what_is_wrong_with_them(both: Pair, expressions: list[str]) -> None:
    for expression in expressions:
        both.run(f"SELECT {expression} AS e")


columns = st.sampled_from(["a INTEGER PRIMARY KEY, b, c", "a TEXT PRIMARY KEY, b UNIQUE, c", "a, b, c, UNIQUE (a, b)", "a, b, c, PRIMARY KEY (a, b)"])  # fmt: skip
indexes = st.sampled_from(["", "CREATE INDEX i{0} ON t{0} (c)", "CREATE UNIQUE INDEX i{0} ON t{0} (c, b)"])  # fmt: skip
small = st.integers(1, 4)
writes = st.lists(
    st.one_of(
        st.builds("INSERT INTO t{{0}} VALUES ({}, {}, {})".format, small, small, small),
        st.builds("INSERT OR IGNORE INTO t{{0}} VALUES ({}, {}, {}), (7, 7, 7)".format, small, small, small),
        st.builds("REPLACE INTO t{{0}} VALUES ({}, {}, {})".format, small, small, small),
        st.builds("INSERT INTO t{{0}} VALUES ({}, {}, {}) ON CONFLICT DO UPDATE SET c = excluded.c + 1".format, small, small, small),
        st.builds("INSERT INTO t{{0}} VALUES ({}, 1, {}) ON CONFLICT DO UPDATE SET b = b + 1 WHERE c > {}".format, small, small, small),
        st.builds("UPDATE t{{0}} SET c = {} WHERE b >= {}".format, small, small),
        st.builds("UPDATE t{{0}} SET a = a + {}, b = b".format, small),
        st.builds("UPDATE OR IGNORE t{{0}} SET b = {} RETURNING a, c".format, small),
        st.builds("DELETE FROM t{{0}} WHERE a = {}".format, small),
        st.just("DELETE FROM t{0}"),
        st.just("INSERT INTO t{0} SELECT a || 'x', b + 10, c FROM t{0}"),
    ),
    min_size=1,
    max_size=8,
)  # fmt: skip


@agreeing
@given(columns, st.sampled_from(["", " WITHOUT ROWID"]), indexes, writes)
def test_on_what_is_written_and_what_it_costs(
    both: Pair, body: str, rowid: str, index: str, statements: list[str]
) -> None:
    number = next(TABLES)
    both.run(f"CREATE TABLE t{number} ({body}){rowid if 'PRIMARY' in body else ''}")
    if index:
        both.run(index.format(number))

    for statement in statements:
        both.run(statement.format(number))

    both.run(f"SELECT * FROM t{number} ORDER BY 1, 2, 3")
    both.batch(*(statement.format(number) for statement in statements))
