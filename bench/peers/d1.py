"""Other tools that move a table from PostgreSQL into D1, through the same local API as the product."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bench.bars import Verdict, at_most
from bench.figures import Figures
from bench.lab import Lab, say
from bench.peers import PEERS, READER, SCRIPTS, variables
from bench.peers.cells import Compared, compare
from bench.peers.cloudflare import standing_in
from bench.run import ROOT, Ends, move, watched
from bench.work import BENCH
from tests.engines.workerd import Workerd

REQUESTS_A_MINUTE = (
    1_200 / 5
)  # developers.cloudflare.com/fundamentals/api/reference/limits, 2026-11

HOSTED = (
    "wrangler gives D1 whole files: the hosted service is asked again and again while it takes one,"
    " and answers nobody else meanwhile; the local one takes it in one request. Uploads aren't counted."
)


@dataclass(frozen=True, slots=True)
class IntoD1:
    """A tool, how to have it copy the table, and the share of the usual rows that it is given.

    `unable` installs it; '' or why that can't be done here.
    """

    name: str
    copy: Callable[[Ends, Path], Figures]
    share: float = 1.0
    unable: Callable[[], str] = str

    def measure(self, lab: Lab, folder: Path) -> tuple[Figures, Compared]:
        """What it takes to copy the table into a fresh database, and how the copy compares.

        Raises:
            RuntimeError: it failed.

        """
        rows = lab.rows_of(BENCH, self.share)
        say(f"{self.name}: {rows:,} rows into D1")
        with lab.target(BENCH, rows) as ends:
            figures = self.copy(ends, folder)
            ends.d1.stop()
            assert isinstance(ends.d1, Workerd)
            file = ends.d1.database_file(ends.uuid)
            found = asyncio.run(compare(ends.postgres, BENCH, file))
        return replace(figures, name=f"{figures.name}, {rows:,} rows"), found


def traffic(lines: Sequence[Figures]) -> tuple[list[Verdict], str]:
    """P2 of each tool, and what the API's limit makes of it."""
    verdicts = [
        at_most("P2", f"requests a million rows, {line.name}", _a_million(line), 100)
        for line in lines
    ]
    minutes = "; ".join(
        f"{line.name}: {_a_million(line) / REQUESTS_A_MINUTE:,.1f}" for line in lines
    )
    return verdicts, f"Minutes a million rows take at the least, at 1,200 requests in 5: {minutes}."


def _a_million(line: Figures) -> float:
    return (line.requests or 0) * 1e6 / line.rows


def _sling(ends: Ends, folder: Path) -> Figures:
    target = f"d1://any_user:{ends.d1.token}@{ends.d1.account_id}/product"
    command = [SLING.python, *_script("sling", ends, target)]
    with standing_in(ends.d1.port, folder) as leading:
        own = {**variables(folder, SLING.folder / "bin"), **leading}
        return watched("Sling", ends, command, folder, own)


def _wrangler(ends: Ends, folder: Path) -> Figures:
    ends.d1.run(ends.uuid, BENCH.target_sql)
    command = [sys.executable, *_script("wrangler", ends, ends.uuid)]
    own = {
        **variables(folder, ends.postgres.engine.folder),
        **ends.d1.environment,
        "PYTHONPATH": str(ROOT),
    }
    return watched("wrangler", ends, command, folder, own)


def _script(name: str, ends: Ends, target: str) -> list[str | Path]:
    asyncio.run(ends.postgres.execute("postgres", READER))
    dsn = ends.postgres.dsn(user="bench", password="bench")
    return [SCRIPTS / f"with_{name}.py", dsn, ends.work.name, target]


SLING = next(peer for peer in PEERS if peer.name == "Sling")
TOOLS = (
    IntoD1("streamer", lambda ends, _: move(ends)),
    IntoD1("wrangler", _wrangler),
    IntoD1("Sling", _sling, 0.02, SLING.install),
)
