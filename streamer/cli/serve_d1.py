"""`streamer serve-d1`: a local D1 to try things with."""

from __future__ import annotations

import argparse

from streamer.cli.parser import Commands
from streamer.config import Config
from streamer.errors import ExitCode, UsageError
from streamer.local_d1 import LocalD1Error
from streamer.local_d1.command import add_arguments, serve


def add_parser(commands: Commands) -> None:
    """Add the parser with the options that only this command has."""
    parser = commands.add_parser(
        "serve-d1",
        description="Serve Cloudflare's D1 API from SQLite files, with D1's limits, until a signal.",
    )
    add_arguments(parser)


async def run(args: argparse.Namespace, _config: Config) -> ExitCode:
    """Serve until SIGINT or SIGTERM. Raises UsageError where it can't start."""
    try:
        await serve(args)
    except LocalD1Error as error:
        raise UsageError(error.what, hint=error.hint) from None
    return ExitCode.DONE
