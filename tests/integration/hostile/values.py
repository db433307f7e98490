"""Values at the edges of PostgreSQL's types, each as a key, as a value and in an array."""

from __future__ import annotations

from tests.integration.hostile.names import literal

TEXTS = [
    *("", " ", "\n", "\t", "\r", "\r\n", "   \n  ", "\x01", "\x1f\x7f", "\x80\x9f", "\b\f\v"),
    *("\\", "\\\\", "\\n", "\\u0000", "\\x00", "'", "''", '"', '""', "`", "[", "]", "{", "}"),
    *("{}", "[]", "null", "NULL", "true", "1", "1.0", "01", "+1", "1e5", "1e999", "0x10", "NaN"),
    *("Infinity", "-0", "9223372036854775807", "9223372036854775808", "9007199254740993"),
    *("\u00e9", "e\u0301", "É", "\u2028", "\u2029", "\ufeff", "\uffff", "\U0010ffff", "\u200b"),
    *(
        "\u202e",
        "😀",
        "\U0001d54f",
        "\u017f",
        "İ",
        "ß",
        "\u00a0",
        "%",
        "%s",
        "$1",
        "?1",
        ":a",
        "--",
        "/*",
        ";",
    ),
    *("x'41'", "json('x')", '{"a":1}', "[1,2", "<!--", "&amp;", "2024-01-01", "\x1b[31m"),
    *("a" * 2_600, "'" * 2_600, '"' * 2_600, "\\" * 2_600, "\x01" * 2_600, "😀" * 600),
]
DOUBLES = [
    *("NaN", "Infinity", "-Infinity", "0", "1.5", "0.1", "1e308", "5e-324", "1e-7", "1e21", "1e22"),
    *(
        "2.2250738585072014e-308",
        "1.7976931348623157e308",
        "9007199254740993",
        "0.3000000000000004",
    ),
]
TIMES = [
    *("infinity", "-infinity", "4713-01-02 00:00:00 BC", "0001-01-01", "2024-02-29 12:00:00.5"),
    *("2024-02-29 12:00:00.000001", "1969-12-31 23:59:59.999999", "294276-12-31 23:59:59.999999"),
]
KEYS = {
    "text": TEXTS,
    'text COLLATE "C"': TEXTS,
    "varchar(2600)": TEXTS,
    "numeric": ["NaN", "-0.00", "1e-100", "1e100", "-1", "1.10", "9" * 400 + ".5", "9" * 20],
    "numeric(15,2)": ["NaN", "0", "1.10", "-9999999999999.99", "9999999999999.99", "0.01"],
    "numeric(18,0)": ["0", "-1", "999999999999999999", "-999999999999999999", "9007199254740993"],
    "numeric(3,-2)": ["100", "99900", "-100", "0"],
    "bigint": ["-9223372036854775808", "9223372036854775807", "0", "9007199254740993", "-1"],
    "smallint": ["-32768", "32767", "0"],
    "oid": ["0", "4294967295"],
    "double precision": DOUBLES,
    "real": ["NaN", "Infinity", "-Infinity", "0", "0.1", "3.4028235e38", "1e-45", "16777217"],
    "date": [
        "infinity",
        "-infinity",
        "4713-01-01 BC",
        "0001-01-01",
        "10000-01-01",
        "5874897-12-31",
    ],
    "timestamp": TIMES,
    "timestamptz": [*TIMES, "2024-11-03 01:30:00-04", "2024-11-03 01:30:00-05"],
    "time": ["00:00", "24:00:00", "23:59:59.999999"],
    "timetz": ["00:00+15:59:59", "24:00:00-15:59:59", "12:34:56.789+05:30"],
    "interval": [
        "0",
        "178000000 years",
        "-178000000 years",
        "-1 day 1 hour",
        "1 year -1 mon",
        "1 us",
    ],
    "boolean": ["t", "f"],
    "bytea": ["\\x", "\\x00", "\\x0000", "\\xff", "\\x27", "\\x5c22", "\\x" + "00ff" * 600],
    "uuid": ["00000000-0000-0000-0000-000000000000", "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11"],
    "mood": [
        "sad",
        "O'Hara",
        'say "hi"',
        "",
        "back\\slash",
        "new\nline",
        "Sad",
        "😀",
        "NULL",
        " x ",
    ],
    "inet": [
        "0.0.0.0",
        "0.0.0.0/0",
        "10.0.0.1/8",
        "::",
        "::/0",
        "::ffff:1.2.3.4",
        "2001:db8::1/64",
    ],
    "cidr": ["0.0.0.0/0", "10.0.0.1/32", "::/0"],
    "macaddr8": ["00:00:00:00:00:00:00:01"],
    "bit(5)": ["00000", "11111", "10101"],
    "varbit": ["", "0", "1", "00", "1" * 200],
    "money": ["0", "-0.01", "-92233720368547758.08", "92233720368547758.07", "-1234.5"],
    "pg_lsn": ["0/0", "FFFFFFFF/FFFFFFFF", "16/B374D848"],
    "xid8": ["0", "18446744073709551615", "9223372036854775808"],
    '"char"': ["", "a", "\\377", "'", '"', "\\001"],
    "name": ["", " x", "a'b", "x" * 63, "é" * 31],
    "char(6)": ["", "a", "a b", "'", "é", "abcdef", "  x"],
    "integer[]": ["{}", "{1}", "{NULL}", "{1,NULL}", "{{1,2},{3,4}}", "{{{{{{1}}}}}}"],
    "text[]": ["{}", '{""}', "{NULL}", '{"NULL"}', '{"a,b"}', '{"{"}', '{"\\\\\\""}', '{"\n"}'],
    "int4range": ["empty", "(,)", "[1,2)", "(,5)"],
    "numrange": ["empty", "(,)", "[1.0,2.00]", "[NaN,NaN]"],
    "tstzrange": ["empty", "(,)", "[2024-01-01 00:00+00,infinity]"],
    "jsonb": ["null", "0", "1.0", '"\\u00e9"', "[]", '{"": null}', '{"b":1,"a":2}', "1e400", '""'],
    "tsvector": ["", "'a':1A,2B 'b':3", "'it''s':1", "'a b':16383"],
    "tsquery": ["'a'", "!'a' & 'b' | 'c'", "'b':*AB", "'a' <-> 'b'"],
}
ARRAYS_AS_PRINTED = frozenset({"money", "inet"})  # JSON has them otherwise than PostgreSQL's text

