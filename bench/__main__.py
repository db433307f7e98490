"""`python -m bench`: measures the bars, or those that are named; medians, ratios, verdicts, JSON."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

from bench import (
    adapting,
    files,
    grid,
    growth,
    moving,
    pacing,
    page,
    report,
    resuming,
    shapes,
    starting,
)
from bench.bars import Measured, Verdict, verdict_rows
from bench.lab import Lab, say
from tests.engines.postgres import Postgres

EXPERIMENTS: dict[str, tuple[tuple[str, ...], Callable[[Lab], Measured]]] = {
    "moving": (moving.BARS, moving.measure),
    "shapes": (shapes.BARS, shapes.measure),
    "pacing": (pacing.BARS, pacing.measure),
    "resuming": (resuming.BARS, resuming.measure),
    "starting": (starting.BARS, starting.measure),
    "files": (files.BARS, files.measure),
    "growth": (growth.BARS, growth.measure),
    "adapting": (adapting.BARS, adapting.measure),
    "grid": (grid.BARS, grid.measure),
}

_EPILOG = """\
experiments, each with its bars; a bar is measured with all of its experiment:
{}

After -- come options of `streamer run`, for P1 to P4. Results are written to bench/results, and
docs/performance.md from them (not with --quick). Exit code 1: a bar was missed, or a copy was wrong.
"""


def main() -> int:
    """Measure; 0, or 1 where a bar was missed or a copy was wrong."""
    args = _asked()
    names = _chosen(args.bars)
    verdicts: list[Verdict] = []
    failed: list[str] = []
    postgres = Postgres.embedded(
        {"shared_buffers": "512MB", "max_wal_size": "2GB", "max_locks_per_transaction": "1000"}
    )
    lab = Lab(postgres, args.pairs, args.quick, args.connections, tuple(args.options))
    try:
        for name in names:
            say(f"== {name} ({', '.join(EXPERIMENTS[name][0])})")
            try:
                measured = EXPERIMENTS[name][1](lab)
            except RuntimeError as error:
                failed.append(f"{name}: {error}")
                say(failed[-1])
                continue
            lines = [report.table(measured.lines), ""] if measured.lines else []
            print("", measured.title, *lines, report.verdicts(measured), "", sep="\n", flush=True)
            path = report.write(name, measured, quick=args.quick, pairs=args.pairs)
            say(f"written to {path}")
            verdicts += measured.verdicts
    finally:
        postgres.remove()
    if not args.quick:
        page.write()
    _sum_up(verdicts, failed)
    return 1 if failed or not all(verdict.met for verdict in verdicts) else 0


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=_EPILOG.format("\n".join(map(_in_a_line, EXPERIMENTS))),
    )
    parser.add_argument("bars", nargs="*", help="bars, or names of experiments (default all)")
    parser.add_argument("--quick", action="store_true", help="small sizes; figures are no verdicts")
    parser.add_argument("--pairs", type=int, default=5, help="runs that are compared (default 5)")
    parser.add_argument("--connections", type=int, default=3, help="of the floor (default 3)")
    arguments, options = sys.argv[1:], list[str]()
    if "--" in arguments:
        at = arguments.index("--")
        arguments, options = arguments[:at], arguments[at + 1 :]
    args = parser.parse_args(arguments)
    args.options = options
    return args


def _in_a_line(name: str) -> str:
    """An experiment and what it is about: the first line of its module's docstring."""
    doc = sys.modules[EXPERIMENTS[name][1].__module__].__doc__ or ""
    return f"  {name:<10}{doc.splitlines()[0]}"


def _chosen(asked: list[str]) -> list[str]:
    """The experiments that the bars, or names, belong to; each once, in their order."""
    known = {bar for bars, _ in EXPERIMENTS.values() for bar in bars} | EXPERIMENTS.keys()
    if unknown := [name for name in asked if name not in known]:
        raise SystemExit(
            f"python -m bench: no bar {', '.join(unknown)}; there are {', '.join(sorted(known))}"
        )
    return [
        name
        for name, (bars, _) in EXPERIMENTS.items()
        if not asked or name in asked or set(asked) & set(bars)
    ]


def _sum_up(verdicts: list[Verdict], failed: list[str]) -> None:
    missed = [row for row in verdict_rows(verdicts) if row[-1] == "missed"]
    print(f"{len(verdicts) - len(missed)} of {len(verdicts)} figures meet their bars")
    for bar, what, figure, wanted, _, _ in missed:
        print(f"missed: {bar} {what}: {figure}, must be {wanted}")
    for text in failed:
        print(f"failed: {text}")


if __name__ == "__main__":
    sys.exit(main())
