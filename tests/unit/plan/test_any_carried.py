"""Whatever stands beside the columns of whatever tables: it is in the DDL, or it is named."""

from collections.abc import Iterator
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.model import Check, Index, Plan, Shaping, Table, TablePlan
from streamer.plan import PlanOptions
from streamer.run.trial import failing
from streamer.translate.names import quote
from tests.engines.catalogs import index, plan_of
from tests.unit.plan.ddl import create, tables

DEFAULTS = st.sampled_from(
    [None, None, "42", "'it''s'::text", "now()", "odd()", "NULL::text", "'{}'::jsonb", "true"]
)
CONDITIONS = ["({c} IS NOT NULL)", "({c} > 0)", "(odd({c}))", "(length({c}) < 9)", "({c} = {c})"]
KEYS = ["lower({c})", "COALESCE({c}, 0)", "odd({c})", "({c} + 1)"]
SHAPINGS = st.builds(
    Shaping,
    strict=st.booleans(),
    comments=st.booleans(),
    autoincrement=st.booleans(),
    without_rowid=st.sampled_from(["auto", "always", "never"]),
    checks=st.sampled_from(["auto", "auto", "none"]),
    defaults=st.sampled_from(["auto", "auto", "none"]),
)
COMMENTS = st.sampled_from(["", "plain", "two\nlines", "*/ -- '\""])


@st.composite
def adorned(draw: st.DrawFn) -> list[Table]:
    """Tables with defaults, generated columns, CHECKs, comments, partial and expression indexes."""
    return [adorn(draw, plain) for plain in draw(tables())]


def adorn(draw: st.DrawFn, plain: Table) -> Table:
    if not plain.columns:
        return plain
    columns = [
        replace(column, default=draw(DEFAULTS), comment=draw(COMMENTS)) for column in plain.columns
    ]
    *others, last_name = (column.name for column in columns)
    names = st.sampled_from([*others, last_name])

    def over(forms: list[str]) -> str:
        return draw(st.sampled_from(forms)).replace("{c}", quote(draw(names)))

    if len(columns) > 1 and draw(st.booleans()):
        # PostgreSQL refuses a generated column that is computed from itself.
        form = draw(st.sampled_from(KEYS)).replace("{c}", quote(draw(st.sampled_from(others))))
        last = replace(columns[-1], generated=draw(st.sampled_from("sv")), default=form)
        columns[-1] = last
    checks = [
        Check(f"k{n}", f"CHECK ({over(CONDITIONS)})", validated=draw(st.booleans()))
        for n in range(draw(st.integers(0, 2)))
    ]
    more: list[Index] = []
    if draw(st.booleans()):
        unique = draw(st.booleans())
        more.append(index("part", draw(names), predicate=over(CONDITIONS), unique=unique))
    if draw(st.booleans()):
        more.append(index("expr", None, draw(names), expressions=(over(KEYS), None)))
    return replace(
        plain,
        columns=tuple(columns),
        checks=tuple(checks),
        indexes=(*plain.indexes, *more),
        comment=draw(COMMENTS),
    )


def things(plan: TablePlan) -> Iterator[tuple[str, bool]]:
    """What a table has beside its columns, as findings name it, and whether the DDL has it."""
    table = plan.table
    targets = {column.source for column in plan.columns}
    defaults = {c.object for c in plan.clauses if c.sql.startswith("DEFAULT ")}
    for column in table.columns:
        where = f"{table.name}.{column.name}"
        if column.generated:
            yield where, column.name in plan.generated and column.name not in targets
        elif column.default and not column.default.startswith("NULL::"):
            yield where, where in defaults
    for check in table.checks:
        yield f"{table.name}.{check.name}", f'CONSTRAINT "{check.name}"' in plan.create_sql
    indexes = {made.object for made in plan.indexes}
    for one in table.indexes:
        if not one.primary:
            where = f"{table.name}.{one.name}"
            yield where, where in indexes


def planned(made: list[Table], shaping: Shaping) -> Plan:
    return plan_of(*made, options=PlanOptions(shaping=shaping))


@settings(max_examples=60)
@given(adorned(), SHAPINGS)
def test_all_of_it_is_in_the_ddl_or_named(made: list[Table], shaping: Shaping):
    plan = planned(made, shaping)

    named = {finding.object for finding in plan.findings}
    for table in plan.tables:
        lost = [name for name, there in things(table) if not there]
        assert [name for name in lost if name not in named] == []


@settings(max_examples=60)
@given(adorned(), SHAPINGS)
def test_d1_takes_all_that_is_in_the_ddl(made: list[Table], shaping: Shaping):
    plan = planned(made, shaping)

    database = create(plan)

    assert failing(plan) == frozenset()
    for table in plan.tables:
        name = quote(table.target)
        database.execute(f"DELETE FROM {name}")  # finds foreign keys to what isn't unique
        listed = database.execute(f"PRAGMA table_xinfo({name})").fetchall()
        stored = [row[1] for row in listed if not row[6] and not row[1].startswith("_streamer_")]
        computed = [row[1] for row in listed if row[6]]
        assert stored == [column.target for column in table.columns]
        assert computed == list(table.generated)
