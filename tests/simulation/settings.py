"""What one history is like: everything is drawn from its seed."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

from streamer.config import PacingSettings
from streamer.config.settings import MAX_SNAPSHOT_AGE_S
from streamer.model import Consistency, IfExists, IndexTiming, OnError, Pack, Pushdown, Rate
from tests.simulation.target import Network
from tests.simulation.trouble import Rates


@dataclass(frozen=True, slots=True)
class HistorySettings:
    """One history. `kills` processes die, `signals` are asked to stop, before one is left alone.

    `rows` is about how many each table has; `changes_s` the seconds between two transactions of
    somebody else's (0: none). `memory_bytes` is the run's byte budget. Of `clock_jumps`, wall time
    jumps at each start. `disk` is the probability that a write to the checkpoint fails. `restarts`
    starts begin anew. `if_exists` but FAIL: the target holds rows of others before the run. `poison`
    is the share of rows that D1 will never take: `on_error` is what the first runs do about them,
    `mends_target` whether what is mended then are D1's tables rather than the rows, `retry_kills` how
    many starts die that send such rows again. `loses` is the probability that the checkpoint is
    lost between two starts; it is made anew then. `late` is the one that requests about a run's marks
    are executed once more while the next start runs, `intrudes` the one that another run, with a
    checkpoint of its own, is started between two starts, and that a lost checkpoint is found again. With `timed`, those that are asked to stop
    are so by their --max-duration.
    """

    seed: int
    rows: int
    kills: int
    signals: int
    changes_s: float
    rates: Rates
    network: Network
    source_latency_s: float
    pacing: PacingSettings
    memory_bytes: int
    consistency: Consistency
    pack: Pack
    pushdown: Pushdown
    indexes: IndexTiming
    batch_size: int
    idle_s: float
    clock_jumps: bool
    disk: float
    restarts: int = 0
    if_exists: IfExists = IfExists.FAIL
    poison: float = 0.0
    max_rejects: int = 1_000
    loses: float = 0.0
    late: float = 0.0
    on_error: OnError = OnError.REJECT
    mends_target: bool = False
    retry_kills: int = 0
    intrudes: float = 0.0
    timed: bool = False
    max_snapshot_age_s: float = MAX_SNAPSHOT_AGE_S

    def undisturbed(self, concurrency: int, if_exists: IfExists = IfExists.FAIL) -> HistorySettings:
        """The same, save that nothing goes wrong: for a test that does one thing to it."""
        return replace(
            self,
            kills=0,
            signals=0,
            restarts=0,
            poison=0.0,
            if_exists=if_exists,
            changes_s=0.0,
            rates=Rates(),
            clock_jumps=False,
            disk=0.0,
            idle_s=0.0,
            consistency=Consistency.SNAPSHOT,
            pacing=replace(self.pacing, rate=None, concurrency=concurrency, batch_bytes=1_500),
        )

    @classmethod
    def of(cls, seed: int) -> HistorySettings:
        dice = random.Random(f"settings {seed}")
        wild = dice.random() < 0.6
        changes = dice.choice([0.0, 0.0, 0.05, 1.0])
        return cls(
            seed=seed,
            rows=dice.choice([3, 30, 100, 300]),
            kills=dice.choice([0, 1, 2, 3, 5]),
            signals=dice.choice([0, 0, 0, 1]),
            changes_s=changes,
            rates=_rates(dice) if wild else Rates(),
            network=Network(
                there_s=dice.choice([0.005, 0.05, 1.0]),
                back_s=dice.choice([0.005, 0.05, 1.0]),
                service_s=dice.choice([0.001, 0.01, 0.3]),
            ),
            source_latency_s=dice.choice([0.0, 0.01, 0.5]),
            pacing=PacingSettings(
                rate=dice.choice([None, Rate(30, 20), Rate(60, 60), Rate(1080, 300)]),
                concurrency=dice.choice([None, None, 1, 2, 4, 8]),
                batch_bytes=dice.choice([None, 1_500, 4_000, 20_000]),
                give_up_after_s=dice.choice([300.0, 3_600.0, 6 * 3_600.0]),
            ),
            memory_bytes=dice.choice([10_000, 100_000, 24 << 20]),
            consistency=dice.choice([Consistency.SNAPSHOT, Consistency.ROLLING]),
            pack=dice.choice([Pack.AUTO, Pack.AUTO, Pack.VALUES, Pack.ROWS]),
            pushdown=dice.choice([Pushdown.AUTO, Pushdown.AUTO, Pushdown.TEXT, Pushdown.JSON]),
            indexes=dice.choice(list(IndexTiming)),
            batch_size=dice.choice([100, 100, 7, 1]),
            idle_s=dice.choice([0.0, 0.0, 60.0]),
            clock_jumps=dice.random() < 0.3,
            disk=dice.choice([0.0, 0.0, 0.0, 0.002]),
            restarts=dice.choice([0, 0, 0, 1]),
            if_exists=dice.choice([*[IfExists.FAIL] * 3, IfExists.UPSERT, IfExists.REPLACE]),
            poison=dice.choice([0.0, 0.0, 0.02, 0.2]),
            max_rejects=dice.choice([1_000, 1_000, 2]),
            loses=dice.choice([0.0, 0.0, 0.5]),
            late=dice.choice([0.0, 0.5]),
            on_error=dice.choice([OnError.REJECT, OnError.REJECT, OnError.STOP]),
            mends_target=dice.random() < 0.3,
            retry_kills=dice.choice([0, 0, 1, 2]),
            intrudes=dice.choice([0.0, 0.0, 0.5]),
            timed=dice.random() < 0.5,
            max_snapshot_age_s=dice.choice([MAX_SNAPSHOT_AGE_S, MAX_SNAPSHOT_AGE_S, 900.0]),
        )


def _rates(dice: random.Random) -> Rates:
    return Rates(
        request=dice.choice([0.0, 0.02, 0.1, 0.3]),
        statement=dice.choice([0.0, 0.01, 0.05]),
        connect=dice.choice([0.0, 0.05]),
        restart=dice.choice([0.0, 0.0, 0.002]),
        outage=dice.choice([0.0, 0.0, 0.01]),
        outage_s=dice.choice([60.0, 900.0, 8_000.0]),
        quota=dice.choice([0.0, 0.0, 0.003]),
        quiet_at=dice.choice([600.0, 6_000.0, 30_000.0]),
    )
