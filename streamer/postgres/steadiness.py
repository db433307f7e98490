"""Whether the user's own SQL says the same of a row whenever it is asked."""

from __future__ import annotations

import re

from streamer.model import Table
from streamer.plan.source_sql import from_sql
from streamer.postgres.connect import Session

_PROBE = "streamer_probe"
# What tells the time or the session, though it is the same all through a transaction: chapters 9.9
# and 9.27 of PostgreSQL's documentation, 2026-11-22. age() of one argument counts from today.
_MOMENTARY = r"""(?xi)
    (?<![\w$".]) (?:
        (?: now | transaction_timestamp | statement_timestamp | pg_current_xact_id | txid_current
          | pg_current_snapshot | txid_current_snapshot | current_setting | pg_backend_pid
          | pg_postmaster_start_time | pg_conf_load_time | inet_client_addr | inet_client_port
          | age (?= \s*\( (?: [^,()] | \( [^()]* \) )* \) ) ) (?= \s*\( )
      | (?: current_date | current_time | current_timestamp | localtime | localtimestamp
          | current_user | session_user | current_role ) (?! [\w$] ) )
      | ' \s* (?: now | today | tomorrow | yesterday ) \s* '"""


def is_momentary(sql: str) -> bool:
    """Whether `sql` speaks of the time or the session, as far as its words tell."""
    return re.search(_MOMENTARY, sql.replace("pg_catalog.", "")) is not None


async def is_volatile(session: Session, table: Table, sql: str) -> bool:
    """Whether `sql`, over the columns of `t`, may give another value for the same row each time.

    PostgreSQL's planner doesn't merge a subquery into the query around it where such a function is
    among its outputs (is_simple_subquery() in src/backend/optimizer/prep/prepjointree.c); so it
    tells, of functions, operators and casts of whatever kind. Nothing is executed. Of a table that the
    role may not read it can't be told, and needn't: the table is refused.
    """
    if not table.readable:
        return False
    inner = f"SELECT ({sql}) AS c0 FROM {from_sql(table)}"
    # Twice, because a subquery that does nothing is left out of the plan.
    query = f"SELECT {_PROBE}.c0 AS a, {_PROBE}.c0 AS b FROM ({inner}) AS {_PROBE}"
    row = await session.fetchrow(f"EXPLAIN (FORMAT JSON, COSTS OFF) {query}")
    # Within strings of the plan quotes are escaped, so only the probe itself is called so.
    return row is not None and f'"Alias": "{_PROBE}"' in str(row[0])
