"""A lost checkpoint made anew: each table goes on from what the ledger proves, or from its start."""

from __future__ import annotations

from dataclasses import replace

import pytest

from checkpoints import RunRecord
from streamer.errors import UsageError
from streamer.model import Plan, Reject, StepKind, TablePlan
from streamer.pack import Reach
from streamer.run import steps
from streamer.run.facts import ledger_facts, parsed
from streamer.run.identity import table_facts
from streamer.run.journal import Journal
from streamer.run.lost import Lost
from streamer.run.rebuild import (
    Progress,
    judged,
    refuse_others,
    renewed,
    start_of,
    untold,
)
from streamer.run.rejected import Rejected
from streamer.run.schema import create
from streamer.run.states import RunState, Start
from streamer.run.survey import survey
from tests.engines.catalogs import INT4, TEXT, column, identified, index, plan_of, refers, table
from tests.engines.sqlite_database import SqliteDatabase
from tests.fakes.memory_checkpoint import MemoryCheckpoint, Place

SHOP = identified("shop", column("name", TEXT), indexes=[index("shop_name", "name")])
LOOP = identified("loop", column("up", INT4), keys=[refers("f", "up", "loop")])
HEN = identified("hen", column("egg", INT4, not_null=True), keys=[refers("f", "egg", "egg")])
EGG = identified("egg", column("hen", INT4, not_null=True), keys=[refers("f", "hen", "hen")])
LOG = table("log", column("line", TEXT))
PLAN = plan_of(SHOP, LOOP, HEN, EGG, LOG)
LINES = [
    Rejected("public.shop", StepKind.ROWS, Reject(f"line {n}", (n,), "why")) for n in ("3", "5")
]
UPTO_9 = {StepKind.ROWS: Reach(("9",), 90, 4, rejected=2)}


def called(name: str, plan: Plan = PLAN) -> TablePlan:
    return next(t for t in plan.tables if t.target == name)


async def journal_of(start: Start, rejected: list[Rejected] | None = None) -> Journal:
    journal = Journal(await MemoryCheckpoint.open(Place()), None)
    run = RunRecord("run", RunState.RUNNING, 1, {"bookmark": "mark", "tally": {}})
    await journal.begin(run, steps.named(PLAN.tables), start, rejected or [])
    return journal


def found(name: str, **facts: bool) -> dict[str, object]:
    return {**table_facts(called(name)), "found": "absent", "emptied": False, **facts}


async def lost(*begun: str, emptied: tuple[str, ...] = (), **facts: dict[str, bool]) -> Lost:
    """The run over all tables as its own facts tell of it."""
    start = Start(
        {steps.rows_step(t): found(t.target, **facts.get(t.target, {})) for t in PLAN.tables},  # type: ignore[misc] - facts of any
        frozenset(),
    )
    texts = ledger_facts(await journal_of(start), PLAN.tables)
    tables = {str(parsed(text)["name"]): parsed(text) for at, text in texts.items() if at}
    return Lost(
        run_id="run",
        facts=parsed(texts[""]),
        tables=tables,
        targets={f"public.{at}": at for at in texts if at},
        emptied=frozenset(emptied),
        begun=frozenset(begun),
        since=1,
        newest=1,
        indexes=frozenset({"shop_name"}),
    )


async def test_facts_are_those_of_the_tables_before_the_first_write_and_no_figures() -> None:
    one = await lost(shop={"emptied": True})

    assert one.facts == {"bookmark": "mark", "views": {}}
    assert one.tables["public.shop"]["emptied"] is True
    assert one.tables["public.shop"]["fingerprint"] == called("shop").fingerprint
    assert "columns" not in one.tables["public.shop"]


def test_only_tables_with_keys_that_are_told_are_known_by_their_ledger() -> None:
    told = {t.target for t in PLAN.tables if not untold(t)}

    assert told == {"shop", "loop"}
    assert "hidden" in untold(replace(called("shop"), hides_key=True))


def test_a_table_goes_on_unless_fewer_rows_are_there_than_its_ledger_claims() -> None:
    shop = called("shop")

    assert judged(shop, UPTO_9, 95, LINES, begun=True).reached == UPTO_9
    assert judged(shop, UPTO_9, None, LINES, begun=True).reached == UPTO_9
    assert judged(shop, UPTO_9, 90, LINES, begun=True).reason == ""
    assert "1 row can't be found" in judged(shop, UPTO_9, 95, LINES[:1], begun=True).reason
    assert "D1 holds 89 of the 90 rows" in judged(shop, UPTO_9, 89, [], begun=True).reason
    assert judged(called("log"), None, 5, [], begun=True).reason
    assert judged(called("log"), None, 0, [], begun=False).reason == ""


async def test_what_the_ledger_proves_is_where_the_run_goes_on() -> None:
    run = await lost("shop")
    database = SqliteDatabase()
    await create(database, [called("shop")])
    progress = [judged(t, None, 0, [], begun=False) for t in PLAN.tables if t.target != "shop"]
    progress += [judged(called("shop"), UPTO_9, 95, LINES, begun=True)]

    journal = await journal_of(start_of(progress, await survey(database), run), LINES)

    shop, loop = called("shop"), called("loop")
    at = journal.position(steps.rows_step(shop))
    assert (at.last, at.rows, at.next_number, at.rejected) == (("9",), 90, 4, 2)
    assert (at.done, at.last_gone, at.first) == (False, True, None)
    assert journal.parents_sent(steps.rows_step(shop)) == 5
    assert journal.rejected == LINES
    assert journal.is_done(steps.schema_step(shop))
    assert journal.is_done(steps.index_step(shop, shop.indexes[0]))
    assert not journal.is_done(steps.schema_step(loop))
    assert journal.position(steps.rows_step(loop)).last is None
    assert not journal.may_hold_older(steps.rows_step(loop))