MORE = """
CREATE TABLE mixed (a text, b numeric, c date, d bytea, e mood, f float8, n serial);
INSERT INTO mixed SELECT a, b, c, d, e, f FROM unnest(ARRAY['', 'é', E'\\n', '''']) AS a,
    unnest(ARRAY['NaN'::numeric, 0, 1.50]) AS b, unnest(ARRAY['infinity'::date, '2024-01-01']) AS c,
    unnest(ARRAY['\\x'::bytea, '\\xff']) AS d, unnest(ARRAY['sad'::mood, '', 'O''Hara']) AS e,
    unnest(ARRAY['NaN'::float8, 'Infinity', 0]) AS f;
ALTER TABLE mixed ALTER a SET NOT NULL, ALTER b SET NOT NULL, ALTER c SET NOT NULL,
    ALTER d SET NOT NULL, ALTER e SET NOT NULL, ALTER f SET NOT NULL;
CREATE UNIQUE INDEX ON mixed (a DESC, b, c DESC NULLS LAST, d DESC, e, f DESC);
CREATE TABLE large (id integer PRIMARY KEY, t text, j json, n numeric, a integer[]);
INSERT INTO large VALUES
    (1, repeat('''', 1000000), '"\\ud800"', (repeat('9', 16000) || '.5')::numeric, NULL),
    (2, repeat('"\\', 300000), '"\\u0000"', 1e-16000, '{{{{{{1,NULL},{3,4}}}}}}'),
    (3, repeat(E'\\x01\\x1f', 200000), '{"a":1,"a":2}', 'NaN', '{}'),
    (4, repeat('😀', 200000), ' [1 ,\n1.10, 1e400] ', -0.0, '{NULL}');
"""


def values_database() -> str:
    """A script: a table a type, whose key takes every value of `KEYS`."""
    labels = ", ".join(map(literal, KEYS["mood"]))
    script = [f"SET TimeZone = 'UTC'; CREATE TYPE mood AS ENUM ({labels});"]
    for number, (kind, values) in enumerate(KEYS.items()):
        plain = kind.partition(" COLLATE")[0]
        listed = not plain.endswith("]") and plain not in ARRAYS_AS_PRINTED
        several = f", several {plain}[]" if listed else ""
        script.append(
            f"CREATE TABLE keys_{number} (k {kind} PRIMARY KEY, v {kind}{several}, n serial);"
        )
        for value in values:
            text = literal(value)
            array = f", ARRAY[{text}::{plain}, NULL]" if listed else ""
            script.append(f"INSERT INTO keys_{number} VALUES ({text}, {text}{array});")
    return "\n".join([*script, MORE])
