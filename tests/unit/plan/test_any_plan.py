"""What holds for every plan, whatever the tables."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from streamer.model import Loading, QualifiedName, Table
from streamer.translate.names import fold, quote
from tests.engines.catalogs import plan_of
from tests.unit.plan.ddl import create, tables


@given(tables())
def test_sqlite_accepts_the_ddl_of_any_plan(made: list[Table]):
    plan = plan_of(*made)

    database = create(plan)

    # A foreign key whose parent isn't unique would fail here, as "foreign key mismatch".
    for planned in plan.tables:
        database.execute(f"DELETE FROM {quote(planned.target)}")
        listed = database.execute(f"PRAGMA table_xinfo({quote(planned.target)})").fetchall()
        stored = [(row[1], row[2]) for row in listed if not row[1].startswith("_streamer_")]
        assert stored == [(c.target, c.storage) for c in planned.columns]
    assert list(database.execute("PRAGMA foreign_key_check")) == []


@given(tables())
def test_every_table_is_planned_or_refused_and_no_two_share_a_name(made: list[Table]):
    plan = plan_of(*made)

    planned = {t.name for t in plan.tables}
    refused = {t.name for t in made} - planned
    assert all(any(f.object.startswith(str(name)) for f in plan.refusals) for name in refused)
    names = [t.target for t in plan.tables] + [i.name for t in plan.tables for i in t.indexes]
    assert len({fold(name) for name in names}) == len(names)


@given(tables())
def test_parents_come_before_children_in_any_plan(made: list[Table]):
    seen: set[QualifiedName] = set()
    cycles: dict[int, set[QualifiedName]] = {}
    plan = plan_of(*made)
    for planned in plan.tables:
        cycles.setdefault(planned.cycle, set()).add(planned.name)

    for planned in plan.tables:
        assert set(planned.parents) <= seen
        assert planned.name not in planned.parents
        assert bool(planned.deferred) == (planned.loading is Loading.TWO_PASS)
        assert bool(planned.stage) == (planned.loading is Loading.STAGED) == (planned.cycle >= 0)
        seen.add(planned.name)


@given(tables(), st.data())
def test_statistics_never_change_how_a_table_gets_in(made: list[Table], data: st.DataObject):
    later = [replace(t, rows=data.draw(st.sampled_from([-1, 0, 7, 10**6]))) for t in made]

    plans = plan_of(*made), plan_of(*later)

    before, after = (
        [(t.name, t.loading, t.deferred, t.cycle, t.parents, t.fingerprint) for t in plan.tables]
        for plan in plans
    )
    assert before == after
