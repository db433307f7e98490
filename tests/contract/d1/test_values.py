"""What goes into D1 and what comes out: parameters, results, JSON, text of numbers."""

import json

import pytest

from tests.engines.d1target import Target


@pytest.mark.parametrize(
    ("bound", "kind", "shown"),
    [
        (5, "real", 5),
        (1.5, "real", 1.5),
        (2**53 + 1, "real", 2**53),
        (2**70, "real", 1180591620717411303424.0),
        (-0.0, "real", 0),
        (True, "text", "true"),
        (False, "text", "false"),
        (None, "null", None),
        ("é😀\x00b", "text", "é😀\x00b"),
        ("", "text", ""),
        ([0, 255], "blob", [0, 255]),
        ([], "blob", []),
    ],
)
def test_a_parameter_is_bound_as_the_api_binds_it(d1: Target, bound, kind, shown) -> None:
    assert d1.rows("SELECT typeof(?1), ?1", bound) == [[kind, shown]]


@pytest.mark.parametrize(
    ("expression", "shown"),
    [
        ("9223372036854775807", 9223372036854776000),
        ("-9223372036854775808", -9223372036854776000),
        ("9007199254740991", 9007199254740991),
        ("9007199254740993", 9007199254740992),
        ("1e999", None),
        ("-1e999", None),
        ("819.0", 819),
        ("0.1", 0.1),
        ("5e-324", 5e-324),
        ("1e21", 1e21),
        ("1e20", 100000000000000000000),
        ("123456789012345680000.0", 123456789012345680000),
        ("-0.0", 0),
        ("x'00ff'", [0, 255]),
        ("x''", []),
        ("NULL", None),
        ("1 = 1", 1),
        ("CAST(9007199254740993 AS TEXT)", "9007199254740993"),
        ("quote(1e999)", "9.0e+999"),
        ("quote(0.1)", "0.1"),
        ("printf('%!.20g', 0.1)", "0.1000000000000000056"),
    ],
)
def test_a_result_goes_through_a_double(d1: Target, expression: str, shown) -> None:
    assert d1.rows(f"SELECT {expression}") == [[shown]]


def test_a_number_printed_by_javascript_keeps_its_form(d1: Target) -> None:
    answer = d1.server.api("POST", f"/{d1.uuid}/raw", {"sql": "SELECT 819.0, 1e20, 1e21, 1e-7"})

    shown = json.dumps(answer.body["result"][0]["results"]["rows"][0])
    assert shown == "[819, 100000000000000000000, 1e+21, 1e-07]"  # whole numbers have no point


def test_numbers_bound_to_a_column_follow_its_affinity(d1: Target) -> None:
    d1.run("CREATE TABLE t (i INTEGER, r REAL, t TEXT, b BLOB, n)")

    d1.run("INSERT INTO t VALUES (?1, ?1, ?1, ?1, ?1)", 2)

    shown = "SELECT typeof(i), typeof(r), t, typeof(b), typeof(n) FROM t"
    assert d1.rows(shown) == [["integer", "real", "2.0", "real", "real"]]


def test_integers_as_text_stay_exact_in_an_integer_column(d1: Target) -> None:
    d1.run("CREATE TABLE t (i INTEGER)")

    d1.run("INSERT INTO t VALUES (?)", "9007199254740993")

    assert d1.rows("SELECT typeof(i), CAST(i AS TEXT) FROM t") == [["integer", "9007199254740993"]]


ROWS = [
    [1, 9007199254740993, 1.0, "é", "00ff", True],
    [2, -9223372036854775808, 5e-324, "a'b\n\x00", "", False],
    [3, None, 1e300, "", None, None],
]


@pytest.mark.parametrize(
    "source",
    [
        "SELECT value->>0, value->>1, value->>2, value->>3, unhex(value->>4), value->>5 FROM json_each(?1) WHERE true",
        "SELECT v->>0, v->>1, v->>2, v->>3, unhex(v->>4), v->>5 FROM s WHERE true",
    ],
)
def test_rows_come_whole_out_of_one_json_parameter(d1: Target, source: str) -> None:
    d1.run("CREATE TABLE t (id INTEGER PRIMARY KEY, i INTEGER, r REAL, t TEXT, b BLOB, f INTEGER)")
    with_ = "WITH s AS MATERIALIZED (SELECT jsonb(value) AS v FROM json_each(?1)) "
    insert = (with_ if "FROM s" in source else "") + f"INSERT INTO t {source}"
    upsert = " ON CONFLICT(id) DO UPDATE SET i = excluded.i WHERE t.i IS NOT excluded.i"

    d1.run(insert + upsert, json.dumps(ROWS))

    assert d1.rows("SELECT CAST(i AS TEXT), r, t, hex(b), b IS NULL, f, typeof(r) FROM t") == [
        ["9007199254740993", 1, "é", "00FF", 0, 1, "real"],
        ["-9223372036854775808", 5e-324, "a'b\n\x00", "", 0, 0, "real"],
        [None, 1e300, "", "", 1, None, "real"],
    ]


@pytest.mark.parametrize(
    ("element", "kind", "text"),
    [
        ("1.0", "real", "1.0"),
        ("1e999", "real", "Inf"),
        ("9223372036854775807", "integer", "9223372036854775807"),
        ("9223372036854775808", "real", "9.2233720368547758e+18"),
        ("true", "integer", "1"),
        ("null", "null", None),
        ('"1.10"', "text", "1.10"),
        ("[1, 2]", "text", "[1,2]"),
    ],
)
def test_sqlite_reads_the_numbers_of_a_json_text(d1: Target, element, kind, text) -> None:
    sql = "SELECT typeof(value->>0), CAST(value->>0 AS TEXT) FROM json_each(?1)"

    assert d1.rows(sql, f"[[{element}]]") == [[kind, text]]


def test_unhex_of_what_is_no_hex_is_null(d1: Target) -> None:
    assert d1.rows("SELECT unhex('zz'), unhex('0'), unhex('00FF')") == [[None, None, [0, 255]]]


def test_columns_of_one_name_stay_apart_in_raw(d1: Target) -> None:
    result = d1.run("SELECT 1 AS a, 2 AS a, 3")

    assert result["results"] == {"columns": ["a", "a", "3"], "rows": [[1, 2, 3]]}


def test_query_answers_with_objects(served: Target) -> None:
    (result,) = served.send({"sql": "SELECT 1 AS a, 'x' AS b"}, route="query")

    assert result["results"] == [{"a": 1, "b": "x"}]


def test_columns_are_named_where_there_are_no_rows(d1: Target) -> None:
    assert d1.run("SELECT 1 AS a WHERE 0")["results"] == {"columns": ["a"], "rows": []}


def test_a_write_has_no_columns(d1: Target) -> None:
    assert d1.run("CREATE TABLE t (a)")["results"] == {"columns": [], "rows": []}


def test_the_key_value_table_of_the_service_is_listed_but_closed(served: Target) -> None:
    listed = served.rows("SELECT name FROM sqlite_schema WHERE name LIKE '\\_cf\\_%' ESCAPE '\\'")

    assert ["_cf_KV"] in listed
    assert served.refusal("SELECT * FROM _cf_KV")[:2] == (400, 7500)
