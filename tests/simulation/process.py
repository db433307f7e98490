"""One start of `streamer run`: the product's own code between the models of both ends."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Any

import checkpoints.store
import streamer.pipeline.mover
import streamer.postgres.source
import streamer.run.job
import streamer.run.sources
import streamer.run.start
from streamer.config import Config, RunSettings, SourceSettings, TargetSettings
from streamer.d1 import open_database
from streamer.errors import ExitCode, StreamerError
from streamer.model import IfExists, OnError, Secret
from streamer.pipeline import Limits
from streamer.pipeline.budget import ByteBudget
from streamer.postgres.patience import Patience
from streamer.progress import Events
from tests.simulation.changes import change
from tests.simulation.checkpoint import InlineConnection, full
from tests.simulation.clock import ProcessDiedError, VirtualLoop, play
from tests.simulation.rows import Postgres
from tests.simulation.sessions import Died, ModelConnector
from tests.simulation.settings import HistorySettings
from tests.simulation.target import ACCOUNT, D1, DATABASE, ModelTransport
from tests.simulation.trouble import SourceTrouble
from tests.stories.reports import read_report

_LONGEST = 1_000_000  # steps of one process
_CHANGES = 150  # of the source while one process runs
_SOURCE = SourceSettings(host="127.0.0.1", database="shop", user="u", sslmode="disable")
_TARGET = TargetSettings(ACCOUNT, DATABASE, Secret("canary-token"))


class TooMuchHeldError(AssertionError):
    """More bytes were held than the budget allows."""


class WatchedBudget(ByteBudget):
    """The budget, and a look at it after each taking."""

    async def take(self, size: int) -> None:
        await super().take(size)
        if self.used > self._limit and self.used > size:
            raise TooMuchHeldError(f"{self.used} of {self._limit} bytes are held")


@dataclass(slots=True)
class SimulatedClock:
    """The process's clocks: the monotonic one stands still while the machine sleeps, wall time jumps."""

    world: World

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time() - self.world.booted

    def wall(self) -> float:
        return asyncio.get_running_loop().time() + self.world.asleep + self.world.wall_ahead

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


@dataclass(frozen=True, slots=True)
class Death:
    """When a process dies: at that `step`, or so many steps behind its request number `request`."""

    step: int
    request: int | None = None


class Mode(Enum):
    """What is asked of a process."""

    FIRST = "a run"
    RESUME = "--resume"
    REBUILD = "--resume --rebuild-checkpoint"
    RESTART = "--restart"
    RETRY = "--retry-rejects"


@dataclass(frozen=True, slots=True)
class Ended:
    """How a process ended: its exit code (None: killed), what it said, and when.

    `errors` are those of its report. `signalled_at`: when it was asked to stop, if it was.
    """

    code: ExitCode | None
    said: str
    at: float
    steps: int
    signalled_at: float | None = None
    errors: tuple[str, ...] = ()


@dataclass(slots=True)
class World:
    """What outlives a process: both ends, the clock, and the machine's files in `folder`.

    The checkpoint is called `checkpoint_name` there.
    `if_exists`, `max_rejects` and `on_error` are what runs are told. The machine's time is `now`; it was `asleep` for so many seconds, which the others have seen.
    """

    settings: HistorySettings
    server: Postgres
    d1: D1
    source_trouble: SourceTrouble
    folder: Path
    now: float = 0.0
    booted: float = 0.0
    asleep: float = 0.0
    wall_ahead: float = 1_800_000_000.0
    if_exists: IfExists = IfExists.FAIL
    max_rejects: int = 1_000
    on_error: OnError = OnError.STOP
    checkpoint_name: str = "streamer.checkpoint.db"
    dice: random.Random = field(default_factory=random.Random)

    @property
    def true_now(self) -> float:
        """What a clock says that never slept, as those of D1 are."""
        return self.now + self.asleep

    @property
    def checkpoint(self) -> Path:
        return self.folder / self.checkpoint_name


