"""One history: a run is started, killed and resumed until it is done, and judged all the way."""

from __future__ import annotations

import random
import re
import tempfile
from dataclasses import dataclass
from math import exp, log
from pathlib import Path

from checkpoints import peek
from streamer.errors import ExitCode
from streamer.model import IfExists, OnError
from streamer.run.states import RunState
from tests.simulation import shapes
from tests.simulation.before import heal, if_exists_of, prepare
from tests.simulation.changes import change
from tests.simulation.oracle import BrokenPromiseError, Oracle
from tests.simulation.process import Death, Ended, Mode, Process, World
from tests.simulation.rows import Postgres
from tests.simulation.settings import HistorySettings
from tests.simulation.target import D1
from tests.simulation.trouble import Fate, SourceTrouble, TargetTrouble

_STARTS = 80
_LONGEST_QUOTA_S = 7_200.0
_LONGEST_STOP_S = 30.0
_OTHER, _FOUND = "other.checkpoint.db", "found.checkpoint.db"  # checkpoints beside the run's own
_STALE = re.compile(r"\w+: D1 holds [\d,]+ rows, [\d,]+ were moved; compare both sides, .*")
_REJECTED = re.compile(r"rejected: [\d,]+ rows?(, in .*)?")
_POISONED = re.compile(r".*CHECK constraint failed.*", re.DOTALL)
_TOO_MANY = re.compile(r".*that makes more than [\d,]+ rejected rows", re.DOTALL)


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
        plans = self.oracle.plans
        self.world.if_exists = if_exists_of(settings, plans)
        self.world.max_rejects = settings.max_rejects
        if settings.poison:
            self.world.on_error = settings.on_error
        self.oracle.others = prepare(settings, server, self.world.d1, plans)
        self._kills = self._signals = self._restarts = self._steps = 0
        self._losing = random.Random(f"losing {settings.seed}")
        self._late = random.Random(f"late {settings.seed}")
        self._intruding = random.Random(f"intruding {settings.seed}")
        self._claimed = self._lost = self._anew = False

    def play(self) -> Told:
        """Play it to its end; raises as `play_history` does."""
        return self.play_on(1)

    def play_on(self, first: int = 2) -> Told:
        """Play the starts from number `first` on; all but the first one resume, or start over."""
        for number in range(first, _STARTS + 1):
            ended = self._start(number)
            if self._lost and ended.said.startswith("UsageError: D1 holds no ledger"):
                if self._claimed:  # it had given everything back, and only to say that it is done
                    return self._told(number)
                self._lost, self._anew = False, True
                continue
            if ended.code is ExitCode.DONE or self._is_done_but(number, ended):
                self.oracle.at_the_end()
                if self.oracle.refused:
                    self._retry()
                return self._told(number)
            if _TOO_MANY.match(ended.said):
                self.world.max_rejects = 100_000
            elif self._is_stopped_by_poison(ended):
                self._act()
            elif ended.code not in {None, ExitCode.RESUMABLE}:
                raise BrokenPromiseError(f"start {number} ended with {ended.code!r}: {ended.said}")
            self.oracle.after_crash()
            self._pass_time()
            self._intrude()
            self._lose()
        raise BrokenPromiseError(f"not done after {_STARTS} starts: {ended.said}")

    def _start(self, number: int) -> Ended:
        death, stop_after, max_duration = None, None, None
        if self._kills < self._settings.kills:
            self._kills += 1
            death = self._death()
        elif self._signals < self._settings.signals:
            self._signals += 1
            after_s = exp(self._dice.uniform(log(0.05), log(300.0)))
            stop_after, max_duration = (None, after_s) if self._settings.timed else (after_s, None)
        mode = self._mode(number)
        process = Process(
            self.world, mode, death=death, stop_after=stop_after, max_duration=max_duration
        )
        return self._played(process)

    def _process(self, mode: Mode, death: Death | None = None) -> Ended:
        return self._played(Process(self.world, mode, death=death))

    def _played(self, process: Process) -> Ended:
        server = self.world.server
        seen = server.transaction, len(server.moments)
        ended = process.play()
        self._steps += ended.steps
        self.world.d1.execute_due(self.world.true_now)
        self.oracle.take_note(*seen)
        if ended.signalled_at is not None and ended.code is not None:
            took_s = ended.at - ended.signalled_at
            if took_s > _LONGEST_STOP_S:
                raise BrokenPromiseError(f"asked to stop, it took {took_s:.0f} s: {ended.said}")
        return ended

    def _mode(self, number: int) -> Mode:
        if number == 1 or self._anew:
            self._anew = False
            return Mode.FIRST
        if self._lost:
            return Mode.REBUILD
        upserts = self.world.if_exists is IfExists.UPSERT  # what an abandoned run wrote stays then
        if self._restarts < self._settings.restarts and not upserts and self._dice.random() < 0.5:
            saved = peek(self.world.checkpoint)
            if (
                saved is None or saved.run.state != RunState.DONE
            ):  # else it was killed with nothing left
                self._restarts += 1
                return Mode.RESTART
        return Mode.RESUME

    def _intrude(self) -> None:
        """Another run may be started into the same tables, or the checkpoint that was lost be found.

        Both leave the tables to the run that has them.
        """
        owner = self._newest_owner()
        if owner is None:
            return
        if self._intruding.random() < self._settings.intrudes:
            self._play_beside(_OTHER, Mode.FIRST)
        lost = peek(self.world.folder / _FOUND)
        if lost is not None and owner > lost.run.epoch:
            self._play_beside(_FOUND, Mode.RESUME)

    def _newest_owner(self) -> int | None:
        """The epoch of the newest start whose marks are in the target."""
        ask = self.world.d1.database.ask
        there = ask("SELECT 1 FROM sqlite_schema WHERE name = '_streamer_owner'")
        owners = ask("SELECT CAST(epoch AS TEXT) FROM _streamer_owner") if there else []
        return max((int(epoch) for (epoch,) in owners), default=None)

    def _play_beside(self, name: str, mode: Mode) -> None:
        """Play a start with a checkpoint of its own, called `name`, which is refused."""
        world = self.world
        own, moments = world.checkpoint_name, len(world.server.moments)
        world.checkpoint_name = name
        ended = Process(world, mode).play()
        world.checkpoint_name = own
        for path in world.folder.glob(f"{name}*"):
            path.unlink()
        del world.server.moments[moments:]
        world.d1.execute_due(world.true_now)
        if ended.code not in {ExitCode.FAILED, ExitCode.USAGE, ExitCode.RESUMABLE}:
            raise BrokenPromiseError(f"{name} ended with {ended.code!r}: {ended.said}")
        self.oracle.after_crash()

    def _lose(self) -> None:
        """The checkpoint may be lost, and found later; the next starts make it anew where it isn't there."""
        saved = peek(self.world.checkpoint)
        self._claimed |= saved is not None and bool(saved.run.document.get("claimed"))
        if not self._settings.restarts and self._losing.random() < self._settings.loses:
            self._lost = True
            is_found = self._intruding.random() < self._settings.intrudes
            own = self.world.checkpoint_name
            for path in self.world.folder.glob(f"{own}*"):
                if is_found:
                    path.replace(path.with_name(path.name.replace(own, _FOUND)))
                else:
                    path.unlink()

    def _death(self) -> Death:
        if self._dice.random() < 0.5:
            return Death(int(exp(self._dice.uniform(log(20), log(20_000)))))
        return Death(self._dice.randrange(120), request=self._dice.randint(1, 60))

    def _is_stopped_by_poison(self, ended: Ended) -> bool:
        stops = self._settings.poison and self.world.on_error is OnError.STOP
        return bool(stops and ended.code is ExitCode.FAILED and _POISONED.fullmatch(ended.said))

    def _act(self) -> None:
        """Do what somebody does whose run was stopped by a row: mend such rows, or have them rejected."""
        if self._dice.random() < 0.3:
            self._heal()
        else:
            self.world.on_error = OnError.REJECT

    def _heal(self) -> None:
        world, in_target = self.world, self._settings.mends_target
        heal(world.server, world.d1, self.oracle.plans, in_target=in_target)

    def _retry(self) -> None:
        """Send rejected rows again, in vain perhaps; mend what D1 refuses, and then nothing is left out."""
        self.oracle.retried = True
        self.oracle.refused.sent_again = {**self.oracle.refused.rejected}
        if self._dice.random() < 0.3:
            self._send_again()
            if not self.oracle.refused:
                return
        self._heal()
        for left in reversed(range(1 + self._settings.retry_kills)):
            ended = self._send_again(self._death() if left else None)
            if ended.code is not None:
                break
        if ended.code is not ExitCode.DONE and not all(map(_STALE.fullmatch, ended.errors)):
            raise BrokenPromiseError(f"sending again ended with {ended.code!r}: {ended.said}")
        if self.oracle.refused:
            raise BrokenPromiseError(f"still rejected: {self.oracle.refused.rejected}")

    def _send_again(self, death: Death | None = None) -> Ended:
        """Send rejected rows again, until that isn't cut short but by `death`, and look at the target."""
        for again in range(_STARTS):
            if again:
                self.oracle.after_crash()
                self.world.now += self._dice.choice([1.0, 60.0, 3_600.0])
                self.world.d1.execute_due(self.world.true_now)
            if again == _STARTS // 2:
                quiet = self._settings.rates.quiet_at + _LONGEST_QUOTA_S
                self.world.now = max(self.world.now, quiet)
            self.world.server.exported.clear()
            self._execute_late()
            ended = self._process(Mode.RETRY, death)
            if ended.code is ExitCode.FAILED:
                raise BrokenPromiseError(f"sending again ended with {ended.code!r}: {ended.said}")
            if ended.code in {ExitCode.DONE, ExitCode.INCOMPLETE}:
                self.oracle.at_the_end()
                return ended
            if ended.code is None:
                return ended
        raise BrokenPromiseError(f"not sent again after {_STARTS} starts: {ended.said}")

    def _is_done_but(self, starts: int, ended: Ended) -> bool:
        """Whether it is done, but says that rows are rejected, or that D1 holds more than it moved.

        The latter may be where rows were deleted from the source before a resume read them: they had
        been executed, but not acknowledged, when the run was killed.
        """
        resumed = starts > 1 and self._settings.changes_s > 0
        said = all(
            (_REJECTED.fullmatch(problem) and self._settings.poison)
            or (resumed and _STALE.fullmatch(problem))
            for problem in ended.errors
        )
        return ended.code is ExitCode.INCOMPLETE and said

    def _pass_time(self) -> None:
        """Until somebody starts it again; meanwhile rows change, and clocks may be set."""
        dice, world = self._dice, self.world
        world.now += dice.choice([0.0, 1.0, 60.0, 3_600.0])
        world.d1.execute_due(world.true_now)
        if self._settings.changes_s:
            for _ in range(dice.randrange(10)):
                change(world.server, dice)
        world.server.exported.clear()
        if self._settings.clock_jumps:
            world.wall_ahead += dice.choice([-86_400.0, -3_600.0, 0.0, 3_600.0, 86_400.0])
            if dice.random() < 0.3:
                world.booted = world.now
        self._execute_late()

    def _execute_late(self) -> None:
        self.world.d1.again_late(self._late, self.world.true_now, self._settings.late)

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
