"""One request is one transaction."""

import json

from tests.engines.d1target import Target

VIOLATED = (
    "Durable Object was reset and rolled back to its last known good state because the application"
    " left the database in a state where constraints were violated: FOREIGN KEY constraint failed:"
    " SQLITE_CONSTRAINT (extended: SQLITE_CONSTRAINT_FOREIGNKEY)"
)


def test_a_batch_that_fails_leaves_nothing(d1: Target) -> None:
    d1.run("CREATE TABLE t (a INTEGER PRIMARY KEY)")

    refused = d1.refusal(
        "CREATE TABLE u (a)", "INSERT INTO t VALUES (1)", "INSERT INTO t VALUES (1)"
    )

    assert refused[2].startswith("UNIQUE constraint failed: t.a")
    assert d1.rows("SELECT * FROM t") == []
    assert d1.rows("SELECT name FROM sqlite_schema WHERE name = 'u'") == []


def test_statements_joined_by_semicolons_are_one_transaction_too(d1: Target) -> None:
    d1.run("CREATE TABLE t (a INTEGER PRIMARY KEY)")

    d1.refusal("INSERT INTO t VALUES (1); INSERT INTO t VALUES (1)")

    assert d1.rows("SELECT * FROM t") == []


def test_a_later_statement_sees_what_an_earlier_one_wrote(d1: Target) -> None:
    results = d1.batch("CREATE TABLE t (a)", ("INSERT INTO t VALUES (?)", ["x"]), "SELECT a FROM t")

    assert [result["results"]["rows"] for result in results] == [[], [], [["x"]]]


def test_statements_joined_by_semicolons_have_a_result_each(d1: Target) -> None:
    body = {"sql": "SELECT 1; SELECT ';' AS \"a;b\"; -- no; more\nSELECT 3;"}

    assert [result["results"]["rows"] for result in d1.send(body)] == [[[1]], [[";"]], [[3]]]


def test_a_trigger_s_body_is_not_cut_at_its_semicolons(d1: Target) -> None:
    trigger = """CREATE TRIGGER tr AFTER INSERT ON t BEGIN
        INSERT INTO log VALUES (CASE WHEN new.a > 1 THEN 'big' ELSE 'small' END); DELETE FROM t; END;"""

    d1.run(f"CREATE TABLE t (a); CREATE TABLE log (a); {trigger} INSERT INTO t VALUES (2)")

    assert d1.rows("SELECT a, (SELECT count(*) FROM t) FROM log") == [["big", 0]]


def test_deferred_foreign_keys_let_a_cycle_in(d1: Target) -> None:
    d1.run("CREATE TABLE n (id INTEGER PRIMARY KEY, next REFERENCES n (id))")

    d1.batch(
        "PRAGMA defer_foreign_keys = on",
        "INSERT INTO n VALUES (1, 2)",
        "INSERT INTO n VALUES (2, 1)",
    )

    assert d1.rows("SELECT * FROM n") == [[1, 2], [2, 1]]


def test_a_cycle_left_open_is_rolled_back(d1: Target) -> None:
    d1.run("CREATE TABLE n (id INTEGER PRIMARY KEY, next REFERENCES n (id))")

    refused = d1.refusal("PRAGMA defer_foreign_keys = on", "INSERT INTO n VALUES (1, 2)")

    assert refused == (400, 7500, VIOLATED)
    assert d1.rows("SELECT * FROM n") == []


def test_deferring_lasts_for_one_request(d1: Target) -> None:
    d1.run("CREATE TABLE n (id INTEGER PRIMARY KEY, next REFERENCES n (id))")

    d1.batch("PRAGMA defer_foreign_keys = on", "SELECT 1")

    assert d1.rows("PRAGMA defer_foreign_keys") == [[0]]
    assert d1.refusal("INSERT INTO n VALUES (1, 2)")[2].startswith("FOREIGN KEY constraint failed")


def test_a_bad_row_of_many_takes_all_with_it(d1: Target) -> None:
    d1.run("CREATE TABLE t (a INTEGER PRIMARY KEY, b NOT NULL)")
    insert = "INSERT INTO t SELECT value->>0, value->>1 FROM json_each(?1)"

    refused = d1.refusal((insert, [json.dumps([[1, "x"], [2, None]])]))

    assert refused[2].startswith("NOT NULL constraint failed: t.b")
    assert d1.rows("SELECT * FROM t") == []


def test_a_not_null_column_fed_by_an_empty_subquery_fences_a_batch(d1: Target) -> None:
    d1.run("CREATE TABLE owner (name PRIMARY KEY, epoch); INSERT INTO owner VALUES ('t', 2)")
    d1.run("CREATE TABLE ledger (epoch NOT NULL); CREATE TABLE t (a)")
    fence = "INSERT INTO ledger SELECT (SELECT epoch FROM owner WHERE name = 't' AND epoch = ?)"

    refused = d1.refusal("INSERT INTO t VALUES (1)", (fence, ["1"]))

    assert refused[2].startswith("NOT NULL constraint failed: ledger.epoch")
    assert d1.rows("SELECT * FROM t") == []
