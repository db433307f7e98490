"""One source behind one class: its catalog, its snapshots, and its tables' rows."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar, cast

from streamer import limits
from streamer.config import SourceSettings
from streamer.errors import SourceChangedError, UsageError
from streamer.model import (
    Answered,
    Catalog,
    Consistency,
    Key,
    KeyKind,
    Loading,
    OwnSql,
    Page,
    PageSize,
    Pushdown,
    Question,
    Secret,
    Shaping,
    SourceIdentity,
    StepKind,
    Table,
    TableKind,
    TablePlan,
)
from streamer.postgres import physical
from streamer.postgres.address import resolve
from streamer.postgres.ahead import Ahead
from streamer.postgres.answers import counted
from streamer.postgres.catalog import read_catalog, read_identity
from streamer.postgres.connect import Connector, Session
from streamer.postgres.expressions import read_own_sql
from streamer.postgres.hash_key import HashKey
from streamer.postgres.holders import Holders
from streamer.postgres.meeting import ServerFacts, meet
from streamer.postgres.patience import Patience
from streamer.postgres.questions import ask_all
from streamer.postgres.reader import Reading, TableReader
from streamer.postgres.reader_sql import chosen, count_sql, lookup_query
from streamer.postgres.sessions import Sessions
from streamer.postgres.snapshot import Holder, SnapshotInfo, Snapshots
from streamer.postgres.window import WindowLimits

T = TypeVar("T")

_LOOKUP_KEYS = 1_000


class PostgresSource:
    """An open source. `identity` and `facts` were read when it was opened.

    `pushdown` says how rows are printed where pages may hold each row as one JSON array. Numbers of
    leaves for tables without a key are in `leaf_numbers`, by the table's oid, then the leaf's; put
    those of an earlier run there before reading.
    """

    def __init__(
        self,
        sessions: Sessions,
        aside: Sessions,
        identity: SourceIdentity,
        facts: ServerFacts,
        *,
        consistency: Consistency,
        patience: Patience,
    ) -> None:
        self.identity = identity
        self.facts = facts
        self.pushdown = Pushdown.TEXT
        self.limits = WindowLimits.allowed(
            rolling=consistency is Consistency.ROLLING,
            idle_s=facts.idle_s,
            transaction_s=facts.transaction_s,
        )
        self.leaf_numbers: dict[int, dict[int, int]] = {}
        self._consistency = consistency
        self._patience = patience
        self._sessions = sessions
        self._aside = aside
        self._snapshots = Snapshots()
        self.holders = Holders(sessions, aside, self._snapshots, patience)
        self._ahead: Ahead | None = None
        self._own_turn = asyncio.Semaphore()

    @classmethod
    @contextlib.asynccontextmanager
    async def open(
        cls,
        settings: SourceSettings,
        consistency: Consistency = Consistency.SNAPSHOT,
        warn: Callable[[str], None] = lambda _: None,
        *,
        pushdown: Pushdown = Pushdown.TEXT,
        patience: Patience | None = None,
        readers: int = limits.READERS,
        hash_key: Secret | None = None,
        known: bool = False,
    ) -> AsyncGenerator[PostgresSource]:
        """Connect and look who is there; everything is closed at the end.

        At most `readers` connections read; besides them there is one for questions, and one for
        each snapshot that is held. `warn` is told, once, what TLS leaves open. A first connection isn't waited for: whoever
        starts a run wants to know at once that a name or a password is wrong. A source that is `known` was
        reached by an earlier start: that its name can't be resolved is no mistake then. `hash_key` is the key of
        the mask `hash`, which PostgreSQL applies.

        Raises:
            UsageError: the settings can't be understood.
            SourceError, SourceLostError: see failures.explain.
        """
        connector = Connector(resolve(settings), warn, known=known)
        sessions = Sessions(connector, limit=readers)
        # What a table's upload asks for must never wait for its reader to give a connection back.
        aside = Sessions(connector, limit=1)
        sessions.neighbour, aside.neighbour = aside, sessions
        aside.outrank = True
        try:
            identity, facts = await meet(aside)
            source = cls(
                sessions,
                aside,
                identity,
                facts,
                consistency=consistency,
                patience=patience or Patience(),
            )
            source.pushdown = pushdown
            sessions.check = aside.check = source._still_the_same
            if hash_key is not None:
                sessions.hash_key = aside.hash_key = HashKey.of(hash_key)
            try:
                yield source
            finally:
                source.rest()
                if source._ahead is not None:
                    await source._ahead.close()
                await source.holders.let_go()
        finally:
            await sessions.close()
            await aside.close()

    @property
    def snapshots(self) -> tuple[SnapshotInfo, ...]:
        """Every snapshot read in so far; Page.snapshot is an index into it."""
        return self._snapshots.all

    async def begin(self) -> SnapshotInfo | None:
        """Take the run's snapshot; None in rolling mode, where each window has its own.

        Raises:
            UsageError: this source can't keep a snapshot.
        """
        if self._consistency is Consistency.ROLLING:
            return None
        if self.holders.run is None:
            self.refuse_what_cannot_last()
            ahead = await self._ahead.holder() if self._ahead is not None else None
            self.holders.run = ahead or await self.holders.take_patiently()
        return self.holders.run.info

    def read_ahead(self, tables: Sequence[TablePlan]) -> None:
        """Take the snapshot that `begin` will ask for, and read in it the first rows that are asked for.

        These are the first of `tables` whose rows come easily. Nothing is waited for.
        """
        if self._consistency is Consistency.ROLLING or self.holders.run or self._ahead:
            return
        size = PageSize(whole_rows=True)
        all_ = (Reading(t, StepKind.ROWS, None, size, pushdown=self.pushdown) for t in tables)
        first = next((reading for reading in all_ if reading.copied), None)
        self._ahead = Ahead(
            self.holders.take, lambda holder: self._reader(first, holder) if first else None
        )

    def rest(self) -> None:
        """Begin to close the connections that nobody uses; who needs one again gets another."""
        self._sessions.let_go()
        self._aside.let_go()

    async def catalog(self, schemas: Sequence[str] | None = None) -> Catalog:
        """All tables, views and foreign tables of `schemas` (None: all but the system's)."""

        async def work(session: Session) -> Catalog:
            return await read_catalog(session, schemas)

        return await self.run("reading the catalog", work)

    async def own_sql(self, shaping: Shaping, catalog: Catalog) -> OwnSql:
        """What PostgreSQL says of the settings' SQL; UsageError where some of it can't be used."""

        async def work(session: Session) -> OwnSql:
            return await read_own_sql(session, shaping, catalog)

        return await self.run("looking at the settings' SQL", work)

    async def answer(
        self, questions: Sequence[Question], tables: Sequence[TablePlan]
    ) -> list[Answered]:
        """How many rows of `tables` each question is about, and which (see ask_all)."""
        return await ask_all(questions, tables, self._ask)

    def read(
        self,
        plan: TablePlan,
        kind: StepKind,
        after: Key | None,
        page_size: PageSize,
        upto: Key | None = None,
    ) -> AsyncGenerator[Page]:
        """Yield every row behind `after` (and up to the key `upto`), each once, in key order."""
        if plan.key.kind is KeyKind.PHYSICAL:
            return self._read_positions(plan, kind, after, page_size)
        what = Reading(plan, kind, after, page_size, pushdown=self.pushdown, upto=upto)
        ahead = self._ahead.reader(what) if self._ahead is not None else None
        return (ahead or self._reader(what, self.holders.run)).pages()

    async def count(self, table: Table, where: str = "") -> int:
        """How many rows `table` has for which `where` is true ('': all), counted one by one.

        In the run's snapshot if there is one.
        """

        async def work(session: Session) -> int:
            return int((await counted(session, count_sql(table, where)))[0])

        return await self.run(f"counting {table.name}", work)

    async def lookup(self, plan: TablePlan, keys: Sequence[Key]) -> list[Page]:
        """The rows that have these keys, in the run's snapshot, or now where it has none.

        Keys that nothing has are left out.

        Raises:
            ValueError: the table's key is the position, which means nothing later.
        """
        if plan.key.kind is KeyKind.PHYSICAL:
            raise ValueError(f"{plan.name} has no key to look rows up by")
        query = lookup_query(plan)
        pages: list[Page] = []
        for start in range(0, len(keys), _LOOKUP_KEYS):
            columns = [
                list(column) for column in zip(*keys[start : start + _LOOKUP_KEYS], strict=True)
            ]

            async def work(session: Session, columns: list[list[str]] = columns) -> Page | None:
                found = await session.fetch(query.sql, *columns)
                if not found:
                    return None
                held = self.holders.run
                info = held.info if held is not None else await self._snapshots.look(session)
                records = cast("Sequence[Sequence[str | None]]", found)
                return Page(records, query.width, query.key_cells, snapshot=info.number)

            page = await self.run(f"reading {plan.name}", work)
            pages += [page] if page is not None else []
        return pages

    async def physical_unchanged(
        self, table: Table, key: Key, rows_read: int, recorded_snapshot: str, *, where: str = ""
    ) -> bool:
        """Whether the rows up to the position `key` are still those that were read (I3).

        Those that `where` leaves out ('': none) were never read and don't matter.

        They are if there are as many as were read, and each was already there, for good, in the
        snapshot of that time (the text of pg_current_snapshot()). Rewritten tables look unchanged
        here: compare the leaves' relfilenodes first. What is read next is read in the snapshot
        that this was decided in.
        """
        last = physical.Position.of(key[0])
        numbers = self._numbered(table)
        leaves = [leaf for leaf in physical.in_order(table, numbers) if leaf.number <= last.leaf]
        holder = await self.holders.of_table(table.oid)
        if physical.too_long_ago(recorded_snapshot, holder.info.visible):
            return False

        async def work(session: Session) -> bool:
            rows = 0
            oldest = physical.oldest_running(recorded_snapshot)
            for leaf in leaves:
                sql = physical.behind_sql(leaf, last, chosen(where))
                some, is_new = await counted(session, sql, oldest)
                if is_new:
                    return False
                rows += some
            return rows == rows_read

        return await self._aside.run(
            f"comparing {table.name}", work, self._patience, snapshot=holder.id
        )

    def number_leaves(self, table: Table, known: Mapping[int, int] | None = None) -> dict[int, int]:
        """Numbers for a table's leaves by oid, those `known` from an earlier run kept."""
        self.leaf_numbers[table.oid] = physical.number_leaves(table, known)
        return self.leaf_numbers[table.oid]

    async def _read_positions(
        self, plan: TablePlan, kind: StepKind, after: Key | None, page_size: PageSize
    ) -> AsyncGenerator[Page]:
        if plan.table.kind in (TableKind.VIEW, TableKind.FOREIGN):
            raise ValueError(f"{plan.name} is a {plan.table.kind}: its rows have no position")
        leaves = physical.in_order(plan.table, self._numbered(plan.table))
        what = Reading(plan, kind, after, page_size, leaves, pushdown=self.pushdown)
        async with contextlib.AsyncExitStack() as turn:
            if self.holders.run is None:
                # One at a time: snapshots without a connection left to read in would wait for ever.
                await turn.enter_async_context(self._own_turn)
            holder = await self.holders.of_table(plan.table.oid)
            async with contextlib.aclosing(self._reader(what, holder).pages()) as pages:
                async for page in pages:
                    yield page
            if kind is StepKind.EDGES or plan.loading is not Loading.TWO_PASS:
                # Not before: the second pass must see what the first one saw.
                await self.holders.let_go_of(plan.table.oid)

    def _numbered(self, table: Table) -> dict[int, int]:
        return self.leaf_numbers.get(table.oid) or self.number_leaves(table)

    def _reader(self, what: Reading, holder: Holder | None) -> TableReader:
        limits = self.limits.waiting(self.holders.max_age_s)
        if holder is not None and self._consistency is Consistency.ROLLING:
            limits = replace(limits, age_s=None)  # the holder's age counts, not the window's
        return TableReader(
            self._sessions,
            self._snapshots,
            holder,
            what,
            limits=limits,
            patience=self._patience,
        )

    def refuse_what_cannot_last(self) -> None:
        """Raise UsageError where the source can't keep the one snapshot that was asked for."""
        why = ""
        if self._consistency is Consistency.ROLLING:
            return
        if self.facts.transaction_pooled:
            why = "is behind a pooler in transaction mode"
        elif self.identity.is_standby and not self.facts.feedback:
            why = "is a standby without hot_standby_feedback"
        if why:
            raise UsageError(
                f"PostgreSQL at {self._sessions.connector.address.where} {why}, where no snapshot "
                "can be kept for long.",
                hint="Use --consistency rolling, or connect to the primary directly.",
            )

    async def _still_the_same(self, session: Session) -> None:
        found = await read_identity(session)
        if (found.system_identifier, found.database) != (
            self.identity.system_identifier,
            self.identity.database,
        ):
            raise SourceChangedError(
                f"PostgreSQL at {self._sessions.connector.address.where} isn't the server any more "
                "that this run began with.",
                hint="Point the settings at the first one, or start over with --restart.",
            )

    async def run(self, doing: str, work: Callable[[Session], Awaitable[T]]) -> T:
        """What `work` makes of a connection beside the readers'; `doing` names it in messages."""
        return await self._aside.run(doing, work, self._patience, self._snapshot())

    async def _ask(self, doing: str, work: Callable[[Session], Awaitable[T]]) -> T:
        """As `_run`, several at a time."""
        return await self._sessions.run(doing, work, self._patience, self._snapshot())

    def _snapshot(self) -> Callable[[], str | None]:
        return self.holders.run.id if self.holders.run is not None else lambda: None
