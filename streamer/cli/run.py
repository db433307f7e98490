"""`streamer run`: moves the tables."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import sys
import time
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager, nullcontext

from streamer import run as job
from streamer.cli.logs import IN_DETAIL, Logs
from streamer.cli.memory import settle_memory
from streamer.cli.parser import Commands
from streamer.config import Config, ProgressMode
from streamer.errors import ExitCode
from streamer.progress import Events, Reporter, Style, style_for
from streamer.progress.events import DETAIL, WARNING

DRAIN_S = 28.0  # from the first signal to the end, whatever is under way

log = logging.getLogger("streamer.run")

EXAMPLES = """\
examples:
  streamer run                                  everything in the schema public
  streamer run --table 'sales_*' --exclude sales_archive
  streamer run --resume                         go on after a stop of any kind
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
    events = Events(time.monotonic, rate=config.pacing.rate, say=_say)
    style = _style(config)
    reporter = Reporter(sys.stderr, style, tell=log.info)
    logs: Logs = args.logs
    shown = logs.shown_by(reporter.say) if style is Style.DRAWN else nullcontext()
    stop = asyncio.Event()
    with shown, _signals(stop):
        showing = asyncio.create_task(reporter.keep_showing(events.view, asyncio.sleep))
        try:
            async with _metrics(config, events):
                code = await job.run(config, events, stop)
        finally:
            showing.cancel()
            reporter.close()
    if events.tally.traffic.requests:
        print(_summary(config, events, code))
    return code


@asynccontextmanager
async def _metrics(config: Config, events: Events) -> AsyncGenerator[None]:
    """Metrics and the status page, where they were asked for."""
    port = config.output.metrics_port
    if port is None:
        yield
        return
    from streamer.metrics import serving  # noqa: PLC0415 (slow to load)

    async with serving(events, port) as address:
        log.info("status page at %s, metrics at %smetrics", address, address)
        yield


def _say(line: str) -> None:
    if line.startswith(DETAIL):
        log.warning("%s", line.removeprefix(DETAIL), extra=IN_DETAIL)
    elif line.startswith(WARNING):
        log.warning("%s", line.removeprefix(WARNING))
    else:
        log.info("%s", line)


def _style(config: Config) -> Style:
    match config.output.progress:
        case ProgressMode.AUTO if config.output.verbosity >= 0:
            return style_for(sys.stderr, os.environ)
        case ProgressMode.RICH:
            return Style.DRAWN
        case ProgressMode.PLAIN:
            return Style.LINES
        case _:
            return Style.NONE


@contextmanager
def _signals(stop: asyncio.Event) -> Generator[None]:
    """The first SIGINT or SIGTERM asks the job to end; the second one ends it, or a long wait."""
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()
    watched = (signal.SIGINT, signal.SIGTERM)
    deadlines: list[asyncio.TimerHandle] = []

    def heard(name: str) -> None:
        if stop.is_set():
            log.warning("%s again: stopping at once; go on with --resume", name)
            if task is not None:
                task.cancel()
            return
        log.warning("%s: finishing the requests in flight; once more stops at once", name)
        stop.set()
        if task is not None:
            deadlines.append(loop.call_later(DRAIN_S, task.cancel))

    for number in watched:
        loop.add_signal_handler(number, heard, number.name)
    try:
        yield
    finally:
        for deadline in deadlines:
            deadline.cancel()
        for number in watched:
            loop.remove_signal_handler(number)


def _summary(config: Config, events: Events, code: ExitCode) -> str:
    """What was done, in two or three lines."""
    if not events.tally.tables:
        return "Nothing was to be moved."
    rows, traffic = events.tally.sum.rows_written, events.tally.traffic
    a_request = rows / traffic.requests if traffic.requests else 0.0
    pace = rows / traffic.seconds if traffic.seconds else 0.0
    lines = [
        (
            f"{rows:,} rows of {len(events.tally.tables):,} tables moved in {traffic.seconds:,.1f} s "
            f"({pace:,.0f} rows/s) with {traffic.requests:,} requests ({a_request:,.0f} rows each)."
        ),
    ]
    if code is ExitCode.INCOMPLETE:
        lines.append(f"Not everything is as planned: see the errors in {config.run.report}.")
    if not events.report_lost:
        lines.append(f"Report: {config.run.report}")
    return "\n".join(lines)
