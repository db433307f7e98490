"""How D1 words what went wrong: clients decide by these messages."""

import pytest

from tests.engines.d1target import Target

SCHEMA = """
CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT UNIQUE, c NOT NULL DEFAULT 1, d CHECK (d > 0));
INSERT INTO t (a, b) VALUES (1, 'x');
CREATE TABLE p (id INTEGER PRIMARY KEY, code);
CREATE TABLE child (p REFERENCES p (id));
CREATE TABLE orphan (p REFERENCES nowhere (id));
CREATE TABLE unkeyed (p REFERENCES p (code));
CREATE TABLE s (a INTEGER) STRICT;
CREATE TABLE g (a, b AS (a + 1));
"""


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("selec 1", 'near "selec": syntax error at offset 0: SQLITE_ERROR'),
        ("SELECT (", "incomplete input: SQLITE_ERROR"),
        ("SELECT 'abc", "unrecognized token: \"'abc\" at offset 7: SQLITE_ERROR"),
        ("SELECT * FROM nope", "no such table: nope: SQLITE_ERROR"),
        ("SELECT nope", "no such column: nope at offset 7: SQLITE_ERROR"),
        ("UPDATE t SET nope = 1", "no such column: nope: SQLITE_ERROR"),
        ("CREATE TABLE t (a)", "table t already exists at offset 13: SQLITE_ERROR"),
        ("CREATE INDEX t ON p (code)", "there is already a table named t: SQLITE_ERROR"),
        ("DROP TABLE nope", "no such table: nope: SQLITE_ERROR"),
        ("INSERT INTO p VALUES (1)", "table p has 2 columns but 1 values were supplied: SQLITE_ERROR"),
        ("INSERT INTO t (a, b) VALUES (1, 'y')", "UNIQUE constraint failed: t.a: SQLITE_CONSTRAINT (extended: SQLITE_CONSTRAINT_PRIMARYKEY)"),
        ("INSERT INTO t (b) VALUES ('x')", "UNIQUE constraint failed: t.b: SQLITE_CONSTRAINT (extended: SQLITE_CONSTRAINT_UNIQUE)"),
        ("INSERT INTO t (c) VALUES (NULL)", "NOT NULL constraint failed: t.c: SQLITE_CONSTRAINT (extended: SQLITE_CONSTRAINT_NOTNULL)"),
        ("INSERT INTO t (d) VALUES (-1)", "CHECK constraint failed: d > 0: SQLITE_CONSTRAINT (extended: SQLITE_CONSTRAINT_CHECK)"),
        ("INSERT INTO child VALUES (9)", "FOREIGN KEY constraint failed: SQLITE_CONSTRAINT (extended: SQLITE_CONSTRAINT_FOREIGNKEY)"),
        ("INSERT INTO orphan VALUES (NULL)", "no such table: main.nowhere: SQLITE_ERROR"),
        ("INSERT INTO unkeyed VALUES (5)", 'foreign key mismatch - "unkeyed" referencing "p": SQLITE_ERROR'),
        ("INSERT INTO s VALUES ('x')", "cannot store TEXT value in INTEGER column s.a: SQLITE_CONSTRAINT (extended: SQLITE_CONSTRAINT_DATATYPE)"),
        ("INSERT INTO g (b) VALUES (1)", 'cannot INSERT into generated column "b": SQLITE_ERROR'),
        ("INSERT INTO t (rowid) VALUES ('x')", "datatype mismatch: SQLITE_MISMATCH"),
        ("CREATE TABLE u (a uuid) STRICT", 'unknown datatype for u.a: "uuid": SQLITE_ERROR'),
        ("SELECT json('{bad')", "malformed JSON: SQLITE_ERROR"),
        ("SELECT abs(-9223372036854775808)", "integer overflow: SQLITE_ERROR"),
        ("SELECT * FROM p ORDER BY code COLLATE nope", "no such collation sequence: nope: SQLITE_ERROR (extended: SQLITE_ERROR_MISSING_COLLSEQ)"),
        ("VACUUM", "cannot VACUUM from within a transaction: SQLITE_ERROR"),
    ],
)  # fmt: skip
def test_the_message_of(d1: Target, statement: str, message: str) -> None:
    d1.run(SCHEMA)

    assert d1.refusal(statement) == (400, 7500, message)


@pytest.mark.parametrize(("sql", "params"), [("SELECT ?, ?", [1]), ("SELECT ?", [1, 2]), ("SELECT 1", ["x"]), ("SELECT ?2", [1]), ("SELECT ?", [])])  # fmt: skip
def test_parameters_must_be_as_many_as_the_statement_has(d1: Target, sql, params) -> None:
    message = "Wrong number of parameter bindings for SQL query."
    assert d1.refusal((sql, params)) == (400, 7500, message)


@pytest.mark.parametrize("sql", ["", "  ", ";", ";;", "-- nothing", "/* nothing */"])
def test_nothing_is_no_statement(d1: Target, sql: str) -> None:
    assert d1.refusal(sql) == (400, 7500, "No SQL statements detected.")


def test_a_trigger_s_own_message_comes_through(d1: Target) -> None:
    d1.run("CREATE TABLE t (a)")
    d1.run("CREATE TRIGGER no BEFORE INSERT ON t BEGIN SELECT raise(ABORT, 'no way'); END")

    message = "no way: SQLITE_CONSTRAINT (extended: SQLITE_CONSTRAINT_TRIGGER)"
    assert d1.refusal("INSERT INTO t VALUES (1)") == (400, 7500, message)


def test_a_conflict_that_rolls_back_is_an_internal_error(d1: Target) -> None:
    d1.run("CREATE TABLE t (a UNIQUE); INSERT INTO t VALUES (1)")

    status, code, message = d1.refusal("CREATE TABLE u (a)", "INSERT OR ROLLBACK INTO t VALUES (1)")

    assert (status, code) == (400, 7500)
    assert message.startswith("internal error; reference = ")
    assert d1.rows("SELECT count(*) FROM sqlite_schema WHERE name = 'u'") == [[0]]
