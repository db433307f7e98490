"""The figures of an answer: what users are billed by, and what runs learn from them."""

import json

import pytest

from tests.engines.d1target import Pair, Target

ROWS = json.dumps([["x", 1, 1], ["y", 2, 2], ["z", 3, 3]])
CHANGED = json.dumps([["x", 1, 1], ["y", 2, 5], ["n", 9, 9]])  # one as it was, one changed, one new
UPSERT = """INSERT INTO t (k, a, b) SELECT value->>0, value->>1, value->>2 FROM json_each(?1)
WHERE true ON CONFLICT (k) DO UPDATE SET a = excluded.a, b = excluded.b
WHERE (t.a, t.b) IS NOT (excluded.a, excluded.b)"""


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ("CREATE TABLE t (k TEXT PRIMARY KEY, a, b)", [6, 0, 3]),
        ("CREATE TABLE t (k TEXT PRIMARY KEY, a, b) WITHOUT ROWID", [3, 0, 2]),
        (
            "CREATE TABLE t (k TEXT PRIMARY KEY, a, b) WITHOUT ROWID; CREATE INDEX i ON t (a)",
            [6, 0, 4],
        ),
        ("CREATE TABLE t (k TEXT PRIMARY KEY, a UNIQUE, b); CREATE INDEX i ON t (b)", [12, 0, 7]),
        ("CREATE TABLE t (id INTEGER PRIMARY KEY, k TEXT UNIQUE, a, b)", [6, 0, 3]),
        ("CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, k TEXT UNIQUE, a, b)", [7, 1, 4]),
    ],
)
def test_an_upsert_writes_a_row_and_its_index_entries_and_equal_rows_cost_nothing(
    d1: Target, schema: str, expected: list[int]
) -> None:
    d1.run(schema)

    written = [d1.meta(UPSERT, rows)["rows_written"] for rows in (ROWS, ROWS, CHANGED)]

    assert written == expected  # AUTOINCREMENT uses ids up, which it writes down


