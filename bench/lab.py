"""What experiments are done with: a PostgreSQL with the tables, fresh D1s, and how much of each."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench.run import Ends
from bench.work import Work
from tests.engines.postgres import Postgres
from tests.engines.workerd import Workerd

QUICK = 20  # so many times fewer rows


@dataclass(slots=True)
class Lab:
    """`pairs` of runs are compared; `options` go to `streamer run` where bars are measured by it.

    Tables are made when they are first asked for.
    """

    postgres: Postgres
    pairs: int = 5
    quick: bool = False
    connections: int = 3
    options: tuple[str, ...] = ()
    _made: dict[str, int] = field(default_factory=dict[str, int])

    def rows_of(self, work: Work, times: float = 1.0) -> int:
        """How many rows of a table this measuring is about: `times` its usual number."""
        return max(100, int(work.rows * times) // (QUICK if self.quick else 1))

    def fill(self, work: Work, rows: int) -> None:
        """Have the table with exactly so many rows."""
        if self._made.get(work.name) == rows:
            return
        say(f"making {rows:,} rows of {work.name} in PostgreSQL {self.postgres.engine.version}")
        for statement in (f"DROP TABLE IF EXISTS {work.name}", *work.script(rows).split(";")):
            asyncio.run(self.postgres.execute("postgres", statement))
        self._made[work.name] = rows

    @contextmanager
    def target(self, work: Work, rows: int) -> Generator[Ends]:
        """The filled table, and an empty database of a D1 of its own."""
        self.fill(work, rows)
        with (
            tempfile.TemporaryDirectory(prefix="bench-") as folder,
            Workerd(Path(folder) / "d1") as workerd,
        ):
            yield Ends(work, rows, self.postgres, workerd, workerd.create("product"))


def say(text: str) -> None:
    """Tell how far the measuring is."""
    print(text, file=sys.stderr, flush=True)
