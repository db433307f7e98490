"""Tables of any shape, and a plan's tables made in a real SQLite."""

from dataclasses import replace

import apsw
from hypothesis import strategies as st

from streamer import limits
from streamer.model import Plan, Table
from tests.engines.catalogs import (
    BOOL,
    BYTEA,
    CITEXT,
    FLOAT8,
    INT4,
    INT8,
    JSONB,
    NUMERIC,
    TEXT,
    array,
    column,
    index,
    numeric,
    primary,
    refers,
    table,
)

NAMES = st.sampled_from(
    ["id", "ID", "a", "order", 'q"q', "x.y", "é", "É", "group", "rowid", "_rowid_", "oid", "?1"]
)
TYPES = st.sampled_from(
    [INT4, INT8, TEXT, BOOL, BYTEA, JSONB, FLOAT8, NUMERIC, CITEXT, numeric(10, 2), array(INT4)]
)


def limited() -> apsw.Connection:
    """SQLite with the limits of D1 that DDL can meet, foreign keys on."""
    database = apsw.Connection(":memory:")
    database.limit(apsw.SQLITE_LIMIT_COLUMN, limits.COLUMNS)
    database.limit(apsw.SQLITE_LIMIT_SQL_LENGTH, limits.STATEMENT_BYTES)
    database.config(apsw.SQLITE_DBCONFIG_DQS_DDL, 0)
    database.execute("PRAGMA foreign_keys = on")
    return database


def create(plan: Plan) -> apsw.Connection:
    database = limited()
    for planned in plan.tables:
        database.execute(planned.create_sql)
        if planned.stage_sql:
            database.execute(planned.stage_sql)
    for planned in plan.tables:
        for planned_index in planned.indexes:
            database.execute(planned_index.sql)
    return database


@st.composite
def tables(draw: st.DrawFn) -> list[Table]:
    names = draw(
        st.lists(
            st.sampled_from(["t", "T", "u", "s.t", "s.u", "S.t", "v w", "_cf_x", "s__t"]),
            min_size=1,
            max_size=6,
            unique=True,
        )
    )
    made: list[Table] = []
    for name in names:
        columns = [
            column(column_name, draw(TYPES), not_null=draw(st.booleans()))
            for column_name in draw(st.lists(NAMES, max_size=5, unique=True))
        ]
        indexes = [
            index(
                f"i{number}",
                *draw(
                    st.lists(st.sampled_from([c.name for c in columns]), min_size=1, unique=True)
                ),
                unique=draw(st.booleans()),
            )
            for number in range(draw(st.integers(0, 3)) if columns else 0)
        ]
        if columns and draw(st.booleans()):
            key = draw(
                st.lists(st.sampled_from([c.name for c in columns]), min_size=1, unique=True)
            )
            indexes.append(primary(*key, immediate=draw(st.booleans())))
        made.append(
            replace(
                table(name, rows=draw(st.sampled_from([-1, 0, 10_000]))),
                columns=tuple(columns),
                indexes=tuple(indexes),
            )
        )
    linked: list[Table] = []
    for child in made:
        keys = []
        for number, parent in enumerate(made):
            uniques = [i.columns for i in parent.indexes if i.unique]
            if not uniques or not draw(st.booleans()):
                continue
            to = draw(st.sampled_from(uniques))
            found = [c.name for c in child.columns if c.type is parent.column(str(to[0])).type]
            if len(to) == 1 and found:
                keys.append(refers(f"fk{number}", found[0], str(parent.name), to))
        linked.append(replace(child, foreign_keys=tuple(keys)))
    return linked
