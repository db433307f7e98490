"""What `plan` says beside what `run` does: `python -m bench.estimates [DATABASE…] [-- OPTIONS…]`.

A DATABASE is an SQL file (plain or .gz, psql's commands allowed), a folder of such files, or one of the
generated tables by its name. Each is loaded into a PostgreSQL and moved into an empty D1, both made for
it. OPTIONS are those of `streamer run`; `plan` gets them too. Exit code 1 where a figure is off by more
than it may be.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.lab import say
from bench.run import own_environment, streamer
from bench.work import WORKS
from tests.engines.d1server import D1Server
from tests.engines.local_d1 import LocalD1Process
from tests.engines.postgres import Database, Postgres
from tests.engines.workerd import Workerd

SHARE = 0.1
LEAST = {"requests": 2, "rows_written": 20, "size_bytes": 40_960, "cost_usd": 0.01}
"""What a figure may be off by where a tenth of it is less: of a small database it counts in round trips,
pages and cents, not in shares."""

TIMED = "seconds"
"""Time depends on what else this machine does, too: it is shown, not judged."""

MOVED = (0, 3)  # exit codes: whole, or without what can't be moved


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of an estimate, and what the run did."""

    name: str
    said: float
    done: float

    @property
    def off(self) -> float:
        """By how much `said` is wrong, in shares of what was done; below 0 where it is too little."""
        return (self.said - self.done) / max(self.done, 1e-9)

    @property
    def fits(self) -> bool:
        """Whether it is near enough."""
        return abs(self.said - self.done) <= max(SHARE * self.done, LEAST.get(self.name, 0))


def compared(
    folder: Path,
    environment: Mapping[str, str],
    options: Sequence[str],
    size_bytes: Callable[[], int],
) -> list[Figure]:
    """What `plan` says and what `run` then does, both in `folder`; `size_bytes` measures the target.

    Raises:
        RuntimeError: one of them failed.

    """
    said = json.loads(_told(["plan", "--json", *options], folder, environment))["estimate"]
    _told(["run", "--progress", "none", *options], folder, environment)
    totals = json.loads((folder / "run_report.json").read_text())["totals"]
    return [
        Figure("requests", said["requests"], totals["requests"]),
        Figure("rows_written", said["rows_written"], totals["d1_rows_written"]),
        Figure("cost_usd", said["cost_usd"], totals["estimated_cost_usd"]),
        Figure("size_bytes", said["size_bytes"], size_bytes()),
        Figure(TIMED, said[TIMED], totals["seconds"]),
    ]


def main() -> int:
    """Compare, print; 0 where all fits."""
    args = _asked()
    postgres = Postgres.embedded({"max_wal_size": "2GB"})
    missed = 0
    print(f"{'':<22}{'':<14}{'plan':>16}{'run':>16}{'off':>9}")
    try:
        for name in args.databases:
            for figure in _moved(name, postgres, args):
                wrong = not figure.fits and figure.name != TIMED
                missed += wrong
                print(
                    f"{Path(name).name:<22.22}{figure.name:<14}{figure.said:>16,.10g}"
                    f"{figure.done:>16,.10g}{figure.off:>9.1%}{'  too far' if wrong else ''}",
                    flush=True,
                )
    finally:
        postgres.remove()
    return 1 if missed else 0


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.estimates", description=__doc__)
    parser.add_argument("databases", nargs="*", default=[*WORKS], metavar="DATABASE")
    parser.add_argument(
        "--share", type=float, default=0.05, help="of the generated tables' rows (default 0.05)"
    )
    parser.add_argument("--latency-ms", type=int, help="move into serve-d1, that far away")
    parser.add_argument("--tune", action="store_true", help="have `streamer tune` look first")
    arguments, options = sys.argv[1:], list[str]()
    if "--" in arguments:
        at = arguments.index("--")
        arguments, options = arguments[:at], arguments[at + 1 :]
    args = parser.parse_args(arguments)
    args.options = options
    return args


def _moved(name: str, postgres: Postgres, args: argparse.Namespace) -> list[Figure]:
    """Load a database, plan and move it."""
    say(f"== {name}")
    source = asyncio.run(postgres.create_database())
    _load(name, source, args.share)
    with tempfile.TemporaryDirectory(prefix="bench-") as made, _d1(Path(made), args) as d1:
        folder, uuid = Path(made), d1.create("estimated")
        environment = {
            **own_environment(folder),
            **d1.environment,
            "POSTGRES_DSN": source.dsn,
            "D1_DATABASE_ID": uuid,
        }
        options = list(args.options)
        if args.tune:
            tuned = folder / "streamer.toml"
            _told(["tune", *options, f"--write-config={tuned}"], folder, environment)
            options.append(f"--config={tuned}")
        found = compared(
            folder,
            environment,
            options,
            lambda: d1.run(uuid, "SELECT 1")["meta"]["size_after"],
        )
    asyncio.run(postgres.drop_database(source.name))
    return found


def _d1(folder: Path, args: argparse.Namespace) -> D1Server:
    if args.latency_ms is None:
        return Workerd(folder / "d1")
    return LocalD1Process(folder / "d1", options=[f"--latency-ms={args.latency_ms}"])


def _load(name: str, source: Database, share: float) -> None:
    if name in WORKS:
        work = WORKS[name]
        rows = max(100, int(work.rows * share))
        for statement in work.script(rows).split(";"):
            asyncio.run(source.execute(statement))
        return
    path = Path(name)
    files = sorted(path.glob("*.sql*")) if path.is_dir() else [path]
    psql = source.server.engine.folder / "psql"
    for file in files:
        opened = gzip.open if file.suffix == ".gz" else open
        with opened(file, "rb") as script:
            command = [psql, "-X", "-q", "-o", "/dev/null", source.dsn]
            subprocess.run(command, input=script.read(), check=True, stderr=subprocess.DEVNULL)


def _told(arguments: Sequence[str], folder: Path, environment: Mapping[str, str]) -> bytes:
    answer = subprocess.run(
        streamer(arguments), cwd=folder, env=environment, check=False, capture_output=True
    )
    if answer.returncode not in MOVED:
        raise RuntimeError(
            f"streamer {' '.join(arguments)}: exit {answer.returncode}\n{answer.stderr.decode()}"
        )
    return answer.stdout


if __name__ == "__main__":
    sys.exit(main())
