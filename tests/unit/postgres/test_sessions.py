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

    async def close(self, *, timeout: float) -> None:  # noqa: ASYNC109 (as asyncpg has it)
        assert timeout > 0
        self._server.goodbyes += 1
        await self._server.hears.wait()
        self.terminate()


class Server:
    """Lets so many in at once; counts those who knock, and who say goodbye, which it `hears` at once."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.open = 0
        self.knocks = 0
        self.goodbyes = 0
        self.hears = asyncio.Event()
        self.hears.set()

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


async def test_fault_17_a_place_is_given_back_by_who_is_cancelled_while_the_neighbour_makes_room() -> (
    None
):
    server = Server(most=1)
    sessions, neighbour = sessions_of(server, limit=1), sessions_of(server, limit=1)
    sessions.neighbour = neighbour
    neighbour.give(await neighbour.take())
    server.hears.clear()

    waiting = asyncio.create_task(sessions.take())
    for _ in range(10):
        await asyncio.sleep(0)
    assert server.goodbyes == 1
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    server.most = 2

    sessions.give(await asyncio.wait_for(sessions.take(), 10))


async def test_idle_connections_end_together_while_other_work_goes_on_and_the_end_waits_for_them():
    server = Server(most=3)
    sessions = sessions_of(server, limit=3)
    taken = [await sessions.take() for _ in range(3)]
    server.hears.clear()

    for session in taken[1:]:
        sessions.give(session)
    sessions.let_go()
    await asyncio.sleep(0)
    sessions.give(taken[0])
    still_good = await sessions.take()

    assert (server.goodbyes, server.open) == (2, 3)
    assert still_good is taken[0]

    sessions.give(still_good)
    closing = asyncio.create_task(sessions.close())
    for _ in range(5):
        await asyncio.sleep(0)
    assert (server.goodbyes, closing.done()) == (3, False)

    server.hears.set()
    await closing
    assert server.open == 0


async def test_a_connection_is_made_anew_once_those_that_nobody_used_were_let_go():
    server = Server(most=2)
    sessions = sessions_of(server, limit=1)
    sessions.give(await sessions.take())
    sessions.let_go()

    sessions.give(await sessions.take())

    assert server.knocks == 2
    assert await sessions.rest()
    assert not await sessions.rest()
    assert server.open == 0


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
