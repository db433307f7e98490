"""The network between the command and D1 fails in every way that a network can."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.engines.postgres import Database
from tests.engines.tcp_proxy import PASS, End, Fate, TcpProxy
from tests.engines.workerd import Workerd
from tests.stories import busy
from tests.stories.command import Outcome, Streamer, ended
from tests.stories.compare import differences, our_leftovers

OPTIONS = ("--progress", "none", "--batch-bytes", "6000", "--concurrency", "3")
HASTY = ("tests.stories.hasty",)

pytestmark = [pytest.mark.postgres, pytest.mark.workerd, pytest.mark.processes]


@pytest.fixture
async def network(workerd_d1: Workerd) -> AsyncIterator[TcpProxy]:
    async with TcpProxy(workerd_d1.port) as proxy:
        yield proxy


@pytest.fixture
async def streamer(
    database: Database, workerd_d1: Workerd, network: TcpProxy, tmp_path: Path
) -> AsyncIterator[Streamer]:
    """The command that reaches D1 through the network, with clocks that run fast."""
    await database.execute(busy.SQL)
    uuid = workerd_d1.create(database.name)
    streamer = Streamer(tmp_path, database, workerd_d1, uuid, program=HASTY)
    streamer.overrides["CLOUDFLARE_API_BASE_URL"] = f"http://127.0.0.1:{network.port}/client/v4"
    yield streamer
    workerd_d1.delete(uuid)


async def finished(streamer: Streamer, *arguments: str) -> Outcome:
    return await asyncio.to_thread(ended, streamer.start("run", *OPTIONS, *arguments))


async def assert_moved_whole(streamer: Streamer, done: Outcome) -> None:
    assert done.code == 0, done.said
    assert await differences(streamer.source, streamer.target, streamer.uuid) == []
    assert our_leftovers(streamer.target, streamer.uuid) == []
    totals = streamer.report["totals"]
    assert totals["rows_written"] == totals["rows_read"]


@pytest.mark.parametrize(
    ("what", "fate"),
    [
        ("before the body", Fate(End.RESET, up_bytes=0)),
        ("within the body", Fate(End.RESET, up_bytes=9_000)),
        ("between the body and the answer", Fate(End.RESET, down_bytes=0)),
        ("within the answer", Fate(End.CLOSE, down_bytes=1_500)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_fault_04_and_05_connections_that_break_anywhere_cost_no_row_and_double_none(
    streamer: Streamer, network: TcpProxy, what: str, fate: Fate
) -> None:
    network.fate = lambda number: fate if number % 2 and number < 16 else PASS

    done = await finished(streamer)

    assert len(network.ended) >= 3
    await assert_moved_whole(streamer, done)


async def test_fault_04_a_refused_connection_is_waited_for(
    streamer: Streamer, network: TcpProxy
) -> None:
    network.close()
    process = streamer.start("run", *OPTIONS, "--log-file", "run.log")
    log = streamer.folder / "run.log"
    while not (log.exists() and "can't connect" in log.read_text()):
        assert process.poll() is None
        await asyncio.to_thread(streamer.target.stats)
    await network.open()

    await assert_moved_whole(streamer, await asyncio.to_thread(ended, process))


async def test_fault_04_a_host_that_is_not_known_ends_the_command_resumable(
    streamer: Streamer,
) -> None:
    streamer.overrides["CLOUDFLARE_API_BASE_URL"] = "https://no.such.host.invalid/client/v4"

    done = await finished(streamer, "--give-up-after", "3s")

    assert done.code == 75, done.said
    assert "no.such.host.invalid can't be resolved" in done.stderr
    assert "--resume" in done.stderr


async def test_fault_04_a_mistyped_host_is_told_at_a_first_start_and_waited_for_by_a_resume(
    streamer: Streamer,
) -> None:
    good = streamer.overrides["CLOUDFLARE_API_BASE_URL"]
    mistyped = "https://no.such.host.invalid/client/v4"

    streamer.overrides["CLOUDFLARE_API_BASE_URL"] = mistyped
    first = await finished(streamer, "--resume")
    streamer.overrides["CLOUDFLARE_API_BASE_URL"] = good
    streamer.target.set_faults({"match": "/raw", "skip": 8, "times": 1, "status": 401})
    begun = await finished(streamer, "--resume")
    streamer.overrides["CLOUDFLARE_API_BASE_URL"] = mistyped
    patient = await finished(streamer, "--resume", "--give-up-after", "2m")
    streamer.overrides["CLOUDFLARE_API_BASE_URL"] = good

    assert first.code == 75, first.said
    assert "no.such.host.invalid can't be resolved" in first.stderr
    assert "Check CLOUDFLARE_API_BASE_URL" in first.stderr
    assert begun.code == 1, begun.said
    assert patient.code == 75, patient.said
    assert "--give-up-after sets the patience" in patient.stderr
    await assert_moved_whole(streamer, await finished(streamer, "--resume"))


@pytest.mark.parametrize("end", [End.STALL, End.TRICKLE], ids=lambda end: end.name.lower())
@pytest.mark.parametrize(
    "fate", [Fate(up_bytes=9_000), Fate(down_bytes=900)], ids=["sending", "answering"]
)
async def test_fault_09_what_comes_to_nothing_in_time_is_sent_again(
    streamer: Streamer, network: TcpProxy, end: End, fate: Fate
) -> None:
    slow = Fate(end, fate.up_bytes, fate.down_bytes)
    network.fate = lambda number: slow if number == 2 else PASS

    done = await finished(streamer)

    assert network.ended == [end]
    await assert_moved_whole(streamer, done)


async def test_fault_09_an_answer_that_takes_long_is_waited_for(streamer: Streamer) -> None:
    """1.2 s of clocks that run 20 times as fast: 24 s of a request's 40."""
    streamer.target.set_faults({"match": "/raw", "skip": 3, "times": 2, "delay_ms": 1_200})

    done = await finished(streamer)

    await assert_moved_whole(streamer, done)
    assert streamer.report["totals"]["retries"] == 0


async def test_fault_05_a_network_that_fails_all_the_time_is_got_through(
    streamer: Streamer, network: TcpProxy
) -> None:
    seed = random.SystemRandom().getrandbits(32)
    print("seed", seed)
    dice = random.Random(seed)

    def fate(_: int) -> Fate:
        size = dice.randrange(16_000)  # an answer has a few hundred bytes for each statement
        if dice.random() < 0.5:
            return Fate(dice.choice((End.RESET, End.CLOSE)), up_bytes=size)
        return Fate(dice.choice((End.RESET, End.CLOSE)), down_bytes=size)

    network.fate = fate

    done = await finished(streamer)

    assert len(network.ended) > 4
    await assert_moved_whole(streamer, done)
