"""One history: a run is started, killed and resumed until it is done, and judged all the way."""

from __future__ import annotations

import random
import re
import tempfile
from dataclasses import dataclass
from math import exp, log
from pathlib import Path

from streamer.errors import ExitCode
from tests.simulation import shapes
from tests.simulation.oracle import BrokenPromiseError, Oracle
from tests.simulation.process import Death, Ended, Process, World
from tests.simulation.rows import Postgres
from tests.simulation.settings import HistorySettings
from tests.simulation.target import D1
from tests.simulation.trouble import Fate, SourceTrouble, TargetTrouble

_STARTS = 80
_STALE = re.compile(r"\w+: D1 holds [\d,]+ rows, [\d,]+ were moved")


@dataclass(frozen=True, slots=True)
class Told:
    """What a history came to."""

    seed: int
    starts: int
    kills: int
    requests: int
    steps: int
    hours: float
    fates: dict[Fate, int]


def play_history(settings: HistorySettings, parent: Path | None = None) -> Told:
    """Play it to its end.

    Raises:
        BrokenPromiseError: a promise was broken.
        Any other exception: the run crashed, or never ends.

    """
    with tempfile.TemporaryDirectory(dir=parent or _memory()) as folder:
        return History(settings, Path(folder)).play()


class History:
    """One history, which keeps its files in `folder`; `server`: not the one of its seed."""

    def __init__(
        self, settings: HistorySettings, folder: Path, server: Postgres | None = None
    ) -> None:
        self._settings = settings
        self._dice = random.Random(f"history {settings.seed}")
        server = server or shapes.make(random.Random(f"rows {settings.seed}"), settings.rows)
        server.idle_s = settings.idle_s
        target_trouble = TargetTrouble(random.Random(f"target {settings.seed}"), settings.rates)
        source_dice = random.Random(f"source {settings.seed}")
        files = folder / "1"
        files.mkdir(parents=True)
        self.world = World(
            settings,
            server,
            D1(target_trouble, settings.network, settings.pacing.rate),
            SourceTrouble(source_dice, settings.rates, settings.source_latency_s),
            files,
            dice=random.Random(f"process {settings.seed}"),
        )
        self.oracle = Oracle(self.world, server.transaction)
        self._kills = self._signals = self._steps = 0

    def play(self) -> Told:
        """Play it to its end; raises as `play_history` does."""
        return self.play_on(1)

    def play_on(self, first: int = 2) -> Told:
        """Play the starts from number `first` on; all but the first one resume."""
        for number in range(first, _STARTS + 1):
            ended = self._start(number)
            self._steps += ended.steps
            self.world.d1.execute_due(self.world.true_now)
            if ended.code is ExitCode.DONE or self._is_stale(number, ended):
                self.oracle.at_the_end()
                return self._told(number)
            if ended.code not in {None, ExitCode.RESUMABLE}:
                raise BrokenPromiseError(f"start {number} ended with {ended.code!r}: {ended.said}")
            self.oracle.after_crash()
            self._pass_time()
        raise BrokenPromiseError(f"not done after {_STARTS} starts: {ended.said}")

    def _start(self, number: int) -> Ended:
        death, stop_after = None, None
        if self._kills < self._settings.kills:
            self._kills += 1
            death = self._death()
        elif self._signals < self._settings.signals:
            self._signals += 1
            stop_after = exp(self._dice.uniform(log(0.05), log(300.0)))
        return Process(self.world, resume=number > 1, death=death, stop_after=stop_after).play()

    def _death(self) -> Death:
        if self._dice.random() < 0.5:
            return Death(int(exp(self._dice.uniform(log(20), log(20_000)))))
        return Death(self._dice.randrange(120), request=self._dice.randint(1, 60))

    def _is_stale(self, starts: int, ended: Ended) -> bool:
        """Whether it says that rows in D1 were deleted from the source before a resume read them.

        They had been executed, but not acknowledged, when the run was killed.
        """
        problems = ended.said.split("; ")[::2]
        resumed = starts > 1 and self._settings.changes_s > 0
        said = all(_STALE.fullmatch(problem) for problem in problems)
        return ended.code is ExitCode.INCOMPLETE and resumed and said

    def _pass_time(self) -> None:
        """Until somebody starts it again; meanwhile rows change, and clocks may be set."""
        dice, world = self._dice, self.world
        world.now += dice.choice([0.0, 1.0, 60.0, 3_600.0])
        world.d1.execute_due(world.true_now)
        if self._settings.changes_s:
            for _ in range(dice.randrange(10)):
                shapes.change(world.server, dice)
        world.server.exported.clear()
        if self._settings.clock_jumps:
            world.wall_ahead += dice.choice([-86_400.0, -3_600.0, 0.0, 3_600.0, 86_400.0])
            if dice.random() < 0.3:
                world.booted = world.now

    def _told(self, starts: int) -> Told:
        d1 = self.world.d1
        return Told(
            self._settings.seed,
            starts,
            self._kills,
            len(d1.arrivals),
            self._steps,
            self.world.now / 3_600,
            d1.fates,
        )


def _memory() -> str | None:
    """A folder in memory, where fsync costs nothing."""
    return "/dev/shm" if Path("/dev/shm").is_dir() else None
