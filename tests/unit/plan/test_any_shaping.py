"""What holds for every plan, whatever is asked of its tables and columns."""

from hypothesis import assume, given
from hypothesis import strategies as st

from streamer.errors import UsageError
from streamer.model import (
    Column,
    ColumnOptions,
    KeyKind,
    PgType,
    Plan,
    Secret,
    Shaping,
    Table,
    TableOptions,
)
from streamer.plan import PlanOptions
from streamer.translate.keys import primary_index
from streamer.translate.names import fold, quote
from tests.engines.catalogs import INT4, TEXT, plan_of
from tests.unit.plan.ddl import create, tables

NAMES = st.sampled_from(["", "", "", "x", "X", "rowid", "é", 'new "name"', "select"])


@st.composite
def wishes(draw: st.DrawFn) -> tuple[list[Table], Shaping, dict[str, PgType]]:
    """Tables, what is asked of them, and the type that every expression has."""
    made = draw(tables())
    asked = {str(table.name): draw(of_table(table)) for table in made}
    shaping = Shaping(tables=asked, hash_key=Secret("0123456789abcdef"))
    return made, shaping, {"1": INT4, "'a'": TEXT}


@st.composite
def of_table(draw: st.DrawFn, table: Table) -> TableOptions:
    index = primary_index(table)
    keys = index.columns if index else ()
    free = [column for column in table.columns if column.name not in keys]
    gone = draw(st.lists(st.sampled_from([c.name for c in free]), max_size=2)) if free else []
    return TableOptions(
        rename=draw(NAMES),
        exclude_columns=tuple(gone),
        column={
            column.name: draw(of_column(column, key=column.name in keys))
            for column in table.columns
            if draw(st.booleans())
        },
    )


@st.composite
def of_column(draw: st.DrawFn, column: Column, *, key: bool) -> ColumnOptions:
    made = draw(st.sampled_from(["", "hash"] if key else ["", "", "hash", "null", "1", "'a'"]))
    if made == "hash" or (made == "null" and not column.not_null):
        return ColumnOptions(rename=draw(NAMES), mask=made)
    return ColumnOptions(rename=draw(NAMES), expression=made if made in {"1", "'a'"} else "")


def plan(made: list[Table], shaping: Shaping, types: dict[str, PgType]) -> Plan:
    expressions = {
        (table.name, name): types[column.expression]
        for table in made
        for name, column in shaping.tables[str(table.name)].column.items()
        if column.expression
    }
    options = PlanOptions(shaping=shaping, expression_types=expressions)
    try:
        return plan_of(*made, options=options)
    except UsageError as error:
        assume("no column is left" not in error.what)
        raise


@given(wishes())
def test_sqlite_accepts_the_ddl_of_whatever_is_asked_for(
    wanted: tuple[list[Table], Shaping, dict[str, PgType]],
):
    made, shaping, types = wanted
    planned = plan(made, shaping, types)

    database = create(planned)

    for table in planned.tables:
        database.execute(f"DELETE FROM {quote(table.target)}")
        listed = database.execute(f"PRAGMA table_xinfo({quote(table.target)})").fetchall()
        stored = [row[1] for row in listed if not row[1].startswith("_streamer_")]
        assert stored == [column.target for column in table.columns]
        asked = shaping.tables[str(table.name)]
        assert not {column.source for column in table.columns} & set(asked.exclude_columns)
    assert list(database.execute("PRAGMA foreign_key_check")) == []


@given(wishes())
def test_made_values_never_tell_rows_apart_unless_they_are_hashed(
    wanted: tuple[list[Table], Shaping, dict[str, PgType]],
):
    made, shaping, types = wanted
    planned = plan(made, shaping, types)

    for table in planned.tables:
        columns = shaping.tables[str(table.name)].column
        masks = {name: columns.get(name, ColumnOptions()).mask for name in table.key.columns}
        assert all(mask in {None, "hash"} for mask in masks.values())
        assert not any(columns.get(n, ColumnOptions()).expression for n in table.key.columns)
        assert table.hides_key == ("hash" in masks.values())
        assert table.key.kind is not KeyKind.PHYSICAL or not table.hides_key


@given(wishes())
def test_a_plan_s_names_are_never_shared_whatever_is_asked_for(
    wanted: tuple[list[Table], Shaping, dict[str, PgType]],
):
    made, shaping, types = wanted
    planned = plan(made, shaping, types)

    names = [t.target for t in planned.tables]
    names += [i.name for t in planned.tables for i in t.indexes]
    assert len({fold(name) for name in names}) == len(names)
    for table in planned.tables:
        assert table.target == (shaping.tables[str(table.name)].rename or table.target)
