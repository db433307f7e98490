"""Finds out whether a pooler is in between, and whether it changes servers between transactions."""

from __future__ import annotations

from streamer.postgres.connect import Connector, Session
from streamer.postgres.sessions import goodbye

_PID = "SELECT pg_backend_pid()"


async def is_transaction_pooled(connector: Connector, session: Session) -> bool:
    """Whether two transactions of `session` may run in two server processes.

    A pooler makes up the process id that it greets with. Where the greeting tells the truth, there
    is none; otherwise connections are shared if we are in another process at once, or if a second
    connection, held in a transaction, runs in the process that was ours a moment ago, or pushes us
    into another one.

    Raises:
        Any of failures.FOREIGN.
    """
    before = await session.fetchval(_PID)
    if before == session.get_server_pid():
        return False
    # By turns (PgBouncer's server_round_robin), two processes would look below as if each were ours.
    if before != await session.fetchval(_PID):
        return True
    second = await connector.connect()
    try:
        async with second.transaction():
            # Where it is ours it may be the only one, for which we would wait.
            if await second.fetchval(_PID) == before:
                return True
            return before != await session.fetchval(_PID)
    finally:
        await goodbye(second)
