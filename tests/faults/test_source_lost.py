"""PostgreSQL goes away in the middle of a run: restarted, cut off, swallowed, exchanged, full."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest
from aiohttp import web

from tests.engines.postgres import Database, Postgres
from tests.engines.tcp_proxy import PASS, End, Fate, TcpProxy
from tests.engines.workerd import Workerd
from tests.faults.between import Between, Forward, Request
from tests.stories import busy
from tests.stories.command import Outcome, Streamer, ended
from tests.stories.compare import differences, our_leftovers

OPTIONS = ("--progress", "none", "--batch-bytes", "6000", "--concurrency", "2")
ROLLING, SNAPSHOT = ("--consistency", "rolling"), ("--consistency", "snapshot")
MANY = 1_000_000
MIDDLE = 11  # request: some tables are read, others aren't begun

pytestmark = [pytest.mark.postgres, pytest.mark.workerd, pytest.mark.processes]

Act = Callable[[], Awaitable[None]]


@dataclass
class Trip:
    """The command between a PostgreSQL of its own, a network to that, and D1."""

    streamer: Streamer
    between: Between
    network: TcpProxy
    server: Postgres

    async def run(self, *options: str, at: int = MIDDLE, act: Act | None = None) -> Outcome:
        """Run the command; when its request `at` has come, `act` first."""

        async def deal(request: Request, forward: Forward) -> web.Response:
            if request.number == at and act is not None:
                await act()
            return await forward()

        self.between.requests, self.between.deal = 0, deal
        done = await asyncio.to_thread(ended, self.streamer.start("run", *OPTIONS, *options))
        assert act is None or self.between.requests >= at, "it ended before anything happened"
        return done

    async def keep_keyed_tables(self) -> None:
        """Without the others, each of which needs a snapshot of its own, also in rolling mode."""
        await self.streamer.source.execute("DROP TABLE log, heap")

    async def assert_moved_whole(self, done: Outcome) -> None:
        assert done.code == 0, done.said
        target, uuid = self.streamer.target, self.streamer.uuid
        assert await differences(self.streamer.source, target, uuid) == []
        assert our_leftovers(target, uuid) == []

    async def assert_resumable(self, stopped: Outcome, *options: str, code: int = 75) -> None:
        """It stopped with `code`, and a resume ends with every row in its place."""
        assert stopped.code == code, stopped.said
        assert "--resume" in stopped.stderr
        assert self.streamer.report["status"] == ("stopped" if code == 75 else "failed")
        await self.assert_moved_whole(await self.run("--resume", *options))


@pytest.fixture(scope="module")
def own_postgres(postgres: Postgres) -> Iterator[Postgres]:
    """A server that a test may stop without disturbing others."""
    server = Postgres(postgres.engine)
    server.start()
    yield server
    server.remove()


@pytest.fixture
async def trip(own_postgres: Postgres, workerd_d1: Workerd, tmp_path: Path) -> AsyncIterator[Trip]:
    source = await own_postgres.create_database(f"lost_{uuid4().hex}")
    await source.execute(busy.SQL)
    uuid = workerd_d1.create(f"{source.name} {tmp_path.name}")
    streamer = Streamer(tmp_path, source, workerd_d1, uuid, program=("tests.stories.hasty",))
    async with Between(workerd_d1) as between, TcpProxy(own_postgres.port) as network:
        port = str(own_postgres.port)
        streamer.overrides["POSTGRES_DSN"] = source.dsn.replace(port, str(network.port))
        streamer.overrides["CLOUDFLARE_API_BASE_URL"] = between.base_url
        yield Trip(streamer, between, network, own_postgres)
    workerd_d1.delete(uuid)
    await own_postgres.drop_database(source.name)


@pytest.mark.parametrize("mode", ["fast", "immediate"])
async def test_fault_14_a_restart_of_the_server_is_waited_out_in_rolling_mode(
    trip: Trip, mode: str
) -> None:
    await trip.keep_keyed_tables()

    async def restart() -> None:
        await asyncio.to_thread(trip.server.restart, mode)

    await trip.assert_moved_whole(await trip.run(*ROLLING, act=restart))


async def test_fault_14_a_restart_of_the_server_ends_a_snapshot_and_is_resumed(trip: Trip) -> None:
    async def restart() -> None:
        await asyncio.to_thread(trip.server.restart)

    stopped = await trip.run(*SNAPSHOT, act=restart)

    assert "snapshot" in stopped.stderr
    await trip.assert_resumable(stopped)


READERS, ALL, NONE = "query LIKE '%public%' OR state = 'idle'", "true", "false"


async def terminate(database: Database, which: str) -> int:
    """End sessions of the command's; how many there were."""
    ended = await database.fetch(
        "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
        f" WHERE application_name = 'streamer' AND ({which})"
    )
    return len(ended)


