"""The first look at a server: who is there, and what it allows."""

from __future__ import annotations

from streamer.frozen import frozen
from streamer.model import SourceIdentity
from streamer.postgres.answers import only_row
from streamer.postgres.catalog import read_identity
from streamer.postgres.connect import beginning
from streamer.postgres.failures import FOREIGN
from streamer.postgres.pooler import is_transaction_pooled
from streamer.postgres.sessions import Sessions

_FACTS = """
SELECT max(setting::float8) FILTER (WHERE name = 'idle_in_transaction_session_timeout') / 1000
           AS idle_s,
       max(setting::float8) FILTER (WHERE name = 'transaction_timeout') / 1000 AS transaction_s,
       bool_or(setting = 'on') FILTER (WHERE name = 'hot_standby_feedback') AS feedback
FROM pg_settings
WHERE name IN ('idle_in_transaction_session_timeout', 'transaction_timeout', 'hot_standby_feedback')
"""


@frozen
class ServerFacts:
    """What the server allows: timeouts in seconds (0: none), and how it is reached."""

    idle_s: float
    transaction_s: float
    feedback: bool
    transaction_pooled: bool


async def meet(sessions: Sessions) -> tuple[SourceIdentity, ServerFacts]:
    """Who is there and what it allows; the first connection of all, tried once."""
    connector = sessions.connector
    try:
        session = await sessions.take()
        try:
            pooled = await is_transaction_pooled(connector, session)
            await session.execute(beginning())
            identity = await read_identity(session)
            found = await only_row(session, _FACTS)
            await session.execute("ROLLBACK")
        finally:
            sessions.give(session)
    except FOREIGN as error:
        raise connector.explain(error) from None
    facts = ServerFacts(
        found["idle_s"] or 0.0, found["transaction_s"] or 0.0, bool(found["feedback"]), pooled
    )
    return identity, facts
