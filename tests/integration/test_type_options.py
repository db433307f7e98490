"""What each option makes of values, and what is counted of them, on real servers."""

from __future__ import annotations

import base64
import struct
from dataclasses import dataclass

import pytest

from streamer.model.shaping import TypeOptions
from streamer.postgres.catalog import read_catalog
from streamer.postgres.connect import beginning
from streamer.translate.types import Mapping, map_type
from tests.engines.postgres import Database

pytestmark = pytest.mark.postgres

MADE = """
CREATE TYPE mood AS ENUM ('sad', 'it''s "odd"', '');
CREATE DOMAIN feeling AS mood;
CREATE TYPE addr AS (street text, no int);
CREATE DOMAIN price AS numeric(6, 2);
CREATE DOMAIN cash AS money;
CREATE DOMAIN moment AS timestamptz(3);
"""
ODD, LOST, SPECIAL, BIG = "10000", "lost", "NaN", "2^53"
NOON = "2024-01-15 10:30:45.987654"


@dataclass(frozen=True, slots=True)
class Case:
    """`values`: SQL of a value, what is printed, and a word of each thing that is counted of it."""

    kind: str
    choices: dict[str, str]
    values: dict[str, tuple[str | None, *tuple[str, ...]]]


CASES = (
    Case("timestamp", {}, {
        f"'{NOON}'": (NOON,),
        "'infinity'": ("infinity", ODD),
        "'0044-03-15 12:00:00.5 BC'": ("0044-03-15 12:00:00.5 BC", ODD),
        "'10000-01-01'": ("10000-01-01 00:00:00", ODD),
        "'9999-12-31 23:59:59.999999'": ("9999-12-31 23:59:59.999999",),
        "'0001-01-01'": ("0001-01-01 00:00:00",),
        "NULL": (None,),
    }),
    Case("timestamptz", {}, {
        "'2024-01-15 10:30:45.5+05:30'": ("2024-01-15 05:00:45.5",),
        "'9999-12-31 23:00-05'": ("10000-01-01 04:00:00", ODD),
        "'0001-01-01 00:00+01'": ("0001-12-31 23:00:00 BC", ODD),
        "'-infinity'": ("-infinity", ODD),
    }),
    Case("timestamp", {"timestamps": "seconds"}, {
        "'2024-12-31 23:59:59.999999'": ("2024-12-31 23:59:59", LOST),
        "'1969-12-31 23:59:59.999999'": ("1969-12-31 23:59:59", LOST),
        "'2024-01-15 10:30:45'": ("2024-01-15 10:30:45",),
        "'0044-03-15 12:00:00.7 BC'": ("0044-03-15 12:00:00 BC", ODD, LOST),
        "'infinity'": ("infinity", ODD),
    }),
    Case("timestamp(0)", {"timestamps": "seconds"}, {"'2024-01-15 10:30:45.4'": ("2024-01-15 10:30:45",)}),
    Case("timestamptz", {"timestamps": "seconds"}, {
        "'2024-01-15 23:59:59.7-05'": ("2024-01-16 04:59:59", LOST),
    }),
    Case("timestamp", {"timestamps": "ms"}, {
        f"'{NOON}'": ("2024-01-15 10:30:45.987", LOST),
        "'2024-01-15 10:30:45'": ("2024-01-15 10:30:45.000",),
        "'2024-01-15 10:30:45.1'": ("2024-01-15 10:30:45.100",),
        "'1969-12-31 23:59:59.999999'": ("1969-12-31 23:59:59.999", LOST),
        "'0044-03-15 12:00:00.7 BC'": ("0044-03-15 12:00:00.700 BC", ODD),
        "'12345-01-01'": ("12345-01-01 00:00:00.000", ODD),
        "'-infinity'": ("-infinity", ODD),
    }),
    Case("timestamptz(3)", {"timestamps": "ms"}, {
        "'2024-01-15 10:30:45.5+05:30'": ("2024-01-15 05:00:45.500",),
        "'0001-01-01 00:00+01'": ("0001-12-31 23:00:00.000 BC", ODD),
    }),
    Case("timestamptz", {"timestamps": "unixms"}, {
        "'1970-01-01 00:00:00.123456+00'": ("123", LOST),
        "'1969-12-31 23:59:59.999999+00'": ("-1", LOST),
        "'2024-01-15 10:30:45.123+00'": ("1705314645123",),
        "'9999-12-31 23:59:59.999+00'": ("253402300799999",),
        "'0001-01-01 00:00+00'": ("-62135596800000",),
        "'10000-01-01 00:00+00'": ("253402300800000", "can't be milliseconds"),
        "'infinity'": ("infinity", "can't be milliseconds"),
        "NULL": (None,),
    }),
    Case("moment", {"timestamps": "unixms"}, {"'2024-01-15 10:30:45.123456+00'": ("1705314645123",)}),
    Case("timestamp", {"timestamps": "iso"}, {
        "'2024-01-15 10:30:45.5'": ("2024-01-15T10:30:45.5",),
        "'infinity'": ("infinity", ODD),
        "'0044-03-15 12:00:00 BC'": ("0044-03-15 12:00:00 BC", ODD),
    }),
    Case("timestamptz", {"timestamps": "iso"}, {
        "'2024-01-15 10:30:45.5+05:30'": ("2024-01-15T05:00:45.5Z",), "'infinity'": ("infinity", ODD),
    }),
    Case("timestamp", {"timestamps": "offset"}, {f"'{NOON}'": (NOON,)}),
    Case("timestamptz", {"timestamps": "offset"}, {
        "'2024-01-15 10:30:45.5+05:30'": ("2024-01-15 05:00:45.5+00",),
        "'infinity'": ("infinity", ODD),
    }),
    Case("date", {}, {"'infinity'": ("infinity", ODD), "'9999-12-31'": ("9999-12-31",)}),
    Case("date", {"dates": "days"}, {
        "'1970-01-02'": ("1",), "'1969-12-31'": ("-1",), "'infinity'": ("infinity", "infinity"),
        "'10000-01-01'": ("2932897", ODD), "NULL": (None,),
    }),
    Case("date", {"dates": "seconds"}, {
        "'1970-01-02'": ("86400",), "'5874897-12-31'": ("185331706992000", ODD),
        "'-infinity'": ("-infinity", "infinity"),
    }),
    Case("interval", {}, {"'1 mon'": ("P1M",), "'30 days'": ("P30D",)}),
    Case("interval", {"intervals": "seconds"}, {
        "'1 mon'": ("2592000", LOST.replace("lost", "seconds")), "'1:30:00.5'": ("5400.5",),
        "'1 day'": ("86400", "seconds"), "NULL": (None,),
    }),
    Case("bigint", {}, {
        "9007199254740992": ("9007199254740992",),
        "9007199254740993": ("9007199254740993", BIG),
        "-9223372036854775808": ("-9223372036854775808", BIG),
    }),
    Case("bigint", {"bigint": "text"}, {"9007199254740993": ("9007199254740993",)}),
    Case("numeric", {}, {"1.50": ("1.50",), "'NaN'": ("NaN", SPECIAL)}),
    Case("numeric(6,2)", {}, {"1.50": ("1.50",), "'NaN'": ("NaN", SPECIAL)}),
    Case("numeric(18)", {}, {
        "9007199254740993": ("9007199254740993", BIG), "5": ("5",), "'NaN'": ("NaN", SPECIAL),
    }),
    Case("price", {"numeric": "text"}, {"1.50": ("1.50",), "'NaN'": ("NaN", SPECIAL)}),
    Case("numeric", {"numeric": "real"}, {
        "0.1": ("0.1",), "9007199254740992": ("9.007199254740992e+15",),
        "9007199254740993": ("9.007199254740992e+15", LOST),
        "12345678901234567.89": ("1.2345678901234568e+16", LOST),
        "1e400": ("1" + "0" * 400, "beyond the range"), "1e-400": ("0", LOST), "0": ("0",),
        "-1e400": ("-1" + "0" * 400, "beyond the range"), "'NaN'": ("NaN", SPECIAL), "NULL": (None,),
    }),
    Case("numeric(30,10)", {"numeric": "real", "nan": "null"}, {
        "0.1": ("0.1",), "'NaN'": (None, SPECIAL), "NULL": (None,),
    }),
    Case("numeric(18,2)", {"numeric": "scaled"}, {
        "1.5": ("150",), "-0.01": ("-1",), "9999999999999999.99": ("999999999999999999", BIG),
        "'NaN'": ("NaN", SPECIAL),
    }),
    Case("numeric(20,2)", {"numeric": "scaled"}, {"1.5": ("1.50",)}),
    Case("money", {}, {"1234.56::numeric::money": ("1234.56",)}),
    Case("cash", {"money": "cents"}, {
        "1234.56::numeric::money": ("123456",), "'-0.01'": ("-1",), "NULL": (None,),
        "'92233720368547758.07'": ("9223372036854775807", BIG),
    }),
    Case("real", {}, {"'NaN'": ("NaN", SPECIAL), "0.1": ("0.1",), "'-0'": ("-0", "-0"), "0": ("0",)}),
    Case("double precision", {"nan": "null"}, {
        "'NaN'": (None, SPECIAL), "'-Infinity'": (None, SPECIAL), "'1.7976931348623157e308'": ("1.7976931348623157e+308",),
    }),
    Case("double precision", {"nan": "refuse"}, {"'Infinity'": ("Infinity", "refuse"), "1.5": ("1.5",)}),
    Case("char(4)", {}, {"'ab'": ("ab",)}),
    Case("char(4)", {"char": "pad"}, {"'ab'": ("ab  ",), "''": ("    ",), "NULL": (None,)}),
    Case("bytea", {"bytea": "hex"}, {r"'\x00ff'": ("00ff",), "''": ("",)}),
    Case("bytea", {"bytea": "base64"}, {
        "decode(repeat('00ff80', 40), 'hex')": (base64.b64encode(b"\x00\xff\x80" * 40).decode(),),
        "''": ("",),
    }),
    Case("uuid", {"uuid": "blob"}, {
        "'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'": ("a0eebc999c0b4ef8bb6d6bb9bd380a11",),
    }),
    Case("json", {"json": "canonical"}, {
        "'{\"b\":1.10,  \"a\":1,\"b\":2}'": ('{"a": 1, "b": 2}',),
        r"""'"\u0000"'""": (r'"\u0000"', "jsonb"),
        r"""'"\ud800x"'""": (r'"\ud800x"', "jsonb"),
        r"""'"\ud83d\ude00"'""": ('"\U0001f600"',),
        r"""'"\\ud83d\ude00"'""": (r'"\\ud83d\ude00"', "jsonb"),
        r"""'"\\u0000"'""": (r'"\\u0000"',),
        "'1e400000'": ("1e400000", "jsonb"), "'1e-20000'": ("1e-20000", "jsonb"), "'null'": ("null",),
        "('[' || repeat('7', 200000) || ']')::json": ("[" + "7" * 200000 + "]", "jsonb"),
        "NULL": (None,),
    }),
    Case("integer[]", {}, {
        "'{1,2}'": ("[1,2]",), "'[0:1]={7,8}'": ("[7,8]", "element 1"),
        "'[1:1][10:11]={{7,8}}'": ("[[7,8]]", "element 1"), "'{}'": ("[]",), "NULL": (None,),
    }),
    Case("integer[]", {"arrays": "postgres"}, {"'[0:1]={7,8}'": ("[0:1]={7,8}",)}),
    Case("money[]", {}, {"ARRAY[1.5::numeric::money, NULL]": ("[1.50,null]",)}),
    Case("cash[]", {}, {"'{{1.5}}'": ("[[1.50]]",)}),
    Case("addr", {"composites": "postgres"}, {"ROW('a b', NULL)": ('("a b",)',), "ROW(NULL, NULL)": ("(,)",)}),
    Case("mood", {"enums": "integer"}, {"'sad'": ("1",), "'it''s \"odd\"'": ("2",), "''": ("3",), "NULL": (None,)}),
    Case("feeling", {"enums": "integer"}, {"''": ("3",)}),
    Case("bit(8)", {"bits": "integer"}, {"B'10000001'": ("129",), "NULL": (None,)}),
    Case("bit(63)", {"bits": "integer"}, {"~B'0'::bit(63)": (str(2**63 - 1),)}),
    Case("bit(64)", {"bits": "integer"}, {"B'1'::bit(64)": ("1" + "0" * 63,)}),
    Case("inet", {}, {"'192.168.1.1'": ("192.168.1.1",), "'10.0.0.1/8'": ("10.0.0.1/8",)}),
    Case("inet", {"inet": "masked"}, {
        "'192.168.1.1'": ("192.168.1.1/32",), "'10.0.0.1/8'": ("10.0.0.1/8",), "'::1'": ("::1/128",),
    }),
    Case("cidr", {"cidr": "integer"}, {
        "'10.0.0.0/8'": (str((10 << 24) * 64 + 8),), "'0.0.0.0/0'": ("0",),
        "'255.255.255.255/32'": (str((2**32 - 1) * 64 + 32),),
        "'2001:db8::/32'": ("2001:db8::/32", "IPv6"), "NULL": (None,),
    }),
    Case("macaddr", {"macaddr": "integer"}, {
        "'08:00:2b:01:02:03'": (str(0x08002B010203),), "'ff:ff:ff:ff:ff:ff'": (str(2**48 - 1),),
        "NULL": (None,),
    }),
    Case("macaddr8", {"macaddr": "integer"}, {
        "'00:00:2b:01:02:03:04:05'": (str(0x2B0102030405),),
        "'08:00:2b:01:02:03:04:05'": (str(0x08002B0102030405), BIG),
        "'ff:ff:ff:ff:ff:ff:ff:ff'": ("-1", "negative"),
        "'80:00:00:00:00:00:00:00'": (str(-(2**63)), BIG, "negative"),
    }),
    Case("point", {"points": "json"}, {
        "'(1.5,-2)'": ("[1.5,-2]",), "'(NaN,-Infinity)'": ('["NaN","-Infinity"]',), "NULL": (None,),
        "'(1e300,-0)'": ("[1e+300,-0]",),
    }),
    Case("line", {"shapes": "json"}, {"'{1,-1,0.5}'": ("[1,-1,0.5]",)}),
    Case("lseg", {"shapes": "json"}, {"'[(0,0),(1,Infinity)]'": ('[[0,0],[1,"Infinity"]]',)}),
    Case("box", {"shapes": "json"}, {"'(1,2),(0,0)'": ("[[1,2],[0,0]]",), "NULL": (None,)}),
    Case("path", {"shapes": "json"}, {
        "'[(0,0),(1,1)]'": ('{"open":true,"points":[[0,0],[1,1]]}',),
        "'((0,0),(1,1))'": ('{"open":false,"points":[[0,0],[1,1]]}',), "NULL": (None,),
    }),
    Case("polygon", {"shapes": "json"}, {"'((0,0),(1,1),(2,0))'": ("[[0,0],[1,1],[2,0]]",)}),
    Case("circle", {"shapes": "json"}, {"'<(0,0),1.1>'": ("[[0,0],1.1]",)}),
    Case("regclass", {"regs": "oid"}, {"'pg_class'": ("1259",)}),
)  # fmt: skip


