"""G: what settings find by themselves beside fixed ones, on the real D1 engine, tables of four shapes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median

from bench.bars import Measured, Verdict, at_least
from bench.figures import Figures, medians
from bench.lab import Lab, say
from bench.run import move
from bench.work import BENCH, FAT, NARROW, WIDE, Work

BARS = ("G",)
ROUNDS = 3
SHARES: tuple[tuple[Work, float], ...] = ((BENCH, 0.3), (NARROW, 0.2), (WIDE, 1.0), (FAT, 1.0))
"""How much of each table, so that all of them take a few seconds."""


@dataclass(frozen=True, slots=True)
class Setting:
    """How many requests at once and how many bytes in one; found by itself where there are none."""

    requests: int = 0
    batch_bytes: int = 0

    @property
    def options(self) -> tuple[str, ...]:
        """Those of `streamer run`."""
        if not self.requests:
            return ()
        return f"--concurrency={self.requests}", f"--batch-bytes={self.batch_bytes}"

    @property
    def name(self) -> str:
        """As it stands in tables."""
        if not self.requests:
            return "found by itself"
        return f"{self.requests} at once, {self.batch_bytes / 1e6:.0f} MB"


FOUND = Setting()
NOTE = f"""\
The speed in that of each fixed setting, each round by itself, the median of {ROUNDS} rounds; the least of
these is the figure."""
FIXED = (
    Setting(1, 4_000_000),
    Setting(2, 4_000_000),
    Setting(3, 2_000_000),
    Setting(4, 4_000_000),
    Setting(6, 1_000_000),
)
Runs = Mapping[Setting, Sequence[Figures]]
"""A run of each setting a round, round by round."""


def measure(lab: Lab) -> Measured:
    """Every table by every setting in turn, each time beginning with another."""
    lines: list[Figures] = []
    verdicts: list[Verdict] = []
    for work, share in SHARES:
        runs = _in_turn(lab, work, lab.rows_of(work, share))
        lines += [
            replace(medians(found), name=f"{work.name}: {setting.name}")
            for setting, found in runs.items()
        ]
        verdicts.append(judged(work.name, runs))
    return Measured(
        f"Settings that are found, beside the best of {len(FIXED)} fixed ones, on a local D1",
        (*lines,),
        (*verdicts,),
        (NOTE,),
    )


def judged(name: str, runs: Runs) -> Verdict:
    """The speed of what was found, in that of the fixed setting that was fastest beside it.

    Compared round by round: what slows a machine down for a while slows down all of a round.
    """
    found = runs[FOUND]
    shares = {
        setting: median(one.wall_s / ours.wall_s for one, ours in zip(fixed, found, strict=True))
        for setting, fixed in runs.items()
        if setting != FOUND
    }
    best = min(shares, key=lambda setting: shares[setting])
    return at_least("G", f"speed, in the best's: {name}, {best.name}", shares[best], 0.9)


def _in_turn(lab: Lab, work: Work, rows: int) -> dict[Setting, list[Figures]]:
    settings = (*FIXED, FOUND)
    runs: dict[Setting, list[Figures]] = {setting: [] for setting in settings}
    for number in range(ROUNDS):
        say(f"round {number + 1} of {ROUNDS}: {rows:,} rows of {work.name}")
        first = number * len(settings) // ROUNDS
        for setting in (*settings[first:], *settings[:first]):
            with lab.target(work, rows) as ends:
                runs[setting].append(move(ends, setting.options))
    return runs
