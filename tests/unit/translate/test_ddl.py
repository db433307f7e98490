"""CREATE statements: what SQLite makes of them, hostile comments included."""

import apsw
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.model import Storage
from streamer.run.schema import repeatable
from streamer.translate.ddl import (
    TableColumn,
    TableShape,
    create_index,
    create_table,
    create_view,
)

HOSTILE = ["*/ end", "-- more", "a\nb", "a\r\nDROP TABLE t;", "x\u2028);", "'", '"', ");", ""]


def columns_of(sql: str) -> list[str]:
    database = apsw.Connection(":memory:")
    database.execute(sql)
    return [row[1] for row in database.execute("PRAGMA table_xinfo(t)")]


@given(st.sampled_from(HOSTILE) | st.text(st.characters(exclude_characters="\0", codec="utf-8")))
def test_no_comment_ends_early_or_hides_what_follows(comment: str):
    columns = (
        TableColumn("a", Storage.TEXT, comment=comment),
        TableColumn("b", Storage.INTEGER, comment=comment),
    )

    sql = create_table("t", TableShape(columns, (), comment=comment))

    assert columns_of(sql) == ["a", "b"]
    lines = sql.splitlines()
    assert [line for line in lines if not line.lstrip().startswith("--")] == [
        'CREATE TABLE "t" (',
        '  "a" TEXT,',
        '  "b" INTEGER',
        ")",
    ]


def test_comments_are_kept_in_the_table_s_text():
    shape = TableShape((TableColumn("a", Storage.TEXT, comment="what\nfor"),), (), comment="why")
    database = apsw.Connection(":memory:")

    database.execute(create_table("t", shape))

    [(kept,)] = database.execute("SELECT sql FROM sqlite_master")
    assert '(\n  -- why\n  -- what\n  -- for\n  "a" TEXT\n)' in kept


def test_a_column_has_all_that_belongs_to_it():
    shape = TableShape(
        (
            TableColumn("id", Storage.INTEGER),
            TableColumn("m", Storage.TEXT, not_null=True, default="'x'", check="\"m\" <> ''"),
            TableColumn("g", Storage.INTEGER, generated='"id" + 1'),
            TableColumn("v", Storage.INTEGER, generated='"id" + 2', virtual=True),
        ),
        ("id",),
        alias=True,
        autoincrement=True,
        strict=True,
        checks=(("c", '"id" > 0'), ("", '"id" < 9')),
    )

    sql = create_table("t", shape)

    assert sql == (
        'CREATE TABLE "t" (\n'
        '  "id" INTEGER PRIMARY KEY AUTOINCREMENT,\n'
        "  \"m\" TEXT NOT NULL DEFAULT 'x' CHECK (\"m\" <> ''),\n"
        '  "g" INTEGER GENERATED ALWAYS AS ("id" + 1) STORED,\n'
        '  "v" INTEGER GENERATED ALWAYS AS ("id" + 2) VIRTUAL,\n'
        '  CONSTRAINT "c" CHECK ("id" > 0),\n'
        '  CHECK ("id" < 9)\n'
        ") STRICT"
    )
    assert columns_of(sql) == ["id", "m", "g", "v"]


@pytest.mark.parametrize(
    "sql",
    [
        create_table(
            "t", TableShape((TableColumn("a", Storage.TEXT),), ("a",), without_rowid=True)
        ),
        create_index("i", "t", ['"a"', "lower(b)"], descending=(True, False), where='"a" > 1'),
        create_index("i", "t", ['"a"'], unique=True),
        create_view("v", ["x"], 'SELECT "a" FROM "t"'),
    ],
)
def test_what_may_be_sent_again_leaves_the_same_text(sql: str):
    texts = set[object]()
    for statement in (sql, repeatable(sql)):
        database = apsw.Connection(":memory:")
        if "ON" in sql or "VIEW" in sql:
            database.execute("CREATE TABLE t (a, b)")
        database.execute(statement)
        texts |= {row[0] for row in database.execute("SELECT sql FROM sqlite_master")}

    assert sql in texts
    assert texts - {sql} <= {"CREATE TABLE t (a, b)"}
    assert "IF NOT EXISTS" in repeatable(sql)


def test_a_view_has_the_names_of_its_columns():
    database = apsw.Connection(":memory:")
    database.execute("CREATE TABLE t (a)")
    database.execute(create_view("v", ["x y"], 'SELECT "a" FROM "t"'))

    assert [row[1] for row in database.execute("PRAGMA table_info(v)")] == ["x y"]
