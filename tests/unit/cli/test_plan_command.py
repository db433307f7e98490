from dataclasses import replace

import apsw
import orjson
import pytest

from streamer.cli.plan import plan_json, render_plan
from streamer.cli.schema import schema_json
from streamer.config import Config, RunSettings
from streamer.errors import ExitCode
from streamer.model import Finding, Plan, QualifiedName, Severity, Table, ViewPlan
from streamer.plan import by_table
from streamer.plan.estimate import measured
from streamer.plan.script import schema_script
from streamer.run.outlook import exit_code
from tests.engines.catalogs import (
    INT4,
    INT8,
    base,
    column,
    identified,
    index,
    plan_of,
    refers,
    table,
)


def shown(*tables: Table) -> Plan:
    """The plan of moving these tables, as it is shown: with what it costs."""
    return measured(plan_of(*tables), None, {})


@pytest.fixture
def plan() -> Plan:
    return shown(
        identified("child", column("ref", INT8), keys=[refers("fk", "ref", "shop.parent")]),
        identified("shop.parent", column("name"), indexes=[index("by_name", "name")], rows=1_234),
        identified("tree", column("up", INT4), keys=[refers("fk", "up", "tree")]),
        identified(
            "ring", column("next", INT4, not_null=True), keys=[refers("fk", "next", "ring")]
        ),
        table("loose", column("a")),
        identified("bad", column("x", base("pg_node_tree"))),
        identified("worse", column("x", default="odd('two\nlines')")),
    )


def test_the_plan_shows_tables_in_load_order_with_keys_and_storage(plan: Plan):
    text = render_plan(plan)

    assert text.index("1. shop.parent → shop__parent: about 1,234 rows") < text.index(
        "2. public.child"
    )
    assert "key: id (primary key)" in text
    assert "none; rows are read by physical position" in text
    assert "ref  bigint   INTEGER  exact; JavaScript rounds" in text
    assert "loaded with NULL at first, set afterwards: up" in text
    assert "published together with its cycle" in text
    assert text.endswith("\n")


def test_the_plan_ends_with_what_cannot_move_what_is_lost_and_the_cost(plan: Plan):
    text = render_plan(plan)

    refused, lost, cost = (text.index(w) for w in ("Can't be moved:", "Warnings:", "Estimate:"))
    assert refused < text.index("public.bad.x: the type pg_node_tree") < lost < cost
    assert f"rows written  {plan.estimate.rows_written:,}, index entries included" in text
    assert "cost          free plan: nothing, of a day's 100,000 rows\n" in text
    assert "paid plan: nothing while the month's 50 million rows last, else up to $0.01\n" in text
    assert "of what the paid plan holds" in text


def test_what_a_table_loses_stands_below_it_with_the_rows_concerned(plan: Plan):
    counted = Finding(
        Severity.WARNING, "shop.parent.name", "loses something", "An option", rows=1_234
    )

    text = render_plan(replace(plan, findings=(*plan.findings, counted)))

    parent, child = text.index("1. shop.parent"), text.index("2. public.child")
    lost = text.index("   - name: loses something (1,234 rows)\n     An option")
    assert parent < text.index("   indexes: shop__parent_by_name") < lost < child


def test_names_neither_move_a_cursor_nor_break_a_line():
    odd = shown(
        identified("a\nb", column("c\x1b[2J\nd"), indexes=[index("i\x9b", "c\x1b[2J\nd")]),
        identified("\x1b[31m", column("up", INT4), keys=[refers("fk", "up", "\x1b[31m")]),
        table("loose\n", column("a")),
        identified("bad\r", column("x\x07", base("pg_node_tree"))),
    )

    text = render_plan(odd)

    assert [c for c in text if not (c.isprintable() or c == "\n")] == []
    assert "public.\\x1b[31m: about" in text
    assert "public.a\\nb: about" in text
    assert "   c\\x1b[2J\\nd  text     TEXT\n" in text
    assert "public.bad\\r.x\\x07: the type pg_node_tree" in text


