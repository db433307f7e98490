"""`python -m bench.peers`: other tools and the product, side by side, into SQLite files.

Each copy is compared with PostgreSQL's rows, cell by cell: a fast wrong copy counts as wrong.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from bench import page, report
from bench.bars import Measured
from bench.figures import Figures
from bench.files import into_file
from bench.lab import Lab, say
from bench.peers import PEERS, copy
from bench.peers.cells import Compared, compare
from bench.work import BENCH
from tests.engines.postgres import Postgres


def main() -> int:
    """Install, run, compare; 1 where the product's own copy is wrong."""
    quick = "--quick" in sys.argv
    postgres = Postgres.embedded({"shared_buffers": "512MB"})
    lab = Lab(postgres, pairs=1, quick=quick)
    rows = lab.rows_of(BENCH)
    lines: list[Figures] = []
    found: dict[str, Compared] = {}
    notes: list[str] = []

    def tried(name: str, work: Callable[[Path], Figures]) -> None:
        say(f"{name}: {rows:,} rows into a SQLite file")
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            lines.append(work(Path(folder)))
            found[name] = asyncio.run(compare(postgres, BENCH, Path(folder) / "copy.db"))

    try:
        lab.fill(BENCH, rows)
        tried("streamer", lambda folder: into_file(lab, rows, folder / "copy.db"))
        for peer in PEERS:
            if why := peer.install():
                notes.append(f"{peer.name} can't be installed here: {why}")
                continue
            try:
                tried(
                    peer.name, lambda folder, peer=peer: copy(peer, postgres, BENCH, rows, folder)
                )
            except RuntimeError as error:
                notes.append(f"{peer.name} failed: {str(error).splitlines()[-1][:300]}")
    finally:
        postgres.remove()
    notes = [*(f"{name}: {compared}." for name, compared in found.items()), *notes]
    measured = Measured("Other tools, into a SQLite file", (*lines,), (), (*notes,))
    print(f"\n{report.table(measured.lines)}\n\n{report.verdicts(measured)}")
    report.write("peers", measured, quick=quick, pairs=1)
    if not quick:
        page.write()
    return 0 if found["streamer"].wrong_cells == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
