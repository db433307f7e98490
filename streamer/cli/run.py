"""`streamer run`: moves the tables."""

from __future__ import annotations

import argparse

from streamer.cli.parser import Commands
from streamer.config import Config
from streamer.errors import ExitCode

EXAMPLES = """\
examples:
  streamer run                                  everything in the schema public
  streamer run --table 'sales_*' --exclude sales_archive
  streamer run --resume                         go on after a stop of any kind
  streamer run --dry-run                        what it would do, and what it would cost
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
    """Run the job."""
    raise NotImplementedError
