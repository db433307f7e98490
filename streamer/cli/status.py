"""`streamer status`: how far a run is, from its checkpoint alone."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
from pathlib import Path

import checkpoints
from streamer.cli.parser import Commands
from streamer.config import Config
from streamer.errors import CheckpointProblemError, ExitCode, StreamerError
from streamer.model.words import counted
from streamer.progress.status import RunState, RunStatus, status_of, to_json, to_lines

WATCH_EVERY_S = 2.0
EXAMPLES = """\
examples:
  streamer status
  streamer status --watch                       until the run ends, or Ctrl-C
  streamer status --checkpoint /var/lib/shop.db --json

It reads the checkpoint only and may be called at any time, also while the run works.
Exit codes: 0 there is a run, in whatever state; 1 there is none, or the checkpoint can't be read.
"""


def add_parser(commands: Commands) -> None:
    """Add the parser with the options that only this command has."""
    parser = commands.add_parser(
        "status",
        description="Show how far a run is, from its checkpoint alone.",
        epilog=EXAMPLES,
    )
    parser.add_argument("--json", action="store_true", help="as JSON (with --watch: one a line)")
    parser.add_argument("--watch", action="store_true", help="again every 2 s until the run ends")


def run(args: argparse.Namespace, config: Config) -> ExitCode:
    """Print the status once, or until the run ends."""
    path = config.run.checkpoint
    status = read_status(path)
    if not args.watch:
        print(json.dumps(to_json(status), indent=2) if args.json else "\n".join(to_lines(status)))
        return ExitCode.DONE
    try:
        _watch(path, status, as_json=args.json)
    except KeyboardInterrupt:
        return ExitCode.DONE
    return ExitCode.DONE


def read_status(path: Path) -> RunStatus:
    """The status of the run in the checkpoint `path`.

    Raises:
        StreamerError: there is no run.
        CheckpointProblemError: the file can't be read, or isn't a whole checkpoint.

    """
    try:
        saved = checkpoints.peek(path)
        holder = checkpoints.holder(path)
        pid, host = (holder.pid, holder.host) if holder else (None, None)
    except checkpoints.Locked:  # by a process that left no name
        saved, pid, host = checkpoints.peek(path), None, "this machine"
    except checkpoints.CheckpointError as error:
        raise CheckpointProblemError(
            str(error), hint="Restore the file from a backup, or name another with --checkpoint"
        ) from None
    if saved is None:
        raise StreamerError(
            f"{path}: no run is recorded here",
            hint="Start one with streamer run, or name its file with --checkpoint",
        )
    return status_of(saved, pid=pid, host=host)


def _watch(path: Path, status: RunStatus, *, as_json: bool) -> None:
    """Print the status again and again; on a terminal, over the one before."""
    redraw = sys.stdout.isatty() and not as_json
    height = 0
    while True:
        lines = [json.dumps(to_json(status))] if as_json else to_lines(status)
        lines = _fitting(lines) if redraw else lines
        up = f"\x1b[{height}A\r\x1b[J" if redraw and height else ""
        print(up + "\n".join(lines), flush=True)
        height = len(lines)
        if status.state is not RunState.RUNNING:
            return
        time.sleep(WATCH_EVERY_S)
        status = read_status(path)


def _fitting(lines: list[str]) -> list[str]:
    """As much of `lines` as the terminal shows without scrolling or wrapping."""
    columns, rows = shutil.get_terminal_size()
    room = max(rows - 2, 1)
    if len(lines) > room:
        lines = [*lines[: room - 1], f"({counted(len(lines) - room + 1, 'more line')})"]
    return [line[: columns - 1] for line in lines]
