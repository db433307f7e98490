import apsw
import orjson
import pytest

from streamer.cli.plan import plan_json, render_plan
from streamer.cli.schema import render_schema, schema_json
from streamer.cli.source import exit_code
from streamer.config import Config, RunSettings
from streamer.errors import ExitCode
from streamer.model import Plan
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


@pytest.fixture
def plan() -> Plan:
    return plan_of(
        identified("child", column("ref", INT8), keys=[refers("fk", "ref", "shop.parent")]),
        identified("shop.parent", column("name"), indexes=[index("by_name", "name")], rows=1_234),
        identified("tree", column("up", INT4), keys=[refers("fk", "up", "tree")]),
        identified(
            "ring", column("next", INT4, not_null=True), keys=[refers("fk", "next", "ring")]
        ),
        table("loose", column("a")),
        identified("bad", column("x", base("pg_node_tree"))),
        identified("worse", column("x", default="E'two\nlines'::text")),
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
    assert refused < text.index("public.bad.x: the type pg_node_tree can't be moved") < lost < cost
    assert f"rows written  {plan.estimate.rows_written:,}, $0.00" in text
    assert "of D1's 10.0 GB" in text


def test_a_plan_without_tables_says_so():
    assert "No table would be moved." in render_plan(plan_of())


def test_the_json_has_the_documented_shape(plan: Plan):
    document = orjson.loads(orjson.dumps(plan_json(plan)))

    assert set(document) == {"format_version", "tables", "refusals", "warnings", "estimate"}
    assert set(document["estimate"]) == {
        *("requests", "seconds", "rows_written", "cost_usd", "size_bytes"),
    }
    parent = document["tables"][0]
    assert (parent["name"], parent["target_name"]) == ("shop.parent", "shop__parent")
    assert parent["columns"][0]["storage"] == "INTEGER"
    assert parent["key"] == {"kind": "primary key", "columns": ["id"]}
    assert document["refusals"][0]["object"] == "public.bad.x"


def test_the_schema_is_sql_that_runs_as_it_stands_comments_included(plan: Plan):
    database = apsw.Connection(":memory:")

    database.execute(render_schema(plan))

    made = {row[0] for row in database.execute("SELECT name FROM sqlite_master")}
    assert {"shop__parent", "child", "shop__parent_by_name"} <= made


def test_the_schema_comments_on_what_is_left_out(plan: Plan):
    text = render_schema(plan)

    assert "-- public.bad.x: the type pg_node_tree can't be moved" in text
    assert "E'two\n-- lines'" in text
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
