"""`streamer transform`: exported files into those that D1 is to hold."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from streamer.cli.parser import Commands
from streamer.config import Config
from streamer.demo.processes import signals_end_us
from streamer.errors import ExitCode, InterruptedRunError
from streamer.files.writing import make_folder
from streamer.progress import Events
from streamer.progress.story import log_line
from streamer.run.transforming import TransformOptions, transform

EXAMPLES = """\
examples:
  streamer transform                            migration_data/ into d1_migration_data/
  streamer transform --validate                 try foreign keys, unique and NOT NULL
  streamer transform --validate --keep-temp-db  and keep the SQLite database that was tried
  streamer transform --timestamps seconds       as for `run`: how each type is stored
  streamer transform --edited                   take files that were changed since the export
  streamer transform --format sql               SQL files, in the order of their names:
    for file in d1_migration_data/*.sql; do wrangler d1 execute DB --remote --file "$file"; done

what comes of it: <table>_transformed.json for each table, schema.sql, transformation_report.json,
transform_manifest.json, transform.log. All of them, or none. `streamer import` comes next.

exit codes: 0 done; 1 failed: a file isn't as it should be; each problem is told with file, line,
key and column; 2 wrong settings, nothing was written; 3 done, but references are missing, or
something was left out; 75 stopped by a signal: run it again, it
starts over
"""


def add_parser(commands: Commands) -> None:
    """Add the parser."""
    parser = commands.add_parser(
        "transform",
        description="Make the rows that D1 is to hold of exported files; needs no database.",
        epilog=EXAMPLES,
    )
    parser.add_argument(
        "--input-dir",
        metavar="DIR",
        default="migration_data",
        help="exported files (default migration_data)",
    )
    parser.add_argument(
        "--output-dir",
        metavar="DIR",
        default="d1_migration_data",
        help="where to (default d1_migration_data)",
    )
    parser.add_argument(
        "--format",
        choices=["json", "sql"],
        default="json",
        help="json (default): for `streamer import`, lines or arrays as the export has them;"
        " sql: for `wrangler d1 execute --file`",
    )
    for name, text in (
        ("--validate", "try foreign keys, unique and NOT NULL in a temporary SQLite database"),
        ("--keep-temp-db", "keep that database, as validation.db (implies --validate)"),
        ("--edited", "take files that aren't any more what was exported"),
        ("--skip-refused", "transform the rest where something can't be moved (exit code 3)"),
    ):
        parser.add_argument(name, action="store_true", help=text)


def run(args: argparse.Namespace, config: Config) -> ExitCode:
    """Transform, and say where the files are."""
    folder = Path(args.output_dir)
    make_folder(folder)
    args.logs.also_in(folder / "transform.log")
    options = TransformOptions(
        source=Path(args.input_dir),
        folder=folder,
        validate=args.validate or args.keep_temp_db,
        keep_temp_db=args.keep_temp_db,
        edited=args.edited,
        sql=args.format == "sql",
    )
    with signals_end_us():
        try:
            code = transform(config, options, Events(time.monotonic, say=log_line))
        except KeyboardInterrupt:
            raise InterruptedRunError(
                "stopped by a signal; nothing was written.",
                hint="Run it again: it starts from the beginning.",
            ) from None
    print(f"Transformed into {folder}; see transformation_report.json there.")
    return code
