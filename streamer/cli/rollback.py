"""`streamer rollback`: takes back what a run wrote."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from contextlib import suppress
from pathlib import Path
from threading import Thread

from streamer.cli.parser import Commands
from streamer.cli.showing import showing_by, stopped_by_signals
from streamer.config import Config
from streamer.errors import ExitCode, UsageError
from streamer.progress.view import printable
from streamer.rollback import Choices, Method, roll_back

EXAMPLES = """\
examples:
  streamer rollback --dry-run                   what would be dropped, emptied, left
  streamer rollback                             asks, then does it
  streamer rollback --yes                       for scripts
  streamer rollback --method time-travel        the whole database, other tables included

Before its first write a run notes for each table whether it was missing, empty, or held rows. What was
missing is dropped, what was empty is emptied, children first. Where rows were there before, or more
are there now than the run wrote, it refuses and offers Time Travel. What a killed run had sent may come
while it asks: it looks again once nothing more can, and asks again where that means more. Stopped while
it asks, it has touched nothing; killed later, it goes on when called again. A run that was taken back
can't be resumed; the next `streamer run` starts a new one.

exit codes: 0 done, or not agreed to; 1 failed; 2 refused or wrong settings, nothing was touched;
75 stopped, call it again
"""


def add_parser(commands: Commands) -> None:
    """Add the parser with the options that only this command has."""
    parser = commands.add_parser(
        "rollback",
        description="Take back what the run in the checkpoint wrote.",
        epilog=EXAMPLES,
    )
    parser.add_argument(
        "--method",
        choices=[method.value for method in Method],
        default=Method.DELETE.value,
        help="delete (default): what the run wrote; time-travel: the whole database",
    )
    parser.add_argument("--yes", action="store_true", help="don't ask")
    parser.add_argument(
        "--force", action="store_true", help="let rows that the run didn't write go too"
    )
    parser.add_argument(
        "--dry-run", dest="only_look", action="store_true", help="say what would be done, and stop"
    )
    parser.add_argument(
        "--report",
        metavar="FILE",
        default="rollback_report.json",
        help="where to write the report (default rollback_report.json)",
    )


async def run(args: argparse.Namespace, config: Config) -> ExitCode:
    """Say what will be done, ask, do it."""
    asks = not (args.yes or args.only_look)
    if asks and not (sys.stdin and sys.stdin.isatty()):
        raise UsageError(
            "a rollback deletes rows, and there is no terminal to ask on",
            hint="Look at it with --dry-run, then say --yes",
        )
    choices = Choices(
        method=Method(args.method),
        force=args.force,
        dry_run=args.only_look,
        report=Path(args.report),
    )

    stop = asyncio.Event()
    async with showing_by(config, args.logs, "rollback") as (events, reporter):

        async def agree(lines: list[str]) -> bool:
            with reporter.hidden():
                for line in lines:
                    print(printable(line), flush=True)
                return not asks or await _agreed()

        with stopped_by_signals(stop, "finishing the request that is under way"):
            return await roll_back(config, choices, events, stop, agree)


async def _agreed() -> bool:
    """Ask on the terminal. A wait that is cancelled ends at once, whatever is typed later.

    A thread of its own waits for the line, and is left behind then: the event loop joins those of its
    executor at the end, and one of libuv makes a terminal that it watches non-blocking for everybody
    (docs.libuv.org, uv_poll_init).
    """
    print("Do that? Type yes: ", end="", file=sys.stderr, flush=True)
    loop = asyncio.get_running_loop()
    typed: asyncio.Future[bytes] = loop.create_future()

    def settle(line: bytes) -> None:
        if not typed.done():
            typed.set_result(line)

    def read(terminal: int) -> None:
        line = _line(terminal)
        with suppress(RuntimeError):  # the loop was closed meanwhile
            loop.call_soon_threadsafe(settle, line)

    Thread(target=read, args=(sys.stdin.fileno(),), daemon=True).start()
    return (await typed).strip().lower() in {b"y", b"yes"}


def _line(terminal: int) -> bytes:
    """A line, or what came until the terminal was gone.

    Not by `sys.stdin`: who is left behind in there holds its lock, and an interpreter that asks for that
    at its end aborts (CPython, Modules/_io/bufferedio.c, _enter_buffered_busy).
    """
    line = b""
    with suppress(OSError):
        while not line.endswith(b"\n") and (more := os.read(terminal, 1024)):
            line += more
    return line
