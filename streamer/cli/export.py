"""`streamer export`: the tables into files."""

from __future__ import annotations

import argparse
import asyncio
import time
from pathlib import Path

from streamer.cli.parser import Commands
from streamer.cli.showing import stopped_by_signals
from streamer.config import Config
from streamer.errors import ExitCode
from streamer.files.names import Compression, Format
from streamer.files.writing import make_folder
from streamer.progress import Events
from streamer.progress.story import log_line
from streamer.run.exporting import ExportOptions, export

EXAMPLES = """\
examples:
  streamer export                               into migration_data/, one JSON file a table
  streamer export --output-dir backup --validate
  streamer export --dry-run                     test the connection, say what would be exported
  streamer export --format ndjson --compress zstd --table 'sales_*'
  streamer export --resume                      go on after a stop of any kind

what comes of it: <table>.json for each table (a JSON array, one row a line), export_manifest.json
(the catalog and how values are written), export_report.json, export.log. The files hold your users'
data: they can be read by you alone; remove them when you are done. `streamer transform` comes next.

exit codes: 0 done; 1 failed; 2 wrong settings, or something can't be exported; 3 done, but
something was left out, or validation found a difference; 75 stopped, go on with --resume
"""


def add_parser(commands: Commands) -> None:
    """Add the parser."""
    parser = commands.add_parser(
        "export",
        description="Write tables into files, all in one snapshot, lossless. Touches nothing else.",
        epilog=EXAMPLES,
    )
    parser.add_argument(
        "--output-dir",
        metavar="DIR",
        default="migration_data",
        help="where to (default migration_data)",
    )
    parser.add_argument(
        "--validate", action="store_true", help="read the files again, count rows in PostgreSQL"
    )
    parser.add_argument(
        "--format",
        choices=[f.value for f in Format],
        default="json",
        help="json (default) or ndjson",
    )
    parser.add_argument(
        "--compress",
        choices=["gzip", "zstd"],
        help="compress the files",
    )
    for name, text in (
        ("--dry-run", "test the connection and say what would be exported"),
        ("--resume", "go on with the unfinished export in DIR, or start one"),
        ("--restart", "forget the unfinished export in DIR and start over"),
        ("--skip-refused", "export the rest where something can't be moved (exit code 3)"),
    ):
        parser.add_argument(name, action="store_true", help=text)
    parser.add_argument(
        "--consistency", metavar="HOW", help="snapshot: one moment (default); rolling: kinder"
    )


async def run(args: argparse.Namespace, config: Config) -> ExitCode:
    """Export, and say where the files are."""
    folder = Path(args.output_dir)
    options = ExportOptions(
        folder,
        Format(args.format),
        Compression(args.compress or "none"),
        validate=args.validate,
    )
    if not config.run.dry_run:
        make_folder(folder)
        args.logs.also_in(folder / "export.log")
    stop = asyncio.Event()
    with stopped_by_signals(stop, "finishing the page that is being read"):
        code = await export(config, options, Events(time.monotonic, say=log_line), stop)
    if not config.run.dry_run:
        print(f"Exported into {folder}; see export_report.json there.")
    return code
