"""Tables that refer to each other at random, and rows for them that do the same."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st

from streamer.model import Plan
from streamer.model.sql import quote_identifier
from tests.engines.catalogs import INT4, column, identified, plan_of, refers
from tests.engines.limited_sqlite import LimitedSqlite

TABLES = 7
Reference = tuple[int, int, bool]
"""Child, parent, and whether the column is NOT NULL."""

references = st.lists(
    st.tuples(st.integers(0, TABLES - 1), st.integers(0, TABLES - 1), st.booleans()),
    max_size=2 * TABLES,
    unique=True,
)


def planned(references: Sequence[Reference]) -> Plan:
    """The plan of seven tables, t0 to t6, with these foreign keys."""
    tables = []
    for number in range(TABLES):
        mine = [(n, one) for n, one in enumerate(references) if one[0] == number]
        tables.append(
            identified(
                f"t{number}",
                *[column(f"c{n}", INT4, not_null=hard) for n, (_, _, hard) in mine],
                keys=[refers(f"f{n}", f"c{n}", f"t{parent}") for n, (_, parent, _) in mine],
            )
        )
    return plan_of(*tables)


def fill(database: LimitedSqlite, plan: Plan, rows: int) -> None:
    """Give every table `rows` rows; each refers to the next one, the last to the first."""
    with database.connection:
        database.connection.execute("PRAGMA defer_foreign_keys=on")
        for table in plan.tables:
            names = ",".join(quote_identifier(c.target) for c in table.columns)
            cells = ",".join("?1" if c.target == "id" else "?1 % ?2 + 1" for c in table.columns)
            sql = f"INSERT INTO {quote_identifier(table.target)}({names}) SELECT {cells} WHERE ?2"
            for number in range(1, rows + 1):
                database.connection.execute(sql, (number, rows))