class Process:
    """One start, asked for `mode`."""

    def __init__(
        self,
        world: World,
        mode: Mode,
        *,
        death: Death | None = None,
        stop_after: float | None = None,
        max_duration: float | None = None,
        liveness: Died | None = None,
    ) -> None:
        self.world = world
        self.liveness = liveness or Died()
        self._loop = VirtualLoop(world.now)
        self._began = world.now
        self.events = Events(self._loop.time)
        self.watch: Callable[[float], None] | None = None
        self._mode = mode
        self._death = death
        self._stop_after = stop_after
        self._max_duration = max_duration
        self._signalled_at: float | None = None
        self._transport = ModelTransport(world.d1, self.liveness, lambda: world.asleep)
        self._requests_before = len(world.d1.arrivals)
        self._die_at = death.step if death is not None and death.request is None else None

    def die(self) -> None:
        """Let the process die before its next step."""
        self._die_at = 0

    def play(self) -> Ended:
        """Run until it ends or dies."""
        self._loop.watch = self._watch
        code, said, errors = None, "killed", tuple[str, ...]()
        with self._in_place():
            try:
                code = play(self._loop, self._main())
                errors = tuple(read_report(self.world.folder / "run_report.json")["errors"])
                said = "; ".join(errors)
            except ProcessDiedError:
                pass
            except StreamerError as error:
                code, said = error.exit_code, f"{type(error).__name__}: {error.what}"
        if code is not None:
            self.world.now = self._loop.time()
        asked_at = self._signalled_at
        if self._max_duration is not None and self._began + self._max_duration <= self.world.now:
            asked_at = self._began + self._max_duration
        return Ended(code, said, self.world.now, self._loop.steps, asked_at, errors)

    async def _main(self) -> ExitCode:
        stop = asyncio.Event()
        beside = [asyncio.ensure_future(self._others()), asyncio.ensure_future(self._clocks())]
        if self._stop_after is not None:
            beside.append(asyncio.ensure_future(self._signal(stop, self._stop_after)))
        try:
            return await streamer.run.start.run(self._config(), self.events, stop)
        finally:
            for task in beside:
                task.cancel()

    async def _others(self) -> None:
        """What somebody else does to the source's rows."""
        every_s = self.world.settings.changes_s
        for _ in range(_CHANGES if every_s else 0):
            await asyncio.sleep(self.world.dice.random() * 2 * every_s)
            change(self.world.server, self.world.dice)

    async def _clocks(self) -> None:
        """What happens to the machine's: somebody sets them, or closes the lid."""
        dice = random.Random(f"clocks {self.world.now}")
        while self.world.settings.clock_jumps:
            await asyncio.sleep(dice.random() * 120)
            self.world.wall_ahead += dice.choice([-86_400.0, -1.0, 3_600.0, 86_400.0])
            self.world.asleep += dice.choice([0.0, 0.0, 3_600.0])

    async def _signal(self, stop: asyncio.Event, after_s: float) -> None:
        await asyncio.sleep(after_s)
        self._signalled_at = self._loop.time()
        stop.set()

    def _watch(self) -> None:
        assert self._loop.steps < _LONGEST, "it never ends"
        if self.watch is not None:
            self.watch(self._loop.time())
        if self._die_at is not None and self._loop.steps >= self._die_at:
            self.liveness.is_dead = True
            self.world.now = self._loop.time()
            keep_files(self.world)
            raise ProcessDiedError
        death = self._death
        if self._die_at is not None or death is None or death.request is None:
            return
        if len(self.world.d1.arrivals) - self._requests_before >= death.request:
            self._die_at = self._loop.steps + death.step

    def _config(self) -> Config:
        chosen, folder = self.world.settings, self.world.folder
        return Config(
            source=_SOURCE,
            target=_TARGET,
            pacing=chosen.pacing,
            run=RunSettings(
                checkpoint=self.world.checkpoint,
                report=folder / "run_report.json",
                batch_size=chosen.batch_size,
                pack=chosen.pack,
                pushdown=chosen.pushdown,
                consistency=chosen.consistency,
                indexes=chosen.indexes,
                if_exists=self.world.if_exists,
                on_error=self.world.on_error,
                max_rejects=self.world.max_rejects,
                max_duration_s=self._max_duration,
                max_snapshot_age_s=chosen.max_snapshot_age_s,
                resume=self._mode in {Mode.RESUME, Mode.REBUILD},
                rebuild_checkpoint=self._mode is Mode.REBUILD,
                restart=self._mode is Mode.RESTART,
                retry_rejects=self._mode is Mode.RETRY,
            ),
        )

    @contextmanager
    def _in_place(self) -> Generator[None]:
        """Put the models where the product looks for the world."""
        world = self.world
        clock = SimulatedClock(world)

        async def open_target(
            _target: Any, pacing: Any, observer: Any, *, stranger: bool = False
        ) -> Any:
            return await open_database(
                _TARGET,
                pacing,
                observer,
                clock=clock,
                random=world.dice.random,
                transport=self._transport,
                state=world.folder / "state",
                stranger=stranger,
            )

        async def read_catalog(_session: Any, _schemas: Any = None) -> Any:
            return world.server.catalog

        connector = partial(
            ModelConnector,
            server=world.server,
            trouble=world.source_trouble,
            process=self.liveness,
        )

        def connection(path: Path) -> InlineConnection:
            return InlineConnection(path, self.liveness, self._write_to_disk)

        patience = partial(Patience, clock=self._loop.time, dice=world.dice.random)
        changes: list[tuple[Any, str, Any]] = [
            (checkpoints.store, "_with_daemon_thread", connection),
            (streamer.postgres.source, "Connector", connector),
            (streamer.postgres.source, "read_catalog", read_catalog),
            (streamer.run.sources, "Patience", patience),
            (streamer.run.start, "open_target", open_target),
            (streamer.run.job, "Limits", partial(Limits, memory_bytes=world.settings.memory_bytes)),
            (streamer.pipeline.mover, "ByteBudget", WatchedBudget),
        ]
        kept = [(place, name, getattr(place, name)) for place, name, _ in changes]
        try:
            for place, name, value in changes:
                setattr(place, name, value)
            yield
        finally:
            for place, name, value in kept:
                setattr(place, name, value)

    def _write_to_disk(self, sql: str) -> None:
        world = self.world
        quiet = self._loop.time() >= world.settings.rates.quiet_at
        writes = sql.startswith(("INSERT", "COMMIT"))
        if writes and not quiet and world.dice.random() < world.settings.disk:
            raise full()


def keep_files(world: World) -> None:
    """Let the next process find the files as they are now, whatever this one still does to them."""
    number = int(world.folder.name) + 1
    after = world.folder.with_name(str(number))
    _copy(world.folder, after)
    world.folder = after


def _copy(before: Path, after: Path) -> None:
    after.mkdir()
    for path in before.iterdir():
        if path.is_dir():
            _copy(path, after / path.name)
        elif not path.name.endswith("-shm"):
            (after / path.name).write_bytes(path.read_bytes())
