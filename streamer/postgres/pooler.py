"""Finds out whether a pooler is in between, and whether it changes servers between transactions."""

from __future__ import annotations

from streamer.postgres.connect import Connector, Session
from streamer.postgres.sessions import goodbye

_PID = "SELECT pg_backend_pid()"


async def is_transaction_pooled(connector: Connector, session: Session) -> bool:
    """Whether two transactions of `session` may run in two server processes.

    A pooler makes up the process id that it greets with. Where the greeting tells the truth, there
    is none; otherwise a second connection is held in a transaction, and if it runs in the process
    that was ours a moment ago, or pushes us into another one, connections are shared.

    Raises:
        Any of failures.FOREIGN.
    """
    before = await session.fetchval(_PID)
    if before == session.get_server_pid():
        return False
    second = await connector.connect()
    try:
        async with second.transaction():
            theirs = await second.fetchval(_PID)
            after = await session.fetchval(_PID)
    finally:
        await goodbye(second)
    return theirs == before or after != before
