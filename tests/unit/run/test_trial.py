"""What a scratch SQLite with D1's rules refuses is left out of the plan, and nothing else."""

from dataclasses import replace

import pytest

from streamer.model import Clause, IndexPlan, Plan, QualifiedName, TablePlan, ViewPlan
from streamer.plan import PlanOptions
from streamer.run.trial import failing, tried
from tests.engines.catalogs import FLOAT8, INT4, TEXT, column, identified, plan_of


def planned(*clauses: Clause, strict: bool = False) -> Plan:
    """A plan of one table with these clauses in its CREATE TABLE."""
    plan = plan_of(identified("t", column("a", TEXT, not_null=True), column("n", FLOAT8)))
    beside = {c.column: c.sql for c in clauses if c.column}
    lines = [
        '"id" INTEGER PRIMARY KEY',
        f'"a" TEXT NOT NULL {beside.get("a", "")}',
        f'"n" REAL {beside.get("n", "")}',
        *(c.sql for c in clauses if not c.column),
    ]
    create = f'CREATE TABLE "t" ({", ".join(lines)})' + " STRICT" * strict
    return replace(
        plan, tables=(replace(plan.tables[0], create_sql=create, clauses=tuple(clauses)),)
    )


def index(sql: str) -> IndexPlan:
    return IndexPlan("i", "t", sql, early=False, unique=False, object="public.t.i")


def with_index(plan: Plan, sql: str) -> Plan:
    table: TablePlan = replace(plan.tables[0], indexes=(index(sql),))
    return replace(plan, tables=(table,))


GOOD = [
    Clause("public.t.a", "a", "DEFAULT 'x'"),
    Clause("public.t.n", "n", "DEFAULT (abs(-1.5))"),
    Clause("public.t.short", "", 'CONSTRAINT "short" CHECK (length("a") < 0)'),
    Clause("public.t.json", "", "CHECK (json_extract(\"a\", '$') IS NULL)"),
]


def test_what_d1_takes_stays_constraints_that_the_samples_break_included():
    assert failing(planned(*GOOD)) == frozenset()


@pytest.mark.parametrize(
    "sql",
    [
        "DEFAULT (now())",  # CREATE TABLE succeeds, every INSERT fails
        "DEFAULT (md5('a'))",
        "DEFAULT (soundex('a'))",  # known to SQLite, not to D1
        "DEFAULT (json_extract('{', '$'))",  # fails when it is evaluated
        "DEFAULT 'x' COLLATE nowhere",
        "CHECK (a ~ 'x')",
        "CHECK (a REGEXP 'x')",
        "CHECK (missing > 0)",
        'DEFAULT ("a")',
    ],
)
def test_a_clause_that_d1_refuses_is_found_among_good_ones(sql: str):
    others = [clause for clause in GOOD if clause.column != "a"]

    assert failing(planned(Clause("public.t.a", "a", sql), *others)) == {"public.t.a"}


def test_a_table_s_check_is_found_by_its_name():
    bad = Clause("public.t.odd", "", 'CONSTRAINT "odd" CHECK (num_nonnulls("a") = 1)')

    assert failing(planned(*GOOD, bad)) == {"public.t.odd"}


def test_a_default_that_a_strict_column_cannot_store_is_found():
    nan = Clause("public.t.n", "n", "DEFAULT 'NaN'")

    assert failing(planned(nan, strict=True)) == {"public.t.n"}
    assert failing(planned(nan)) == frozenset()


def test_clauses_that_fail_only_together_all_go():
    deep = " AND ".join(["\"a\" <> ''"] * 90)
    long = [Clause(f"public.t.c{n}", "", f"CHECK ({deep})") for n in range(120)]

    assert failing(planned(*long)) == {clause.object for clause in long}


@pytest.mark.parametrize(
    "sql",
    [
        'CREATE INDEX "i" ON "t" (now())',
        'CREATE INDEX "i" ON "t" ("a") WHERE random() > 0',
        'CREATE INDEX "i" ON "t" ("missing")',
    ],
)
def test_an_index_that_cannot_be_made_is_found(sql: str):
    assert failing(with_index(planned(*GOOD), sql)) == {"public.t.i"}


def test_a_view_that_cannot_be_read_is_found():
    view = ViewPlan(QualifiedName("public", "v"), "v", 'CREATE VIEW "v" ("x") AS SELECT now()')
    good = ViewPlan(QualifiedName("public", "w"), "w", 'CREATE VIEW "w" ("x") AS SELECT "a" FROM t')

    assert failing(replace(planned(), views=(view, good))) == {"public.v"}


def test_planning_goes_on_until_nothing_is_refused():
    refused = Clause("public.t.odd", "", 'CONSTRAINT "odd" CHECK (odd("a"))')
    hidden = Clause("public.t.n", "n", "DEFAULT (odder())")
    asked: list[frozenset[str]] = []

    def make(bad: frozenset[str]) -> Plan:
        asked.append(bad)
        if not bad:
            return planned(refused)
        return planned(hidden) if hidden.object not in bad else planned()

    plan = tried(make)

    assert plan.tables[0].clauses == ()
    assert asked == [
        frozenset(),
        {"public.t.odd"},
        {"public.t.odd", "public.t.n"},
    ]


def test_what_is_untranslatable_is_left_out_and_announced():
    made = identified("t", column("a", INT4, default="42"))

    whole = plan_of(made)
    less = plan_of(made, options=PlanOptions(untranslatable=frozenset({"public.t.a"})))

    assert "DEFAULT 42" in whole.tables[0].create_sql
    assert "DEFAULT" not in less.tables[0].create_sql
    assert [f.object for f in less.warnings] == ["public.t.a"]
    assert "D1 doesn't accept its translation" in less.warnings[0].what
