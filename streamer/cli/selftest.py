"""`streamer selftest`: the pipeline on sample data."""

from __future__ import annotations

import argparse
from pathlib import Path

from streamer.cli.parser import Commands
from streamer.config import Config
from streamer.demo.selftest import Selftest
from streamer.errors import ExitCode

EXAMPLES = """\
examples:
  streamer selftest                             every step, in selftest_data/
  streamer selftest --cleanup                   and remove that folder again

Sample data is made in a PostgreSQL of its own; then every step of the pipeline is done as you would
type it: export, transform, import (a dry run, then into a local file that obeys D1's rules), a comparison
of every row, and rollback. It needs the extra `demo`: pip install 'd1-streamer[demo]'. Your databases
aren't touched. selftest_report.json tells how it went.

exit codes: 0 every step passed; 1 one didn't, the report says which; 2 wrong settings
"""


def add_parser(commands: Commands) -> None:
    """Add the parser."""
    parser = commands.add_parser(
        "selftest",
        description="Try the pipeline on sample data: every step, and a report of how it went.",
        epilog=EXAMPLES,
    )
    parser.add_argument(
        "--output-dir",
        metavar="DIR",
        default="selftest_data",
        help="where the files are made (default selftest_data)",
    )
    parser.add_argument(
        "--output-report",
        metavar="FILE",
        default="selftest_report.json",
        help="where to write the report (default selftest_report.json)",
    )
    parser.add_argument(
        "--cleanup", action="store_true", help="remove the files at the end; the report stays"
    )


def run(args: argparse.Namespace, _config: Config) -> ExitCode:
    """Try it all."""
    return Selftest(
        Path(args.output_dir), Path(args.output_report), cleanup=args.cleanup, say=_say
    ).carry_out()


def _say(line: str) -> None:
    print(line, flush=True)
