"""What D1 doesn't let a statement do, and how it says so."""

import pytest

from tests.engines.d1target import Target

DENIED = (400, 7500, "not authorized: SQLITE_AUTH")


@pytest.mark.parametrize(
    "statement",
    ["BEGIN", "COMMIT", "END", "ROLLBACK", "SAVEPOINT a", "RELEASE a", "/* so */ BEGIN IMMEDIATE"],
)
def test_transactions_are_not_a_statement_s_business(d1: Target, statement: str) -> None:
    status, code, message = d1.refusal(statement)

    assert (status, code) == (400, 7500)
    assert message.startswith(
        "To execute a transaction, please use the state.storage.transaction()"
    )


@pytest.mark.parametrize(
    "statement",
    [
        "ATTACH ':memory:' AS x",
        "DETACH x",
        "CREATE TEMP TABLE x (a)",
        "CREATE TEMP VIEW x AS SELECT 1",
        "CREATE TABLE _cf_x (a)",
        "CREATE TABLE _CF_x (a)",
        "CREATE VIEW _cf_x AS SELECT 1",
        "CREATE INDEX _cf_i ON t (a)",
        "CREATE TRIGGER _cf_t AFTER INSERT ON t BEGIN SELECT 1; END",
        "ALTER TABLE t RENAME TO _cf_t",
        "CREATE VIRTUAL TABLE v USING fts4 (a)",
        "CREATE VIRTUAL TABLE v USING csv (a)",
        "PRAGMA user_version",
        "PRAGMA journal_mode",
        "PRAGMA integrity_check",
        "PRAGMA page_count",
        "PRAGMA function_list",
        "PRAGMA writable_schema = on",
        "PRAGMA foreign_keys = maybe",
        "PRAGMA table_info(_cf_KV)",
        "SELECT * FROM pragma_function_list",
        "SELECT load_extension('x')",
    ],
)
def test_what_is_refused(d1: Target, statement: str) -> None:
    d1.run("CREATE TABLE t (a)")

    status, code, message = d1.refusal(statement)

    assert (status, code, message.split(":")[0]) == (400, 7500, "not authorized")


@pytest.mark.parametrize(
    "function",
    ["sqlite_version()", "power(2, 3)", "ceiling(1.5)", "json_pretty('{}')", "if(1, 2, 3)", "unistr('a')", "log10(1)", "json_error_position('{')"],
)  # fmt: skip
def test_functions_that_are_refused(d1: Target, function: str) -> None:
    name = function.partition("(")[0]

    message = f"not authorized to use function: {name} at offset 7: SQLITE_ERROR"
    assert d1.refusal(f"SELECT {function}") == (400, 7500, message)


@pytest.mark.parametrize(
    "function",
    ["regexp('a', 'b')", "median(1)", "percentile(1, 50)", "geopoly_area(1)", "soundex('a')", "md5('a')", "sqlite_offset(1)"],
)  # fmt: skip
def test_functions_that_are_not_there(d1: Target, function: str) -> None:
    name = function.partition("(")[0]

    message = f"no such function: {name} at offset 7: SQLITE_ERROR"
    assert d1.refusal(f"SELECT {function}") == (400, 7500, message)


@pytest.mark.parametrize("module", ["generate_series(1, 2)", "dbstat", "sqlite_stmt", "bytecode('select 1')"])  # fmt: skip
def test_tables_that_are_not_there(d1: Target, module: str) -> None:
    name = module.partition("(")[0]

    assert d1.refusal(f"SELECT * FROM {module}") == (400, 7500, f"no such table: {name}: SQLITE_ERROR")  # fmt: skip


@pytest.mark.parametrize(
    "statement",
    [
        "PRAGMA table_info(t)",
        "PRAGMA table_xinfo('t')",
        "PRAGMA table_list",
        "PRAGMA index_list(t)",
        "PRAGMA foreign_key_list(t)",
        "PRAGMA foreign_key_check",
        "PRAGMA foreign_key_check(t)",
        "PRAGMA quick_check",
        "PRAGMA optimize",
        "PRAGMA foreign_keys = off",
        "PRAGMA case_sensitive_like = off",
        "SELECT * FROM pragma_table_info('t')",
        "SELECT pow(2, 3), ceil(1.5), substr('abc', 2), group_concat(a), string_agg(a, ',') FROM t",
        "SELECT json_group_array(a), jsonb(1), row_number() OVER () FROM t",
        "CREATE TABLE s (a INTEGER PRIMARY KEY, b TEXT AS (a || 'x') STORED) STRICT",
        "CREATE TABLE w (a TEXT PRIMARY KEY) WITHOUT ROWID",
        "CREATE INDEX i ON t (lower(a)) WHERE a > 1",
        "CREATE TRIGGER tr AFTER INSERT ON t BEGIN SELECT CASE 1 WHEN 1 THEN 2 END; END",
        "CREATE VIRTUAL TABLE f USING fts5 (a)",
        "EXPLAIN QUERY PLAN SELECT * FROM t",
    ],
)
def test_what_is_allowed(d1: Target, statement: str) -> None:
    d1.run("CREATE TABLE t (a)")

    assert d1.run(statement)["success"]


def test_foreign_keys_cannot_be_switched_off(d1: Target) -> None:
    d1.run("CREATE TABLE p (id INTEGER PRIMARY KEY); CREATE TABLE c (p REFERENCES p (id))")

    message = (
        "FOREIGN KEY constraint failed: SQLITE_CONSTRAINT (extended: SQLITE_CONSTRAINT_FOREIGNKEY)"
    )
    assert d1.refusal("PRAGMA foreign_keys = off", "INSERT INTO c VALUES (9)") == (400, 7500, message)  # fmt: skip
    assert d1.rows("PRAGMA foreign_keys") == [[1]]


def test_names_of_sqlite_are_its_own(d1: Target) -> None:
    message = "object name reserved for internal use: Sqlite_x: SQLITE_ERROR"
    assert d1.refusal("CREATE TABLE Sqlite_x (a)") == (400, 7500, message)
