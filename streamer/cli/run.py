"""`streamer run`: moves the tables."""

from __future__ import annotations

import argparse
import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from streamer import run as job
from streamer.cli.memory import settle_memory
from streamer.cli.parser import Commands
from streamer.cli.priority import stand_back
from streamer.cli.showing import showing, stopped_by_signals
from streamer.config import Config
from streamer.errors import ExitCode
from streamer.model.words import counted
from streamer.progress import Events
from streamer.progress.wording import took

log = logging.getLogger("streamer.run")

EXAMPLES = """\
examples:
  streamer run                                  everything in the schema public
  streamer run --table 'sales_*' --exclude sales_archive
  streamer run --resume                         go on after a stop of any kind
  streamer run --validate                       and compare every row of both sides afterwards
  streamer run --dry-run                        what it would do, and what it would cost
  streamer run --target sqlite:shop.db          a rehearsal, or an export, without an account
  streamer run --target wrangler:apps/shop      into the database that `wrangler dev` uses there
  streamer run --metrics-port 9400              a page to look at, and metrics for Prometheus
  streamer run --rate-limit 600/300 --log-file run.log --progress plain

an unattended job, correct whatever happens:
  until streamer run --resume; do case $? in 2|3) break;; esac; sleep 60; done

exit codes: 0 done; 1 failed, the message says what to do; 2 wrong settings, nothing was touched;
3 done, but something was left out; 75 stopped, go on with --resume
"""


def add_parser(commands: Commands) -> None:
    """Add the parser; the options are those that `streamer.cli.commands` gives it."""
    commands.add_parser(
        "run",
        description="Move PostgreSQL tables into D1. It can be killed at any moment and resumed.",
        epilog=EXAMPLES,
    )


async def run(args: argparse.Namespace, config: Config) -> ExitCode:
    """Run the job, show how it goes, and sum it up on stdout."""
    if config.run.dry_run:
        from streamer.cli import plan  # noqa: PLC0415 (only a dry run needs it)

        return await plan.run(args, config)
    settle_memory()
    stand_back(config.target)
    stop = asyncio.Event()
    async with showing(config, args.logs, "run") as events, metrics(config, events):
        with stopped_by_signals(stop, "finishing the requests in flight"):
            code = await job.run(config, events, stop)
    if events.tally.traffic.requests:
        print(summary(config, events, code))
    if config.run.validate and code in {ExitCode.DONE, ExitCode.INCOMPLETE}:
        from streamer.cli import validate  # noqa: PLC0415 (only where it is asked for)

        return await validate.after_run(args, config, code, events)
    return code


@asynccontextmanager
async def metrics(config: Config, events: Events) -> AsyncGenerator[None]:
    """Metrics and the status page, where they were asked for."""
    port = config.output.metrics_port
    if port is None:
        yield
        return
    from streamer.metrics import serving  # noqa: PLC0415 (slow to load)

    async with serving(events, port) as address:
        log.info("status page at %s, metrics at %smetrics", address, address)
        yield


def summary(config: Config, events: Events, code: ExitCode) -> str:
    """What was done, in two or three lines."""
    if not events.tally.tables:
        return "Nothing was to be moved."
    rows, traffic = events.tally.sum.rows_written, events.tally.traffic
    a_request = rows / traffic.requests if traffic.requests else 0.0
    pace = rows / traffic.seconds if traffic.seconds else 0.0
    lines = [
        (
            f"{counted(rows, 'row')} of {counted(len(events.tally.tables), 'table')} moved in {took(traffic.seconds)} "
            f"({pace:,.0f} rows/s) with {counted(traffic.requests, 'request')} ({a_request:,.0f} rows each)."
        ),
    ]
    if code is ExitCode.INCOMPLETE:
        lines.append(f"Not everything is as planned: see the errors in {config.run.report}.")
    if not events.report_lost:
        lines.append(f"Report: {config.run.report}")
    return "\n".join(lines)
