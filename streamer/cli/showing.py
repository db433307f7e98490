"""How a job that takes long is shown while it goes on, and how signals end it."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager, nullcontext

from streamer.cli.logs import Logs
from streamer.config import Config, ProgressMode
from streamer.progress import Events, Reporter, Style, style_for
from streamer.progress.story import log_line
from streamer.tracing import counting, exporting

DRAIN_S = 28.0  # from the first signal to the end, whatever is under way

log = logging.getLogger("streamer.run")


@asynccontextmanager
async def showing(config: Config, logs: Logs, job: str) -> AsyncGenerator[Events]:
    """Events of the `job` (its command), shown as they come, and traced where that is wanted."""
    async with showing_by(config, logs, job) as (events, _):
        yield events


@asynccontextmanager
async def showing_by(
    config: Config, logs: Logs, job: str
) -> AsyncGenerator[tuple[Events, Reporter]]:
    """As `showing`, and what shows them: for a job that asks something on the terminal."""
    with (
        exporting(os.environ) as traces,
        counting(traces, job, rate=config.pacing.rate, say=log_line) as events,
    ):
        async with _shown(config, logs, events) as reporter:
            yield events, reporter


@asynccontextmanager
async def _shown(config: Config, logs: Logs, events: Events) -> AsyncGenerator[Reporter]:
    style = _style(config)
    reporter = Reporter(sys.stderr, style, tell=log.info)
    shown = logs.shown_by(reporter.say) if style is Style.DRAWN else nullcontext()
    with shown:
        task = asyncio.create_task(reporter.keep_showing(events.view, asyncio.sleep))
        try:
            yield reporter
        finally:
            task.cancel()
            reporter.close()


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
def stopped_by_signals(stop: asyncio.Event, finishing: str) -> Generator[None]:
    """The first SIGINT or SIGTERM asks the job to end; the second one ends it, or a long wait.

    `finishing` says what is still done after the first.
    """
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()
    watched = (signal.SIGINT, signal.SIGTERM)
    deadlines: list[asyncio.TimerHandle] = []

    def heard(name: str) -> None:
        if stop.is_set():
            log.warning("%s again: stopping at once", name)
            if task is not None:
                task.cancel()
            return
        log.warning("%s: %s; once more stops at once", name, finishing)
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
