"""A bounded set of connections, at a server that has fewer of them than we would like."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import asyncpg
import pytest

from streamer.postgres.connect import Connector, Session, told_when_cut_off
from streamer.postgres.failures import retryable
from streamer.postgres.sessions import Sessions


class Connection:
    """A connection of which only its end matters."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._closed = False

    def is_closed(self) -> bool:
        return self._closed

    def is_in_transaction(self) -> bool:
        return False

    def terminate(self) -> None:
        self._server.open -= not self._closed
        self._closed = True


class Server:
    """Lets so many in at once; counts those who knock."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.open = 0
        self.knocks = 0

    async def connect(self) -> Connection:
        self.knocks += 1
        await asyncio.sleep(0)
        if self.open == self.most:
            raise asyncpg.TooManyConnectionsError("too many clients already")
        self.open += 1
        return Connection(self)


def sessions_of(server: Server, limit: int) -> Sessions:
    return Sessions(cast("Connector", cast("Any", server)), limit=limit)


async def test_fault_17_each_place_that_the_server_refuses_is_given_up_after_one_try() -> None:
    server = Server(most=2)
    sessions = sessions_of(server, limit=5)
    turns: list[int] = []

    async def use(number: int) -> None:
        session = await sessions.take()
        turns.append(number)
        for _ in range(5):
            await asyncio.sleep(0)
        sessions.give(session)

    async with asyncio.TaskGroup() as group:
        for number in range(20):
            group.create_task(use(number))

    assert sorted(turns) == [*range(20)]
    assert server.knocks == 5


async def test_fault_17_without_any_connection_of_ours_the_refusal_comes_out_and_no_place_is_lost() -> (
    None
):
    server = Server(most=0)
    sessions = sessions_of(server, limit=1)

    for _ in range(3):
        with pytest.raises(asyncpg.TooManyConnectionsError):
            await sessions.take()
    server.most = 1

    sessions.give(await sessions.take())


class Used:
    """A connection that is closed, or isn't."""

    def __init__(self, *, closed: bool) -> None:
        self.closed = closed

    def is_closed(self) -> bool:
        return self.closed


def test_a_connection_that_goes_while_it_is_used_is_told_as_that_and_other_faults_as_they_are():
    lost, there = (cast("Session", Used(closed=closed)) for closed in (True, False))

    with pytest.raises(asyncpg.InterfaceError) as cut, told_when_cut_off(lost):
        raise AttributeError("'NoneType' object has no attribute 'resume_reading'")
    with pytest.raises(AttributeError), told_when_cut_off(there):
        raise AttributeError("a fault of ours")

    assert retryable(cut.value)
