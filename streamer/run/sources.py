"""Where a job's rows come from: PostgreSQL, or anything else that reads the same."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol

from streamer.config import Config
from streamer.frozen import frozen
from streamer.model import Key, SourceIdentity, Table, TablePlan
from streamer.pipeline.transform import Source
from streamer.postgres import PostgresSource, SnapshotInfo
from streamer.postgres.address import resolve
from streamer.postgres.patience import Patience
from streamer.progress import Events
from streamer.run.planning import Planned


class JobSource(Planned, Source, Protocol):
    """What a job needs of its source, beside what its plan does."""

    @property
    def identity(self) -> SourceIdentity:
        """Which source this is; a run goes on with no other."""
        ...

    @property
    def snapshots(self) -> Sequence[SnapshotInfo]:
        """Every moment that rows were read in so far; Page.snapshot is an index into it."""
        ...

    async def begin(self) -> SnapshotInfo | None:
        """Keep one moment of the source for all tables, where that needs keeping."""
        ...

    def rest(self) -> None:
        """Begin to let go of what only the reading of rows needs; it can be had again."""
        ...

    def read_ahead(self, tables: Sequence[TablePlan]) -> None:
        """Do meanwhile what will be asked for first, once `tables` are moved; nothing is waited for."""
        ...

    def number_leaves(self, table: Table, known: Mapping[int, int] | None = None) -> dict[int, int]:
        """Numbers for the leaves of a table without a key, those `known` kept."""
        ...

    async def physical_unchanged(
        self, table: Table, key: Key, rows_read: int, recorded_snapshot: str, *, where: str = ""
    ) -> bool:
        """Whether the rows of a table without a key, up to `key`, are still those that were read."""
        ...


@frozen
class RowsFrom:
    """Opens a source, closed at the end; `database` is what it is called by the settings alone.

    Whether an earlier start has reached it is the last argument of `open`. `command` is the job's name in its report,
    `files` the digest of what is read ('' from PostgreSQL).
    """

    open: Callable[[Config, Events, bool], AbstractAsyncContextManager[JobSource]]
    database: Callable[[Config], str | None]
    command: str
    files: str = ""


@asynccontextmanager
async def _postgres(
    config: Config,
    events: Events,
    known: bool,  # noqa: FBT001  (as `open` has it)
) -> AsyncGenerator[JobSource]:
    opening = PostgresSource.open(
        config.source,
        config.run.consistency,
        events.warning,
        pushdown=config.run.pushdown,
        patience=Patience(config.pacing.give_up_after_s, say=events.note),
        hash_key=config.shaping.hash_key,
        known=known,
    )
    async with opening as source:
        source.refuse_what_cannot_last()
        source.holders.max_age_s = config.run.max_snapshot_age_s
        yield source


FROM_POSTGRES = RowsFrom(_postgres, lambda config: resolve(config.source).database, "run")
"""What `streamer run` reads."""