async def test_fault_14_readers_that_are_terminated_go_on_in_the_same_snapshot(trip: Trip) -> None:
    counts: list[int] = []

    async def act() -> None:
        # The writes come after the snapshot: nothing of them may be seen.
        await trip.streamer.source.execute("DELETE FROM grandchild; DELETE FROM few")
        counts.append(await terminate(trip.streamer.source, READERS))

    before = await trip.streamer.source.fetch("SELECT count(*) FROM grandchild")
    done = await trip.run(*SNAPSHOT, act=act)

    assert done.code == 0, done.said
    assert counts[0] > 0
    held = trip.streamer.target.rows(trip.streamer.uuid, "SELECT count(*) FROM grandchild")
    assert held[0][0] == before[0][0]
    assert trip.streamer.report["consistency"]["tables_in_several_snapshots"] == []


async def test_fault_14_a_snapshot_whose_session_is_terminated_is_named_and_resumed(
    trip: Trip,
) -> None:
    async def act() -> None:
        assert await terminate(trip.streamer.source, ALL) > 1

    stopped = await trip.run(*SNAPSHOT, act=act)

    assert "snapshot" in stopped.stderr
    await trip.assert_resumable(stopped)
    assert len(trip.streamer.report["consistency"]["snapshots"]) > 1


async def test_fault_14_another_server_behind_the_same_address_is_refused(
    trip: Trip, postgres: Postgres
) -> None:
    await trip.keep_keyed_tables()
    other = await postgres.create_database(trip.streamer.source.name)
    await other.execute(busy.SQL.replace("'owner '", "'somebody else '"))

    async def fail_over() -> None:
        trip.network.upstream = postgres.port
        trip.network.reset()

    stopped = await trip.run(*ROLLING, act=fail_over)
    resumed = await trip.run("--resume", *ROLLING)

    assert stopped.code == 1, stopped.said
    assert "isn't the server any more" in stopped.stderr
    assert resumed.code in {1, 2}, resumed.said
    trip.network.upstream = trip.server.port
    await trip.assert_moved_whole(await trip.run("--resume", *ROLLING))
    await postgres.drop_database(other.name)


async def test_fault_15_a_server_that_falls_silent_is_given_up_and_asked_again(
    trip: Trip,
) -> None:
    await trip.keep_keyed_tables()

    async def heard_again(before: int) -> None:
        while trip.network.connections == before:  # it gave the silent ones up
            await terminate(trip.streamer.source, NONE)
        trip.network.hear_again()

    healing: list[asyncio.Task[None]] = []

    async def fall_silent() -> None:
        trip.network.fall_deaf()
        healing.append(asyncio.create_task(heard_again(trip.network.connections)))

    await trip.assert_moved_whole(await trip.run(*ROLLING, act=fall_silent))
    assert len(healing) == 1


async def test_fault_15_a_snapshot_behind_a_silent_network_ends_resumable(trip: Trip) -> None:
    async def fall_silent() -> None:
        trip.network.fall_deaf()

    stopped = await trip.run(*SNAPSHOT, act=fall_silent)
    trip.network.hear_again()

    await trip.assert_resumable(stopped)


@pytest.mark.parametrize("end", [End.STALL, End.RESET], ids=lambda end: end.name.lower())
async def test_fault_15_a_reader_cut_off_within_its_rows_reads_on_in_the_same_snapshot(
    trip: Trip, end: End
) -> None:
    # The first two connections ask and hold; those that follow read.
    trip.network.fate = lambda number: Fate(end, down_bytes=9_000) if number in {4, 5} else PASS

    done = await trip.run(*SNAPSHOT)

    assert end in trip.network.ended
    await trip.assert_moved_whole(done)
    assert trip.streamer.report["consistency"]["tables_in_several_snapshots"] == []


async def test_fault_04_connections_to_the_source_that_break_all_the_time_cost_no_row(
    trip: Trip,
) -> None:
    await trip.keep_keyed_tables()
    seed = random.SystemRandom().getrandbits(32)
    print("seed", seed)
    dice = random.Random(seed)

    def fate(number: int) -> Fate:
        if number < 3:
            return PASS
        return Fate(dice.choice((End.RESET, End.CLOSE)), down_bytes=dice.randrange(2_000, 5_000))

    trip.network.fate = fate

    done = await trip.run(*ROLLING)

    assert len(trip.network.ended) > 1
    await trip.assert_moved_whole(done)


