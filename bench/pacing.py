"""P5: how much of the allowed rate is used, with 150 ms to D1 and more to send than is allowed."""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from pathlib import Path

from bench.bars import Measured, at_least, at_most
from bench.figures import Figures
from bench.lab import Lab, say
from bench.run import Ends, environment, streamer
from bench.work import BENCH
from tests.engines.local_d1 import LocalD1Process

BARS = ("P5",)
LATENCY_MS = 150
PER_S = 3.6  # 1,080 requests in 300 s, the default, in a shorter window
WINDOWS = 2  # that are measured, behind the first
SETTLED_S = 5.0  # by then a window's burst is over
ROWS_A_REQUEST = 20


def measure(lab: Lab) -> Measured:
    """Send small requests for some windows; count what arrives in whole windows."""
    window_s = 10 if lab.quick else 30
    allowed = int(PER_S * window_s)
    limit = allowed * 10 // 9  # what the API allows, of which the default uses 90 %
    requests = allowed * (WINDOWS + 3)
    lab.fill(BENCH, rows := max(lab.rows_of(BENCH, 0.1), requests * ROWS_A_REQUEST))
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        delays = [f"--latency-ms={LATENCY_MS}", f"--limit={limit}/{window_s}", "--block-s=300"]
        d1 = LocalD1Process(folder / "d1", options=delays)
        with d1:
            uuid = d1.create("product")
            ends = Ends(BENCH, rows, lab.postgres, d1, uuid)
            say(f"{allowed} requests in {window_s} s at most, {LATENCY_MS} ms away")
            first, last, limited = _watched(ends, folder, allowed, window_s)
    share = 100.0 * (last - first) / (allowed * WINDOWS)
    line = Figures(
        f"{allowed} in {window_s} s allowed",
        ROWS_A_REQUEST * last,
        window_s * WINDOWS,
        requests=last,
    )
    return Measured(
        "The allowed rate, 150 ms away",
        (line,),
        (
            at_least("P5", "share of the allowed rate", share, 97, " %"),
            at_most("P5", "blocks earned", limited, 0),
        ),
    )


def _watched(ends: Ends, folder: Path, allowed: int, window_s: int) -> tuple[int, int, int]:
    """Requests that had arrived at the beginning and the end of the measured windows; 429s."""
    # One row a statement, so that requests are small and many.
    size = [f"--batch-size={ROWS_A_REQUEST}", "--pack=rows"]
    command = streamer(
        ["run", "--table", ends.work.name, f"--rate-limit={allowed}/{window_s}", *size]
    )
    ends.d1.stats(reset=True)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=folder, env=environment(ends, folder), stdout=log, stderr=log
        )
    try:
        while not _count(ends):
            _still_runs(process, folder)
            time.sleep(0.01)
        began = time.monotonic()
        marks = (window_s + SETTLED_S, window_s * (1 + WINDOWS) + SETTLED_S)
        counts: list[int] = []
        for at in marks:
            while time.monotonic() - began < at:
                time.sleep(0.05)
                _still_runs(process, folder)
            counts.append(_count(ends))
    finally:
        process.terminate()
        process.wait(60)
    report = json.loads((folder / "run_report.json").read_text())
    return counts[0], counts[1], report["totals"]["rate_limited"]


def _count(ends: Ends) -> int:
    return sum(n for path, n in ends.d1.stats()["by"].items() if not path.endswith("__stats"))


def _still_runs(process: subprocess.Popen[bytes], folder: Path) -> None:
    if process.poll() is not None:
        raise RuntimeError(f"it ended too soon:\n{(folder / 'log').read_text()[-4000:]}")