async def test_a_table_that_starts_over_may_hold_what_is_there() -> None:
    run = await lost("shop", "log", "loop")
    progress = [
        judged(called("shop"), UPTO_9, 80, [], begun=True),
        judged(called("log"), None, 7, [], begun=True),
        judged(
            called("loop"),
            {StepKind.ROWS: Reach(None, 0, 3), StepKind.EDGES: Reach(None, 0, 0)},
            6,
            [],
            begun=True,
        ),
    ]

    journal = await journal_of(start_of(progress, await survey(SqliteDatabase()), run))

    rows = {name: steps.rows_step(called(name)) for name in ("shop", "log", "loop")}
    assert {name: journal.position(step).last for name, step in rows.items()} == dict.fromkeys(rows)
    assert {name: journal.parents_sent(step) for name, step in rows.items()} == {
        "shop": 80,
        "log": 0,  # it is emptied first
        "loop": 6,
    }
    assert journal.may_hold_older(rows["shop"])


@pytest.mark.parametrize("emptied", [(), ("shop",)])
async def test_a_table_is_emptied_again_unless_the_ledger_knows_that_it_was(
    emptied: tuple[str, ...],
) -> None:
    run = await lost("shop", emptied=emptied, shop={"emptied": True})
    database = SqliteDatabase()
    await create(database, [called("shop"), called("log")])
    progress = [
        judged(called("shop"), None, 0, [], begun=True),
        judged(called("log"), None, 0, [], begun=False),
    ]

    start = start_of(progress, await survey(database), run)

    assert (steps.empty_step(called("shop")) in start.done) == bool(emptied)
    assert (steps.schema_step(called("shop")) in start.done) == bool(emptied)
    assert steps.empty_step(called("log")) in start.done


async def test_a_plan_that_is_not_the_runs_is_refused_before_anything_is_written() -> None:
    run = await lost()
    shop = called("shop")
    others = [t for t in PLAN.tables if t is not shop]

    refuse_others(PLAN.tables, run)
    with pytest.raises(UsageError, match=r"public\.shop: not selected"):
        refuse_others(others, run)
    with pytest.raises(UsageError, match=r"public\.shop: not what the run"):
        refuse_others([*others, replace(shop, fingerprint="other")], run)
    loop = replace(called("loop"), deferred=())
    with pytest.raises(UsageError, match=r"public\.loop: not what"):
        refuse_others([loop if t.target == "loop" else t for t in PLAN.tables], run)


NODES = table(
    "nodes",
    column("id", INT4),
    column("line", TEXT),
    indexes=[index("nodes_id", "id", unique=True)],
)
LEAVES = identified("leaves", column("node", INT4), keys=[refers("of", "node", "nodes")])
TWIGS = identified("twigs", column("leaf", INT4), keys=[refers("of", "leaf", "leaves")])
TREE = plan_of(NODES, LEAVES, TWIGS, LOG)


def tree(*rows: tuple[str, int]) -> list[Progress]:
    """The tables of the tree with so many rows in the target."""
    counts = dict(rows)
    return [Progress(t, rows=counts.get(t.target, 0), reason=untold(t)) for t in TREE.tables]


async def of_tree(**held: str) -> Lost:
    facts = {
        f"public.{t.target}": {"found": held.get(t.target, "absent"), "emptied": False}
        for t in TREE.tables
    }
    return replace(await lost(), tables=facts)


async def test_rows_that_refer_to_rows_without_a_key_are_moved_again_with_them() -> None:
    run = await of_tree()

    assert renewed(tree(("nodes", 3), ("leaves", 2), ("twigs", 1), ("log", 9)), run) == {
        "nodes",
        "leaves",
        "twigs",
    }
    assert renewed(tree(("nodes", 3), ("log", 9)), run) == frozenset()
    assert renewed(tree(("leaves", 3)), run) == frozenset()


async def test_rows_of_others_are_not_emptied_with_them() -> None:
    run = await of_tree(twigs="rows")

    with pytest.raises(UsageError, match=r"public\.nodes has no key, and others refer"):
        renewed(tree(("nodes", 3), ("leaves", 2), ("twigs", 1)), run)


async def test_a_cycle_that_is_published_is_emptied_and_published_again() -> None:
    run = await lost("hen", "egg")
    waiting = [Progress(called(name), rows=0, reason="cycle") for name in ("hen", "egg")]
    published = [Progress(called(name), rows=5, reason="cycle") for name in ("hen", "egg")]

    assert renewed(waiting, run) == frozenset()
    assert renewed(published, run) == {"hen", "egg"}
    start = start_of(published, await survey(SqliteDatabase()), run, frozenset({"hen", "egg"}))
    assert steps.empty_step(called("hen")) not in start.done