@pytest.mark.parametrize("mode", [ROLLING, SNAPSHOT], ids=lambda mode: mode[1])
async def test_fault_17_two_connections_are_enough(trip: Trip, mode: tuple[str, ...]) -> None:
    role = f"few_{trip.streamer.source.name}"
    await trip.streamer.source.execute(
        f"CREATE ROLE {role} LOGIN PASSWORD 'p' CONNECTION LIMIT 2;"
        f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}"
    )
    dsn = trip.server.dsn(trip.streamer.source.name, user=role, password="p")
    trip.streamer.overrides["POSTGRES_DSN"] = dsn

    await trip.assert_moved_whole(await trip.run(*mode))

    await trip.streamer.source.execute(f"DROP OWNED BY {role}; DROP ROLE {role}")


async def test_fault_17_a_server_without_a_free_connection_is_waited_for(trip: Trip) -> None:
    await trip.keep_keyed_tables()
    source = trip.streamer.source
    role = f"busy_{source.name}"
    await source.execute(
        f"CREATE ROLE {role} LOGIN PASSWORD 'p';"
        f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}"
    )
    dsn = trip.server.dsn(source.name, user=role, password="p")
    trip.streamer.overrides["POSTGRES_DSN"] = dsn
    freeing: list[asyncio.Task[None]] = []

    async def free_again() -> None:
        refused = f'too many connections for role "{role}"'
        while refused not in await asyncio.to_thread(lambda: trip.server.log):
            await terminate(source, NONE)
        await source.execute(f"ALTER ROLE {role} CONNECTION LIMIT -1")

    async def fill() -> None:
        await source.execute(f"ALTER ROLE {role} CONNECTION LIMIT 0")
        await terminate(source, ALL)
        freeing.append(asyncio.create_task(free_again()))

    await trip.assert_moved_whole(await trip.run(*ROLLING, act=fill))

    assert len(freeing) == 1
    await source.execute(f"DROP OWNED BY {role}; DROP ROLE {role}")


@dataclass
class Name:
    """What the command calls a host by, for which its resolver fails as often as is said."""

    file: Path

    def forget(self, times: int) -> None:
        self.file.write_text(str(times), encoding="ascii")

    @property
    def failures_left(self) -> int:
        return int(self.file.read_text(encoding="ascii"))


def named_source(trip: Trip) -> Name:
    """Have the command call the source by a name."""
    dsn = trip.streamer.overrides["POSTGRES_DSN"].replace("127.0.0.1", "source.test")
    name = Name(trip.streamer.folder / "failing_lookups")
    name.forget(0)
    trip.streamer.program = ("tests.stories.nameless",)
    trip.streamer.overrides |= {
        "POSTGRES_DSN": f"{dsn}?sslmode=disable",
        "NAMELESS_HOST": "source.test",
        "NAMELESS_FILE": str(name.file),
    }
    return name


async def test_fault_04_and_14_the_name_of_the_source_is_waited_for_once_it_was_known(
    trip: Trip,
) -> None:
    await trip.keep_keyed_tables()
    name = named_source(trip)

    async def forget() -> None:
        name.forget(6)
        trip.network.reset()

    done = await trip.run(*ROLLING, act=forget)

    await trip.assert_moved_whole(done)
    assert name.failures_left == 0
    assert "source.test" in done.stderr
    assert "isn't known for now" in done.stderr


async def test_fault_04_and_14_a_name_of_the_source_that_stays_unknown_ends_resumable(
    trip: Trip,
) -> None:
    await trip.keep_keyed_tables()
    name = named_source(trip)

    async def forget() -> None:
        name.forget(MANY)
        trip.network.reset()

    stopped = await trip.run(*ROLLING, "--give-up-after", "2s", act=forget)
    still_unknown = await trip.run("--resume", *ROLLING)
    name.forget(0)

    assert still_unknown.code == 75, still_unknown.said
    assert "isn't known for now" in still_unknown.stderr
    await trip.assert_resumable(stopped, *ROLLING)


async def test_fault_04_a_name_of_the_source_that_no_start_knew_is_told_at_once(
    trip: Trip,
) -> None:
    name = named_source(trip)
    name.forget(MANY)

    done = await trip.run()

    assert done.code == 1, done.said
    assert name.failures_left == MANY - 1
    assert "The host of source.test" in done.stderr
    assert "POSTGRES_HOST" in done.stderr
