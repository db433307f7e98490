"""`python -m bench.peers`: other tools and the product, side by side, into D1 and into SQLite files.

Each copy is compared with PostgreSQL's rows, cell by cell: a fast wrong copy counts as wrong.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from bench import page, report
from bench.bars import Measured
from bench.figures import Figures
from bench.files import into_file
from bench.lab import Lab, say
from bench.peers import PEERS, copy, d1
from bench.peers.cells import Compared, compare
from bench.work import BENCH
from tests.engines.postgres import Postgres

OURS = "streamer"


def main() -> int:
    """Install, run, compare; 1 where one of the product's own copies is wrong."""
    parser = argparse.ArgumentParser("python -m bench.peers", description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="a twentieth of the rows; results are kept apart"
    )
    quick: bool = parser.parse_args().quick
    lab = Lab(Postgres.embedded({"shared_buffers": "512MB"}), pairs=1, quick=quick)
    try:
        right = [
            _said("peers-d1", into_d1(lab), quick=quick),
            _said("peers", into_files(lab), quick=quick),
        ]
    finally:
        lab.postgres.remove()
    if not quick:
        page.write()
    return 0 if all(right) else 1


Tried = tuple[Figures, Compared]


@dataclass(slots=True)
class Side:
    """What was tried into one kind of target: figures, how each copy compares, what failed."""

    lines: list[Figures] = field(default_factory=list[Figures])
    found: dict[str, Compared] = field(default_factory=dict[str, Compared])
    failed: list[str] = field(default_factory=list[str])

    def try_(self, name: str, unable: str, work: Callable[[Path], Tried]) -> None:
        """One tool, in a folder that is taken away again; the product's own failure is raised."""
        if unable:
            self.failed.append(f"{name} can't be installed here: {unable}")
            return
        try:
            with tempfile.TemporaryDirectory(prefix="bench-") as folder:
                line, found = work(Path(folder))
        except RuntimeError as error:
            if name == OURS:
                raise
            self.failed.append(f"{name} failed: {str(error).splitlines()[-1][:300]}")
            return
        self.lines.append(line)
        self.found[name] = found

    @property
    def notes(self) -> list[str]:
        """A sentence a tool."""
        return [*(f"{name}: {found}." for name, found in self.found.items()), *self.failed]


def into_d1(lab: Lab) -> tuple[Measured, bool]:
    """The tools that take D1 as a target; and whether the product's copy is right."""
    side = Side()
    for tool in d1.TOOLS:
        side.try_(tool.name, tool.unable(), lambda folder, tool=tool: tool.measure(lab, folder))
    verdicts, minutes = d1.traffic(side.lines)
    notes = (minutes, d1.HOSTED, *side.notes)
    measured = Measured("Other tools, into D1", (*side.lines,), (*verdicts,), notes)
    return measured, side.found[OURS].wrong_cells == 0


def into_files(lab: Lab) -> tuple[Measured, bool]:
    """The same of SQLite files."""
    rows = lab.rows_of(BENCH)
    lab.fill(BENCH, rows)
    side = Side()

    def copied(name: str, folder: Path, work: Callable[[], Figures]) -> Tried:
        say(f"{name}: {rows:,} rows into a SQLite file")
        return work(), asyncio.run(compare(lab.postgres, BENCH, folder / "copy.db"))

    side.try_(
        OURS,
        "",
        lambda folder: copied(OURS, folder, lambda: into_file(lab, rows, folder / "copy.db")),
    )
    for peer in PEERS:
        side.try_(
            peer.name,
            peer.install(),
            lambda folder, peer=peer: copied(
                peer.name, folder, lambda: copy(peer, lab.postgres, BENCH, rows, folder)
            ),
        )
    measured = Measured("Other tools, into a SQLite file", (*side.lines,), (), (*side.notes,))
    return measured, side.found[OURS].wrong_cells == 0


def _said(name: str, outcome: tuple[Measured, bool], *, quick: bool) -> bool:
    measured, right = outcome
    print(f"\n{report.table(measured.lines)}\n\n{report.verdicts(measured)}", flush=True)
    report.write(name, measured, quick=quick, pairs=1)
    return right


if __name__ == "__main__":
    sys.exit(main())