async def test_options_decide_what_is_printed_and_what_is_counted(any_database: Database):
    await any_database.execute(
        MADE
        + "".join(
            f"CREATE TABLE t{n:03} (id int, v {case.kind});"
            + "".join(
                f"INSERT INTO t{n:03} VALUES ({row}, {value});"
                for row, value in enumerate(case.values)
            )
            for n, case in enumerate(CASES)
        )
    )
    connection = await any_database.connect()
    try:
        await connection.execute(beginning())
        catalog = await read_catalog(connection)
        for case, table in zip(
            CASES, sorted(catalog.tables, key=lambda table: table.name), strict=True
        ):
            mapping = map_type(
                table.column("v").type,
                TypeOptions().but(case.choices),
                server_version=catalog.source.server_version,
            )
            assert isinstance(mapping, Mapping), case
            sql = [mapping.read_sql("t.v")]
            sql += [told.condition.replace("{c}", "t.v") for told in mapping.counted]
            rows = await connection.fetch(
                f"SELECT {', '.join(sql)} FROM public.{table.name.name} AS t ORDER BY id"
            )
            for row, (text, *words) in zip(rows, case.values.values(), strict=True):
                assert row[0] == text, case
                said = [
                    told.what for told, so in zip(mapping.counted, list(row)[1:], strict=True) if so
                ]
                assert len(said) == len(words), (case, row, said)
                assert all(any(word in what for what in said) for word in words), (case, row, said)
    finally:
        await connection.close()


async def test_vectors_become_the_bytes_of_their_floats(database: Database):
    numbers = [1.5, -0.0, 3.0e-39, 3.4028234663852886e38, 0.1]
    await database.execute("CREATE EXTENSION vector; CREATE TABLE t (v vector, h halfvec)")
    await database.execute(f"INSERT INTO t VALUES ('{numbers}', '[1,-2]'), (NULL, NULL)")
    connection = await database.connect()
    try:
        await connection.execute(beginning())
        table = (await read_catalog(connection)).tables[0]
        options = TypeOptions().but({"vectors": "blob"})
        sql = [
            mapped.read_sql(f"t.{column.name}")
            for column in table.columns
            if isinstance(mapped := map_type(column.type, options), Mapping)
        ]
        rows = await connection.fetch(f"SELECT {', '.join(sql)} FROM public.t AS t")
    finally:
        await connection.close()

    assert [tuple(row) for row in rows] == [
        (struct.pack("<5f", *numbers).hex(), struct.pack("<2f", 1, -2).hex()),
        (None, None),
    ]
