"""D1's limits. Where the local workerd is laxer than the hosted service, only the stand-in is asked."""

import pytest

from tests.engines.d1target import Target

TOO_BIG = (400, 7500, "string or blob too big: SQLITE_TOOBIG")
VALUE_BYTES = 2_000_000


def listed(what: str, count: int, separator: str = ", ") -> str:
    return separator.join([what] * count)


@pytest.mark.parametrize(
    ("most", "more", "message"),
    [
        (
            f"SELECT {listed('1', 100)}",
            f"SELECT {listed('1', 101)}",
            "too many columns in result set: SQLITE_ERROR",
        ),
        (
            f"SELECT {listed('1', 5, ' UNION ALL SELECT ')}",
            f"SELECT {listed('1', 6, ' UNION ALL SELECT ')}",
            "too many terms in compound SELECT: SQLITE_ERROR",
        ),
        (
            f"SELECT {listed('1', 100, '+')}",
            f"SELECT {listed('1', 101, '+')}",
            "Expression tree is too large (maximum depth 100): SQLITE_ERROR",
        ),
        (
            f"SELECT 'a' LIKE '{'a' * 50}'",
            f"SELECT 'a' LIKE '{'a' * 51}'",
            "LIKE or GLOB pattern too complex: SQLITE_ERROR",
        ),
        (
            f"SELECT max({listed('1', 127)})",
            f"SELECT max({listed('1', 128)})",
            "too many arguments on function max at offset 7: SQLITE_ERROR",
        ),
        (
            f"SELECT {'1':<99993}",
            f"SELECT '{'x' * 99_992}'",
            "statement too long: SQLITE_TOOBIG",
        ),
        (
            f"SELECT length('{'é' * 49_991}')",
            f"SELECT length('{'é' * 49_992}')",
            "statement too long: SQLITE_TOOBIG",
        ),
        (
            f"CREATE TABLE t ({', '.join(f'c{n}' for n in range(100))})",
            f"CREATE TABLE u ({', '.join(f'c{n}' for n in range(101))})",
            "too many columns on u: SQLITE_ERROR",
        ),
    ],
    ids=["result", "compound", "depth", "pattern", "arguments", "bytes", "utf-8", "columns"],
)
def test_one_more_than_the_limit_is_refused(d1: Target, most, more, message) -> None:
    d1.run(most)

    assert d1.refusal(more) == (400, 7500, message)


def test_a_statement_takes_100_parameters(d1: Target) -> None:
    hundred = ", ".join(f"?{n}" for n in range(1, 101))

    assert len(d1.rows(f"SELECT {hundred}", *range(100))[0]) == 100
    assert d1.refusal((f"SELECT {listed('?', 101)}", list(range(101)))) == (
        400,
        7500,
        "too many SQL variables at offset 307: SQLITE_ERROR",
    )
    assert d1.refusal(("SELECT ?101", list(range(101)))) == (
        400,
        7500,
        "variable number must be between ?1 and ?100 at offset 7: SQLITE_ERROR",
    )


def test_many_rows_of_literals_are_no_compound_select(d1: Target) -> None:
    d1.run("CREATE TABLE t (a, b, c)")

    assert d1.meta(f"INSERT INTO t VALUES {listed('(1,2,3)', 5_400)}")["changes"] == 5_400


def test_a_parameter_takes_two_million_bytes(d1: Target) -> None:
    assert d1.rows("SELECT length(?)", "x" * VALUE_BYTES) == [[VALUE_BYTES]]
    assert d1.refusal(("SELECT length(?)", ["x" * (VALUE_BYTES + 1)])) == TOO_BIG
    assert d1.refusal(("SELECT length(?)", ["é" * (VALUE_BYTES // 2 + 1)])) == TOO_BIG


def test_a_value_made_by_a_statement_takes_two_million_bytes(ours: Target) -> None:
    assert ours.rows(f"SELECT length(zeroblob({VALUE_BYTES}))") == [[VALUE_BYTES]]
    assert ours.refusal(f"SELECT length(zeroblob({VALUE_BYTES + 1}))") == TOO_BIG


def test_a_whole_row_takes_two_million_bytes(ours: Target) -> None:
    ours.run("CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, b TEXT)")
    half = "x" * (VALUE_BYTES // 2)

    ours.run("INSERT INTO t VALUES (1, ?, ?)", half, half[:-100])

    assert ours.refusal(("INSERT INTO t VALUES (2, ?, ?)", [half, half])) == TOO_BIG
    assert ours.refusal(("UPDATE t SET b = b || ?", [half])) == TOO_BIG


def test_a_row_may_grow_piece_by_piece_within_one_request(d1: Target) -> None:
    d1.run("CREATE TABLE t (id INTEGER PRIMARY KEY, b BLOB)")
    append = "UPDATE t SET b = CAST(b || unhex(?) AS BLOB) WHERE id = 1"

    d1.batch("INSERT INTO t VALUES (1, x'')", (append, ["00ff"]), (append, ["fe00"]))

    assert d1.rows("SELECT typeof(b), hex(b) FROM t") == [["blob", "00FFFE00"]]
