"""A database on a local D1 with two tables that a run owns, and sinks into it."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from streamer.config import PacingSettings, TargetSettings
from streamer.d1 import D1Database, SilentObserver, open_database
from streamer.model import Chunk, Pack, Secret, StepId, StepKind, Storage
from streamer.pack import LedgerStep
from streamer.sinks import D1Sink, Ownership
from tests.engines.d1server import D1Server
from tests.engines.limited_sqlite import column, layout_of, packed, page_of, table_plan
from tests.engines.sqlite_file import FileD1

A = table_plan([column("k", Storage.INTEGER), column("v")], name="a")
B = table_plan([column("k"), column("j"), column("v")], ("k", "j"), name="b")
STEPS = {StepId(1): LedgerStep("a", StepKind.ROWS), StepId(2): LedgerStep("b", StepKind.ROWS)}


@dataclass
class Target:
    """A database on a local D1 with the tables `a` and `b`, and sinks into it."""

    server: D1Server
    uuid: str
    database: D1Database
    form: Pack = Pack.JSON

    def sink(self, *, run: str = "run", epoch: int = 1) -> D1Sink:
        layouts = {StepId(1): layout_of(A, self.form), StepId(2): layout_of(B, self.form)}
        return D1Sink(self.database, self.owner(run, epoch), layouts=layouts, steps=STEPS)

    def owner(self, run: str = "run", epoch: int = 1) -> Ownership:
        return Ownership(self.database, run=run, epoch=epoch, holder=f"{run}{epoch}")

    def a(self, rows: Sequence[tuple[str, str | None]], *, after: str | None = None) -> Chunk:
        """Rows of `a` as one chunk."""
        (chunk,) = packed(layout_of(A, self.form), page_of(rows))
        return replace(chunk, step=StepId(1), after=(after,) if after else None)

    def b(self, rows: Sequence[tuple[str, str, str]]) -> Chunk:
        """Rows of `b` as one chunk."""
        (chunk,) = packed(layout_of(B, self.form), page_of(rows, key=(0, 1)))
        return replace(chunk, step=StepId(2))

    def rows(self, sql: str) -> list[list[object]]:
        return self.server.rows(self.uuid, sql)

    def ledger(self) -> list[list[object]]:
        columns = '"table", run, epoch, first, next, behind, last, rows'
        return self.rows(f"SELECT {columns} FROM _streamer_ledger ORDER BY 1, 4, 6")

    def tables(self) -> set[object]:
        sql = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '_cf_%'"
        return {name for (name,) in self.rows(sql)}


@asynccontextmanager
async def opened(server: D1Server) -> AsyncIterator[Target]:
    found = server.create(uuid.uuid4().hex)
    for plan in (A, B):
        server.run(found, plan.create_sql)
    transport = server.transport(found) if isinstance(server, FileD1) else None
    settings = TargetSettings(
        server.account_id,
        transport.database if transport else found,
        Secret(server.token),
        api_base_url=server.base_url,
    )
    database = await open_database(
        settings,
        PacingSettings(rate=None),
        SilentObserver(),
        random=lambda: 0.0,
        transport=transport,
    )
    target = Target(server, found, database)
    await target.owner().take(["a", "b"])
    server.stats(reset=True)
    yield target
    server.set_faults()
    if transport is None:  # else it is the server's, too
        await database.aclose()
    server.delete(found)


def numbered(count: int, text: str = "x") -> list[tuple[str, str | None]]:
    return [(str(n), text) for n in range(1, count + 1)]
