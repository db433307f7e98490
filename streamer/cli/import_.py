"""`streamer import`: transformed files into D1."""

from __future__ import annotations

import argparse
import asyncio
from dataclasses import replace
from pathlib import Path

from streamer.cli.memory import settle_memory
from streamer.cli.parser import Commands
from streamer.cli.plan import render_plan
from streamer.cli.priority import stand_back
from streamer.cli.run import metrics, summary
from streamer.cli.showing import showing, stopped_by_signals
from streamer.config import Config
from streamer.errors import BadFileError, ExitCode
from streamer.model.words import counted
from streamer.run.importing import Checked, ImportOptions, check_aside, import_files

REPORT = "import_report.json"

EXAMPLES = """\
examples:
  streamer import                               d1_migration_data/ into D1
  streamer import --dry-run                     read all files, say what would be done
  streamer import --batch-size 50 --resume      go on after a stop of any kind
  streamer import --target sqlite:shop.db       a rehearsal, without an account
  streamer import --edited                      take files that were changed by hand

The files are read to their end before anything is sent. Then they are moved as `run` moves tables:
with a checkpoint, paced, resumable, with what `streamer rollback` needs. What comes of it:
import_report.json and import.log in the folder.

exit codes: 0 done; 1 failed, the message says what to do; 2 wrong settings, nothing was touched;
3 done, but something was left out; 75 stopped, go on with --resume
"""


def add_parser(commands: Commands) -> None:
    """Add the parser."""
    parser = commands.add_parser(
        "import",
        description="Move transformed files into D1. It can be killed at any moment and resumed.",
        epilog=EXAMPLES,
    )
    parser.add_argument(
        "--input-dir",
        metavar="DIR",
        default="d1_migration_data",
        help="transformed files (default d1_migration_data)",
    )
    for name, metavar, text in (
        ("--batch-size", "N", "statements with rows in a request, 1 to 100 (default 100)"),
        ("--batch-bytes", "N|auto", "bytes of a request, as 2000000, 2MB or 512KiB (default auto)"),
        ("--pack", "HOW", "rows into statements: auto, json, values or rows (default auto)"),
        ("--rate-limit", "N/SECONDS", "requests sent at most, or none (default 1080/300)"),
        ("--indexes", "WHEN", "build indexes auto, before or after the rows (default auto)"),
        ("--report", "FILE", f"where to write the report (default {REPORT} in the folder)"),
    ):
        parser.add_argument(name, metavar=metavar, help=text)
    parser.add_argument(
        "--edited", action="store_true", help="take files that aren't any more what was written"
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="read all files and send nothing; needs no D1"
    )


async def run(args: argparse.Namespace, config: Config) -> ExitCode:
    """Import, show how it goes, and sum it up on stdout."""
    folder = _existing(Path(args.input_dir))
    options = ImportOptions(folder, edited=args.edited)
    args.logs.also_in(folder / "import.log")
    settle_memory()
    stand_back(config.target)
    stop = asyncio.Event()
    if config.run.dry_run:
        async with showing(config, args.logs, "import") as events:
            with stopped_by_signals(stop, "finishing the line that is being read"):
                files = await check_aside(config, options, events, stop)
        return _told(files)
    if args.report is None:
        config = replace(config, run=replace(config.run, report=folder / REPORT))
    async with showing(config, args.logs, "import") as events, metrics(config, events):
        with stopped_by_signals(stop, "finishing the requests in flight"):
            code = await import_files(config, options, events, stop)
    if events.tally.traffic.requests:
        print(summary(config, events, code))
    return code


def _existing(folder: Path) -> Path:
    if folder.is_dir():
        return folder
    why = "is no folder" if folder.exists() else "isn't there"
    raise BadFileError(
        f"{folder} {why}.",
        hint="Name the folder with --input-dir, or let `streamer transform` come to its end first.",
    )


def _told(files: Checked) -> ExitCode:
    print(render_plan(files.plan), end="")
    rows = sum(files.looked.rows.values())
    read = counted(len(files.manifest.tables), "file")
    print(f"\n{read} read, nothing wrong: {counted(rows, 'row')}.")
    return ExitCode.DONE
