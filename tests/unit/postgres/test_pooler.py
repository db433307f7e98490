# ruff: noqa: ASYNC109 - the signatures are asyncpg's
"""A pooler in between, or a standby: whether it is noticed, and what isn't begun there."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import AsyncGenerator, Callable
from typing import cast

import pytest

from streamer.config import SourceSettings
from streamer.errors import UsageError
from streamer.model import Consistency, SourceIdentity
from streamer.postgres import Patience, PostgresSource
from streamer.postgres.address import resolve
from streamer.postgres.connect import Connector, Session
from streamer.postgres.meeting import ServerFacts
from streamer.postgres.pooler import is_transaction_pooled
from streamer.postgres.sessions import Sessions

GREETED_WITH = 4711  # a process id that a pooler made up


Choose = Callable[[list[int]], int]
"""Takes one of the processes that are free, in the order in which they became so."""


def newest(free: list[int]) -> int:
    """PgBouncer's way."""
    return free.pop()


def oldest(free: list[int]) -> int:
    """PgBouncer's way with server_round_robin."""
    return free.pop(0)


class Server:
    """A server behind a pooler that greets for it, unless it is `direct`.

    If it is `shared`, each transaction gets one of `processes` as the pooler chooses. Otherwise a
    connection keeps its own.
    """

    def __init__(
        self,
        *,
        direct: bool = False,
        shared: bool = False,
        processes: int = 9,
        choose: Choose = newest,
    ) -> None:
        self.direct = direct
        self.shared = shared
        self.free = [*range(100, 100 + processes)]
        self.connections = 0
        self._choose = choose

    def take(self) -> int:
        return self._choose(self.free)


class Client:
    """One connection; `process` is the one that it has now, where it has one."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._process = None if server.shared else server.take()
        server.connections += 1

    def get_server_pid(self) -> int:
        return self._process if self._process and self._server.direct else GREETED_WITH

    async def fetchval(self, sql: str) -> int:
        assert "pg_backend_pid" in sql
        if self._process is not None:
            return self._process
        process = self._server.take()
        self._server.free.append(process)
        return process

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncGenerator[None]:
        if not self._server.shared:
            yield
            return
        self._process = self._server.take()
        try:
            yield
        finally:
            self._server.free.append(self._process)
            self._process = None

    async def close(self, timeout: float) -> None:
        del timeout
        self._server.connections -= 1


class Leads(Connector):
    """Leads to the server at hand."""

    def __init__(self, server: Server) -> None:
        super().__init__(resolve(SourceSettings(host="db.example.com")), lambda _: None)
        self._server = server

    async def connect(self) -> Session:
        return cast("Session", Client(self._server))


async def pooled(server: Server) -> bool:
    connector = Leads(server)
    found = await is_transaction_pooled(connector, await connector.connect())
    assert server.connections == 1, "what was opened to find out is closed"
    return found


async def test_no_pooler_is_seen_where_the_greeting_tells_the_truth() -> None:
    assert not await pooled(Server(direct=True))


async def test_a_pooler_that_keeps_a_process_for_each_session_is_none_that_matters() -> None:
    assert not await pooled(Server())


@pytest.mark.parametrize(
    ("processes", "choose"), [*itertools.product([1, 2, 3, 9], [newest, oldest])]
)
async def test_fault_37_a_pooler_that_shares_processes_is_noticed_however_it_chooses_them(
    processes: int, choose: Choose
) -> None:
    assert await pooled(Server(shared=True, processes=processes, choose=choose))


async def test_fault_37_a_pooler_that_hands_our_process_to_others_meanwhile_is_noticed() -> None:
    """We are in 100 twice, the one that is held is 101, and by then 100 has gone to somebody else."""
    turns = iter([100, 100, 101, 102])

    def of_turns(free: list[int]) -> int:
        return free.pop(free.index(next(turns)))

    assert await pooled(Server(shared=True, choose=of_turns))


def source(
    consistency: Consistency, *, pooler: bool, standby: bool, feedback: bool
) -> PostgresSource:
    sessions = Sessions(Leads(Server()))
    return PostgresSource(
        sessions,
        sessions,
        SourceIdentity("1", 1, "shop", 180_000, is_standby=standby),
        ServerFacts(0.0, 0.0, feedback=feedback, transaction_pooled=pooler),
        consistency=consistency,
        patience=Patience(),
    )


@pytest.mark.parametrize(
    ("pooler", "standby", "feedback", "words"),
    [
        (True, False, False, "pooler in transaction mode"),
        (True, True, True, "pooler in transaction mode"),
        (False, True, False, "standby without hot_standby_feedback"),
    ],
)
async def test_fault_37_a_snapshot_is_not_begun_where_it_can_not_be_kept(
    words: str, *, pooler: bool, standby: bool, feedback: bool
) -> None:
    of = source(Consistency.SNAPSHOT, pooler=pooler, standby=standby, feedback=feedback)

    with pytest.raises(UsageError, match=words) as refused:
        await of.begin()

    assert "--consistency rolling" in refused.value.hint
    rolling = source(Consistency.ROLLING, pooler=pooler, standby=standby, feedback=feedback)
    rolling.refuse_what_cannot_last()
    assert await rolling.begin() is None


@pytest.mark.parametrize(("standby", "feedback"), [(False, False), (False, True), (True, True)])
def test_a_snapshot_is_not_refused_where_it_can_be_kept(*, standby: bool, feedback: bool) -> None:
    source(
        Consistency.SNAPSHOT, pooler=False, standby=standby, feedback=feedback
    ).refuse_what_cannot_last()