STORIES = {
    "plain": ["CREATE TABLE t (a, b)", "INSERT INTO t VALUES (1, 2), (3, 4)", "UPDATE t SET b = b", "DELETE FROM t WHERE a = 1", "DELETE FROM t"],
    "integer key": ["CREATE TABLE t (a INTEGER PRIMARY KEY, b)", "INSERT INTO t VALUES (1, 2), (3, 4)", "INSERT OR REPLACE INTO t VALUES (1, 5), (7, 8)", "INSERT OR IGNORE INTO t VALUES (1, 6), (9, 9)", "INSERT INTO t VALUES (1, 7) ON CONFLICT DO NOTHING", "UPDATE t SET a = a + 100"],
    "text key": ["CREATE TABLE t (a TEXT PRIMARY KEY, b UNIQUE, c)", "CREATE INDEX i ON t (c)", "INSERT INTO t VALUES ('a', 1, 1), ('b', 2, 2)", "REPLACE INTO t VALUES ('a', 1, 1)", "UPDATE t SET c = c", "UPDATE t SET b = b + 10", "UPDATE t SET a = a || 'x'", "DELETE FROM t WHERE c > 1", "DELETE FROM t"],
    "without rowid": ["CREATE TABLE t (a, b, c, PRIMARY KEY (a, b)) WITHOUT ROWID", "CREATE INDEX i ON t (c)", "INSERT INTO t VALUES (1, 1, 1), (1, 2, 2)", "REPLACE INTO t VALUES (1, 1, 9)", "UPDATE t SET c = 3", "UPDATE t SET b = b + 10", "DELETE FROM t WHERE b = 11", "DELETE FROM t"],
    "index after": ["CREATE TABLE t (a, b)", "INSERT INTO t SELECT value, value % 3 FROM json_each('[1,2,3,4,5]')", "CREATE INDEX i ON t (b)", "CREATE INDEX IF NOT EXISTS i ON t (b)", "CREATE UNIQUE INDEX u ON t (a)", "CREATE UNIQUE INDEX IF NOT EXISTS u ON t (a)", "CREATE INDEX IF NOT EXISTS n ON t (b, a)", "CREATE INDEX p ON t (a) WHERE b = 1", "CREATE INDEX e ON t (lower(a))", "DROP INDEX i", "DROP TABLE t"],
    "cascade": ["CREATE TABLE p (id INTEGER PRIMARY KEY)", "CREATE TABLE c (p REFERENCES p (id) ON DELETE CASCADE)", "INSERT INTO p VALUES (1), (2)", "INSERT INTO c VALUES (1), (1), (2), (NULL)", "DELETE FROM p WHERE id = 1", "DELETE FROM p"],
    "trigger": ["CREATE TABLE t (a INTEGER PRIMARY KEY)", "CREATE TABLE log (x UNIQUE)", "CREATE TRIGGER tr AFTER INSERT ON t BEGIN INSERT INTO log VALUES (new.a); UPDATE log SET x = x + 100 WHERE x = new.a; END", "INSERT INTO t VALUES (1), (2), (3)", "DROP TRIGGER tr", "INSERT INTO t VALUES (4)"],
    "autoincrement": ["CREATE TABLE t (a INTEGER PRIMARY KEY AUTOINCREMENT, b)", "INSERT INTO t (b) VALUES (1), (2)", "REPLACE INTO t VALUES (1, 5)", "INSERT INTO t VALUES (90, 1)"],
    "returning": ["CREATE TABLE t (a INTEGER PRIMARY KEY, b)", "INSERT INTO t VALUES (5, 1), (6, 2) RETURNING a", "UPDATE t SET b = 3 WHERE a = 5 RETURNING *", "DELETE FROM t WHERE a = 77 RETURNING *", "DELETE FROM t RETURNING a"],
    "schema": ["CREATE TABLE t (a TEXT PRIMARY KEY, b UNIQUE, UNIQUE (a, b))", "CREATE VIEW v AS SELECT 1", "DROP VIEW v", "CREATE TABLE IF NOT EXISTS t (a)", "DROP TABLE IF EXISTS nope", "PRAGMA foreign_keys", "SELECT * FROM t", "EXPLAIN SELECT 1"],
    "set-based": ["CREATE TABLE t (a INTEGER PRIMARY KEY, b)", "WITH x AS (SELECT 1 AS a UNION SELECT 2) INSERT INTO t SELECT a, a FROM x", "INSERT INTO t SELECT a + 10, b FROM t", "UPDATE t SET b = x.b FROM (SELECT 9 AS b) AS x WHERE t.a = 1", "WITH d AS (SELECT a FROM t GROUP BY a HAVING a > 5) DELETE FROM t WHERE a IN d"],
}  # fmt: skip


@pytest.mark.parametrize("story", STORIES.values(), ids=STORIES)
def test_both_count_the_same_in_the_story_of(pair: Pair, story: list[str]) -> None:
    for statement in story:
        pair.run(statement)


def test_a_batch_counts_each_statement_by_itself(d1: Target) -> None:
    results = d1.batch(
        "CREATE TABLE t (a UNIQUE)", "INSERT INTO t VALUES (1), (2)", "SELECT * FROM t"
    )

    assert [result["meta"]["rows_written"] for result in results] == [3, 4, 0]
    assert [result["meta"]["changes"] for result in results] == [0, 2, 0]
    assert [result["meta"]["changed_db"] for result in results] == [True, True, False]


def test_the_size_grows_with_what_is_written(d1: Target) -> None:
    before = d1.meta("CREATE TABLE t (a)")["size_after"]

    after = d1.meta("INSERT INTO t VALUES (?)", "x" * 500_000)["size_after"]

    assert before % 4096 == after % 4096 == 0
    assert 490_000 <= after - before < 520_000
    assert d1.meta("DELETE FROM t")["size_after"] < after  # free pages don't count


def test_an_answer_has_all_its_figures(d1: Target) -> None:
    meta = d1.meta("SELECT 1")

    assert {
        "served_by",
        "duration",
        "changes",
        "last_row_id",
        "changed_db",
        "size_after",
        "rows_read",
        "rows_written",
        "total_attempts",
    } <= meta.keys()
