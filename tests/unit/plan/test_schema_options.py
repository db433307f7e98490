"""What a user may ask of the tables that D1 gets: counters, row numbers, STRICT, comments."""

from dataclasses import replace

import pytest

from streamer import limits
from streamer.model import Check, Plan, QualifiedName, Sequence, Shaping, Table, TableOptions
from streamer.plan import PlanOptions
from tests.engines.catalogs import (
    FLOAT8,
    INT4,
    TEXT,
    column,
    identified,
    plan_of,
    primary,
    said,
    table,
)
from tests.unit.plan.ddl import create


def shaped(*tables: Table, **options: object) -> Plan:
    """The plan of these tables with shaping options."""
    shaping = replace(Shaping(), **options)  # pyright: ignore[reportArgumentType]
    return plan_of(*tables, options=PlanOptions(shaping=shaping))


def check(name: str, condition: str) -> Check:
    return Check(name, f"CHECK ({condition})")


def numbered(**more: object) -> Table:
    sequence = Sequence(QualifiedName("public", "s"), 1, 1, 1, 10**6, cycle=False, last_value=5)
    key = replace(column("id", INT4, not_null=True, identity="a"), sequence=sequence)
    return table("t", key, column("v"), indexes=[primary("id")], **more)


def test_autoincrement_takes_over_the_counter_where_there_is_one():
    plain = identified("u")

    plan = shaped(numbered(), plain, autoincrement=True)

    assert '"id" INTEGER PRIMARY KEY AUTOINCREMENT' in plan.tables[0].create_sql
    assert "AUTOINCREMENT" not in plan.tables[1].create_sql
    database = create(plan)
    for sql in plan.tables[0].after_sql:
        database.execute(sql)
    assert database.execute("INSERT INTO t (v) VALUES ('x') RETURNING id").get == 6


def test_autoincrement_is_a_table_s_own_choice():
    own = {"t": TableOptions(autoincrement=False), "u": TableOptions(autoincrement=True)}

    plan = shaped(numbered(), identified("u"), autoincrement=True, tables=own)

    assert "AUTOINCREMENT" not in plan.tables[0].create_sql
    assert "AUTOINCREMENT" in plan.tables[1].create_sql


@pytest.mark.parametrize(("choice", "without"), [("always", True), ("never", False)])
def test_without_rowid_is_a_choice_that_a_table_may_make_for_itself(choice: str, *, without: bool):
    made = table("t", column("a", TEXT, not_null=True), indexes=[primary("a")], rows=-1)
    other = "never" if without else "always"

    whole = shaped(made, without_rowid=choice)
    own = shaped(
        made,
        without_rowid=other,
        tables={"t": TableOptions(without_rowid=choice)},  # pyright: ignore[reportArgumentType]
    )

    for plan in (whole, own):
        assert plan.tables[0].create_sql.endswith("WITHOUT ROWID") == without


def test_an_integer_key_stays_the_row_s_number_whatever_is_asked():
    assert shaped(identified("t"), without_rowid="always").tables[0].create_sql.endswith("\n)")


def test_strict_tables_ask_for_what_they_cannot_hold():
    made = identified("t", column("f", FLOAT8), column("n", INT4))

    plan = shaped(made, strict=True)

    assert plan.tables[0].create_sql.endswith(") STRICT")
    asked = [q for q in plan.questions if "STRICT" in q.finding.what]
    assert [q.finding.object for q in asked] == ["public.t.f"]
    create(plan)


def test_comments_are_kept_when_asked_for():
    made = identified(
        "t", replace(column("a", TEXT), comment="two\nlines */"), comment="-- what it is for"
    )

    assert "what it is for" not in plan_of(made).tables[0].create_sql
    sql = shaped(made, comments=True).tables[0].create_sql
    assert sql == (
        'CREATE TABLE "t" (\n'
        "  -- -- what it is for\n"
        '  "id" INTEGER PRIMARY KEY,\n'
        "  -- two\n"
        "  -- lines */\n"
        '  "a" TEXT\n'
        ")"
    )


def test_a_statement_that_is_too_long_loses_comments_first_and_then_its_longest_checks():
    names = [f"c{n}" for n in range(30)]
    columns = [replace(column(n, TEXT), comment="x" * 2_000) for n in names]
    long = "'" + "y" * 18_000 + "'::text"
    checks = tuple(check(f"k{n}", f"(c{n} <> {long})") for n in range(6))
    small = check("small", "(c9 <> 'z'::text)")

    only_comments = shaped(identified("t", *columns, checks=(*checks[:4], small)), comments=True)
    more = shaped(identified("t", *columns, checks=(*checks, small)), comments=True)

    for plan, left in (
        (only_comments, ["k0", "k1", "k2", "k3"]),
        (more, ["k1", "k2", "k3", "k4", "k5"]),
    ):
        sql = plan.tables[0].create_sql
        assert len(sql.encode()) <= limits.STATEMENT_BYTES - len("IF NOT EXISTS ")
        assert [f"k{n}" for n in range(6) if f'"k{n}"' in sql] == left
        assert '"small"' in sql
        assert "its comments are left out" in said(plan.warnings)
        create(plan)
    assert "public.t.k0: the CHECK k0 is left out: CREATE TABLE would be longer" in said(
        more.warnings
    )
