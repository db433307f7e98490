"""Looks at a source without moving anything: how it is reached, and what may get in a run's way."""

from __future__ import annotations

from streamer.config import SourceSettings
from streamer.frozen import frozen
from streamer.model import Catalog
from streamer.postgres.address import is_loopback, resolve
from streamer.postgres.answers import only_row
from streamer.postgres.catalog import read_catalog
from streamer.postgres.connect import Connector, Session, beginning
from streamer.postgres.failures import FOREIGN
from streamer.postgres.sessions import goodbye

DOING = "while looking around"

# pg_stat_ssl says how *this* session is encrypted; `reset_val` is what the role gets by default.
_SESSION = """
SELECT current_setting('server_version') AS version, current_user::text AS role,
       pg_backend_pid() AS backend,
       coalesce((SELECT s.version FROM pg_stat_ssl AS s WHERE s.pid = pg_backend_pid() AND s.ssl),
                '') AS tls,
       current_setting('hot_standby_feedback')::boolean AS feedback,
       (SELECT reset_val::float8 / 1000 FROM pg_settings WHERE name = 'statement_timeout')
           AS statement_timeout_s,
       (SELECT reset_val::float8 / 1000 FROM pg_settings
        WHERE name = 'idle_in_transaction_session_timeout') AS idle_timeout_s"""

_HIDDEN = """
SELECT n.nspname || '.' || c.relname FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND row_security_active(c.oid) ORDER BY 1"""


@frozen
class Checkup:
    """What was seen.

    `where` is the address for messages; `local` says that nothing leaves this machine; `tls` is
    the protocol's version, '' where the session isn't encrypted. `pooled`: something stands
    between us and the server. The timeouts are those of the role, 0 for none. `hidden` are
    tables (`schema.table`) whose row-level security applies to the role.
    """

    where: str
    local: bool
    version: str
    role: str
    tls: str
    tls_warning: str
    pooled: bool
    feedback: bool
    statement_timeout_s: float
    idle_timeout_s: float
    hidden: tuple[str, ...]
    catalog: Catalog


async def checkup(settings: SourceSettings) -> Checkup:
    """Connect once, look, and leave; waits for nothing.

    Raises:
        StreamerError: the source can't be reached, or doesn't let us look.

    """
    address = resolve(settings)
    warnings: list[str] = []
    connector = Connector(address, warnings.append)
    try:
        session = await connector.connect()
    except FOREIGN as error:
        raise connector.explain(error) from None
    try:
        return await _look(session, connector, " ".join(warnings))
    except FOREIGN as error:
        raise connector.explain(error, DOING) from None
    finally:
        await goodbye(session)


async def _look(session: Session, connector: Connector, tls_warning: str) -> Checkup:
    address = connector.address
    await session.execute(beginning())
    seen = await only_row(session, _SESSION)
    # A pooler answers the greeting itself, with a process id of its own making.
    pooled = seen["backend"] != session.get_server_pid()
    hidden = await session.fetch(_HIDDEN)
    catalog = await read_catalog(session)
    await session.execute("ROLLBACK")
    return Checkup(
        where=address.where,
        local=all(is_loopback(host) for host in address.hosts),
        version=seen["version"],
        role=seen["role"],
        tls=seen["tls"],
        tls_warning=tls_warning,
        pooled=pooled,
        feedback=seen["feedback"],
        statement_timeout_s=seen["statement_timeout_s"],
        idle_timeout_s=seen["idle_timeout_s"],
        hidden=tuple(str(row[0]) for row in hidden),
        catalog=catalog,
    )
