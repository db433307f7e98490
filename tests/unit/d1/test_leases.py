"""A database whose count is shared: with others at once, after a crash, and when the file fails."""

import asyncio
import sqlite3

import pytest

from streamer.d1 import window_file
from streamer.model import Rate, Statement
from tests.unit.d1.model_api import LoopClock, ModelApi, Notes

WRITE = [Statement("INSERT INTO t VALUES (1)")]


def assert_within(arrivals: list[float], requests: int, seconds: float) -> None:
    at = sorted(arrivals)
    assert all(b - a >= seconds for a, b in zip(at, at[requests:], strict=False))


def test_two_clients_of_one_token_keep_to_one_limit_together(virtually, connect, tmp_path) -> None:
    api = ModelApi(latency_s=0.1, jitter_s=0.05)

    async def main():
        clients = [await connect(api, rate=Rate(100, 60), state=tmp_path) for _ in range(2)]
        await asyncio.gather(*[c.execute(WRITE) for c in clients for _ in range(150)])
        for client in clients:
            await client.aclose()

    virtually(main)

    assert len(api.arrivals) == 302
    assert_within(api.arrivals, 100, 60)


def test_a_crash_loop_cannot_send_more_than_is_allowed(virtually, connect, tmp_path) -> None:
    api = ModelApi(latency_s=0.1)

    async def main():
        dead = []
        for _ in range(12):  # not closed before the last has begun: each dies with its lease
            dead.append(await connect(api, rate=Rate(60, 60), state=tmp_path))
            await asyncio.gather(*[dead[-1].execute(WRITE) for _ in range(20)])
        for database in dead:
            await database.aclose()

    virtually(main)

    assert len(api.arrivals) == 12 * 21
    assert_within(api.arrivals, 60, 60)


def test_a_client_that_closed_leaves_exact_times_to_the_next(virtually, connect, tmp_path) -> None:
    api = ModelApi()

    async def main():
        first = await connect(api, rate=Rate(100, 60), state=tmp_path)
        await first.execute(WRITE)
        await first.aclose()
        second = await connect(api, rate=Rate(100, 60), state=tmp_path)
        begin = asyncio.get_running_loop().time()
        await asyncio.gather(*[second.execute(WRITE) for _ in range(97)])
        await second.aclose()
        return begin, max(api.arrivals)

    begin, end = virtually(main)

    assert end == begin


def test_a_slow_job_loses_nothing_of_what_it_leased_and_did_not_use(
    virtually, connect, tmp_path
) -> None:
    async def main():
        database = await connect(ModelApi(), rate=Rate(60, 600), state=tmp_path)
        begin = asyncio.get_running_loop().time()
        for _ in range(50):
            await asyncio.sleep(11)
            await database.execute(WRITE)
        await database.aclose()
        return asyncio.get_running_loop().time() - begin

    assert virtually(main) == pytest.approx(550)


@pytest.mark.parametrize("jump", [86_400.0, -86_400.0])
def test_fault_25_a_clock_that_jumps_a_day_neither_bursts_nor_stops_the_work(
    virtually, connect, tmp_path, jump
) -> None:
    api, clock = ModelApi(latency_s=0.01), LoopClock()

    async def main():
        database = await connect(api, rate=Rate(40, 60), state=tmp_path, clock=clock)
        await asyncio.gather(*[database.execute(WRITE) for _ in range(60)])
        clock.ahead += jump
        await asyncio.gather(*[database.execute(WRITE) for _ in range(60)])
        await database.aclose()

    virtually(main)

    assert_within(api.arrivals, 40, 60)
    assert max(api.arrivals) < 60 * 6


def test_a_file_that_fails_on_the_way_is_told_once_and_the_own_limit_still_holds(
    virtually, connect, tmp_path
) -> None:
    api, notes = ModelApi(latency_s=0.01), Notes()

    async def main():
        database = await connect(api, notes, rate=Rate(40, 60), state=tmp_path)
        await database.execute(WRITE)
        with sqlite3.connect(tmp_path / "windows.db") as other:
            other.execute("DROP TABLE lease")
        other.close()
        await asyncio.gather(*[database.execute(WRITE) for _ in range(100)])
        await database.aclose()

    virtually(main)

    assert len(notes.warnings) == 1
    assert "limit" in notes.warnings[0]
    assert_within(api.arrivals, 40, 60)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A try to get the file, which waits in real time, is over at once."""
    monkeypatch.setattr(window_file, "BUSY_S", 0.01)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(("busy_s", "warnings"), [(30, 0), (90, 1)])
def test_a_file_that_another_process_has_is_waited_for_and_given_up_after_a_minute(
    virtually, connect, tmp_path, busy_s, warnings
) -> None:
    api, notes = ModelApi(latency_s=0.01), Notes()

    async def main():
        clients = [await connect(api, notes, rate=Rate(40, 60), state=tmp_path) for _ in range(2)]
        loop = asyncio.get_running_loop()
        other = sqlite3.connect(tmp_path / "windows.db", isolation_level=None)
        other.execute("BEGIN EXCLUSIVE")
        loop.call_at(loop.time() + busy_s, other.close)
        first, second = clients
        await asyncio.gather(*[first.execute(WRITE) for _ in range(100)])
        if not warnings:
            await asyncio.gather(*[second.execute(WRITE) for _ in range(100)])
        for client in clients:
            await client.aclose()

    virtually(main)

    assert len(notes.warnings) == warnings
    assert_within(api.arrivals, 40, 60)


def test_a_state_directory_that_cannot_be_used_is_told_once(virtually, connect, tmp_path) -> None:
    (tmp_path / "file").write_text("")
    notes = Notes()

    async def main():
        database = await connect(ModelApi(), notes, rate=Rate(5, 60), state=tmp_path / "file")
        await database.execute(WRITE)
        await database.aclose()

    virtually(main)

    assert len(notes.warnings) == 1


def test_without_a_limit_nothing_is_counted(virtually, connect, tmp_path) -> None:
    async def main():
        database = await connect(ModelApi(), rate=None, state=tmp_path / "state")
        await database.execute(WRITE)
        await database.aclose()

    virtually(main)

    assert not (tmp_path / "state").exists()
