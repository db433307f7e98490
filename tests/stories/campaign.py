"""Runs of `busy.sql` that are killed with -9 at random moments, over and over, until they are done."""

from __future__ import annotations

import asyncio
import random
import uuid
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from checkpoints import peek
from tests.engines.d1server import D1Server
from tests.engines.postgres import Database, Postgres
from tests.stories import busy
from tests.stories.command import Streamer
from tests.stories.compare import quoted
from tests.stories.forked import run_or_kill

KILLED, DONE, INCOMPLETE = -9, 0, 3
NOT_PLAIN = {"chicken", "egg", "store", "employee"}
"""Staged, or loaded twice: their steps' rows are not simply those of the table."""


@dataclass
class Pace:
    """How long a start takes that isn't killed: most moments are drawn from its first half."""

    takes_s: float = 0.5

    def moment_s(self, dice: random.Random) -> float:
        """When to kill the next start; so that a run meets several kills, rather early than late."""
        return 0.02 + self.takes_s * dice.random() ** 1.3

    def ended(self, after_s: float) -> None:
        """A start came to its end by itself."""
        self.takes_s = (self.takes_s + after_s) / 2


@dataclass
class History:
    """One run, from its first start to its end."""

    streamer: Streamer
    dice: random.Random
    pace: Pace
    kills: int = 0
    starts: int = 0

    @property
    def options(self) -> tuple[str, ...]:
        """Options that are free at every start."""
        choice = self.dice.choice
        return (
            *("--progress", "none", "--rate-limit", "none"),
            *("--batch-bytes", choice(("1200", "2500", "6000"))),
            *("--concurrency", choice(("1", "2", "4"))),
            *("--consistency", choice(("snapshot", "snapshot", "rolling"))),
            *("--pack", choice(("auto", "auto", "values"))),
        )

    async def start(self, *more: str, kill: bool) -> tuple[int, str]:
        """Start the command once, and kill it if it gets that far; how it ended, and its words."""
        self.starts += 1
        clock = asyncio.get_running_loop().time
        begun = clock()
        code, said = await run_or_kill(
            ("run", *self.options, *more),
            folder=self.streamer.folder,
            environment=self.streamer.environment,
            kill_after_s=self.pace.moment_s(self.dice) if kill else None,
        )
        self.kills += code == KILLED
        if code != KILLED:
            self.pace.ended(clock() - begun)
        return code, said

    async def to_its_end(self, *first: str, kills: int, exact: bool = True) -> None:
        """Kill it `kills` times, or as often as it takes to be done, and let it finish.

        Where it needn't be `exact`, it may end with having found more rows in D1 than it moved.
        """
        before = self.kills
        more = first
        while True:
            code, said = await self.start(*more, kill=self.kills - before < kills)
            self.look_at_the_checkpoint()
            if code == DONE or (code == INCOMPLETE and not exact and self.only_miscounted):
                return
            assert code == KILLED, said
            # A run that was killed before it wrote anything down begins as it did the first time.
            begun = peek(self.streamer.checkpoint)
            more = ("--resume",) if begun is not None and begun.run.state != "done" else first

    @property
    def only_miscounted(self) -> bool:
        """Rows were deleted in the source that a killed start had sent, but not written down."""
        errors = self.streamer.report["errors"]
        return all("were moved; compare both sides" in error for error in errors)

    def look_at_the_checkpoint(self) -> None:
        """No table has fewer rows in the target than the checkpoint says it acknowledged."""
        saved = peek(self.streamer.checkpoint)
        plain = [
            step
            for step in (saved.steps if saved is not None else ())
            if step.kind == "rows" and step.rows and step.document["target"] not in NOT_PLAIN
        ]
        if not plain:
            return
        counted = self.streamer.target.batch(
            self.streamer.uuid,
            [(f"SELECT count(*) FROM {quoted(str(s.document['target']))}", ()) for s in plain],
        )
        for step, result in zip(plain, counted, strict=True):
            assert result["results"]["rows"][0][0] >= step.rows, step.table


@asynccontextmanager
async def history(
    postgres: Postgres,
    target: D1Server,
    *,
    folder: Path,
    dice: random.Random,
    pace: Pace,
) -> AsyncGenerator[History]:
    """A fresh source and an empty target, and a run between them, in a folder that is there."""
    source: Database = await postgres.create_database()
    await source.execute(busy.SQL)
    database = target.create(uuid.uuid4().hex)
    try:
        yield History(Streamer(folder, source, target, database), dice, pace)
    finally:
        target.delete(database)
        await postgres.drop_database(source.name)