def test_losses_of_one_kind_are_summed_up_before_the_cost(plan: Plan):
    lost = [Finding(Severity.WARNING, f"shop.parent.{n}", f"{n} is lost") for n in "abcd"]

    text = render_plan(replace(plan, findings=(*plan.findings, *lost)))

    line = "  4 objects (shop.parent.a, shop.parent.b, shop.parent.c and 1 more): … is lost\n"
    assert text.index("in short:") < text.index(line) < text.index("Estimate:")
    assert "in short:" not in render_plan(replace(plan, findings=()))


def test_a_table_whose_name_begins_like_another_s_keeps_its_own_findings():
    plan = plan_of(identified("a.b"), identified("a.b.c"), identified("other"))
    names = ["a.b.one", "a.b.c.two", "public.other.x.y", "size"]
    findings = [Finding(Severity.WARNING, name, "is lost") for name in names]

    said = by_table(replace(plan, findings=tuple(findings)))

    assert {table: [f.object for f in found] for table, found in said.items()} == {
        "": ["size"],
        "a.b": ["a.b.one"],
        "a.b.c": ["a.b.c.two"],
        "public.other": ["public.other.x.y"],
    }


def test_views_are_listed_after_the_tables(plan: Plan):
    view = ViewPlan(
        QualifiedName("shop", "v"), "shop__v", 'CREATE VIEW "shop__v" ("a") AS SELECT 1'
    )

    made = replace(plan, views=(view,))

    assert "Views:\n  shop.v → shop__v\n" in render_plan(made)
    assert plan_json(made)["views"] == [
        {"name": "shop.v", "target_name": "shop__v", "sql": view.create_sql}
    ]
    assert schema_script(made).index("CREATE VIEW") > schema_script(made).rindex("CREATE INDEX")


def test_a_plan_without_tables_says_so():
    assert "No table would be moved." in render_plan(shown())


def test_the_json_has_the_documented_shape(plan: Plan):
    document = orjson.loads(orjson.dumps(plan_json(plan)))

    assert set(document) == {
        *("format_version", "tables", "views", "refusals", "warnings", "estimate"),
    }
    assert set(document["estimate"]) == {
        *("requests", "seconds", "rows_written", "cost_usd", "size_bytes"),
        *("least_seconds", "timed_by"),
    }
    parent = document["tables"][0]
    assert (parent["name"], parent["target_name"]) == ("shop.parent", "shop__parent")
    assert parent["columns"][0]["storage"] == "INTEGER"
    assert parent["key"] == {"kind": "primary key", "columns": ["id"]}
    assert document["refusals"][0]["object"] == "public.bad.x"


def test_the_schema_is_sql_that_runs_as_it_stands_comments_included(plan: Plan):
    database = apsw.Connection(":memory:")

    database.execute(schema_script(plan))

    made = {row[0] for row in database.execute("SELECT name FROM sqlite_master")}
    assert {"shop__parent", "child", "shop__parent_by_name"} <= made


def test_the_schema_comments_on_what_is_left_out(plan: Plan):
    text = schema_script(plan)

    assert text.startswith("-- Can't be moved:\n-- public.bad.x: the type pg_node_tree")
    assert "odd('two\n-- lines')" in text
    assert text.index("CREATE INDEX") > text.rindex("CREATE TABLE")


def test_the_schema_s_json_names_every_statement(plan: Plan):
    document = orjson.loads(orjson.dumps(schema_json(plan)))

    assert [t["name"] for t in document["tables"]] == [t.target for t in plan.tables]
    assert {i["table"] for i in document["indexes"]} == {"shop__parent", "ring"}
    assert [f["object"] for f in document["left_out"] if f["refused"]] == ["public.bad.x"]


def test_the_exit_code_is_what_a_run_would_end_with(plan: Plan):
    skipping = Config(run=RunSettings(skip_refused=True))

    assert exit_code(plan_of(identified("t")), Config()) is ExitCode.DONE
    assert exit_code(plan, Config()) is ExitCode.USAGE
    assert exit_code(plan, skipping) is ExitCode.INCOMPLETE
