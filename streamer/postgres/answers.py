"""The answers of queries that always give one row, and of those that look at whole tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamer.errors import SourceError
from streamer.postgres.connect import Session

if TYPE_CHECKING:
    import asyncpg

WHOLE_TABLE_S = 3_600.0
"""How long a query may take that looks at all rows of a table. To asyncpg 0.32 None means as long as for
any statement of its connection (protocol.pyx, `_get_timeout_impl`): too short for large tables."""


async def only_row(session: Session, sql: str, *arguments: object) -> asyncpg.Record:
    """The row that `sql` always gives.

    It is waited for as long as for any statement (connect.COMMAND_TIMEOUT_S).

    Raises:
        SourceError: there is none.
        Any of failures.FOREIGN.

    """
    row = await session.fetchrow(sql, *arguments)
    if row is None:
        raise _no_row()
    return row


async def counted(
    session: Session, sql: str, *arguments: object, timeout_s: float = WHOLE_TABLE_S
) -> asyncpg.Record:
    """As `only_row`, of a query that looks at whole tables; it is waited for `timeout_s`."""
    # Not fetchrow: what is asked for one row only gets no parallel workers ("a fetch count", in
    # postgresql.org/docs/18/when-can-parallel-query-be-used.html, 2026-11-29).
    rows = await session.fetch(sql, *arguments, timeout=timeout_s)
    if not rows:
        raise _no_row()
    return rows[0]


def _no_row() -> SourceError:
    return SourceError(
        "PostgreSQL gave no row where a query always has one.",
        hint="Look at what stands between (a pooler, a proxy): it changes the answers.",
    )


async def rows_of(session: Session, sql: str, *arguments: object) -> list[asyncpg.Record]:
    """The rows of a query that looks at whole tables."""
    return await session.fetch(sql, *arguments, timeout=WHOLE_TABLE_S)
