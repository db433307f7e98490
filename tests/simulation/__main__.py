"""Plays histories: `python -m tests.simulation --seed 7 --histories 100`.

With PYTHONHASHSEED fixed, as it is by starting itself anew, the same seed is the same history.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
import traceback
from collections import Counter

from tests.simulation.history import play_history
from tests.simulation.settings import HistorySettings


def main() -> int:
    """The number of histories that failed, at most 100; each prints its seed and how to replay it."""
    options = _options()
    began, failed = time.monotonic(), 0
    totals: Counter[str] = Counter()
    for seed in range(options.seed, options.seed + options.histories):
        started = time.monotonic()
        try:
            told = play_history(HistorySettings.of(seed))
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            failed += 1
            print(f"FAILED seed {seed}: {type(error).__name__}: {error}")
            if options.histories == 1 or options.verbose:
                print(HistorySettings.of(seed))
                traceback.print_exc(file=sys.stdout)
            print(f"  replay: make simulate SEED={seed} HISTORIES=1", flush=True)
            if options.stop:
                break
        else:
            totals += Counter(
                starts=told.starts,
                kills=told.kills,
                requests=told.requests,
                steps=told.steps,
                hours=told.hours,
            )
            totals += Counter({f"fate {fate.value}": count for fate, count in told.fates.items()})
        if options.verbose:
            print(f"seed {seed}: {time.monotonic() - started:.2f} s", flush=True)
    took = time.monotonic() - began
    print(f"{options.histories} histories in {took:.1f} s, {failed} failed")
    print(", ".join(f"{name} {count:,.0f}" for name, count in sorted(totals.items())))
    return min(failed, 100)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="the first history's")
    parser.add_argument("--histories", type=int, default=300)
    parser.add_argument("--stop", action="store_true", help="at the first failure")
    parser.add_argument(
        "--verbose", action="store_true", help="settings and traceback of each failure"
    )
    return parser.parse_args()


if __name__ == "__main__":
    if os.environ.get("PYTHONHASHSEED") != "0":
        os.environ["PYTHONHASHSEED"] = "0"
        os.execv(sys.executable, [sys.executable, "-m", "tests.simulation", *sys.argv[1:]])
    sys.exit(main())
