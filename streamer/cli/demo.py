"""`streamer demo`: the whole story on this machine, nothing to set up."""

from __future__ import annotations

import argparse

from streamer.cli.parser import Commands
from streamer.config import Config
from streamer.demo.story import tell_story
from streamer.errors import ExitCode

EPILOG = """\
example:
  streamer demo

It needs the extra `demo`: pip install 'd1-streamer[demo]'
Nothing outside a temporary folder is touched, and nothing is left behind. It takes a minute or so.
Exit codes: 0 every row arrived; 1 anything else
"""


def add_parser(commands: Commands) -> None:
    """Add the parser; the command has no options of its own."""
    commands.add_parser(
        "demo",
        description="Move a sample database into a local D1, be killed, resume, and compare it all.",
        epilog=EPILOG,
    )


def run(_args: argparse.Namespace, _config: Config) -> ExitCode:
    """Play it."""
    return ExitCode.DONE if tell_story(_say) else ExitCode.FAILED


def _say(line: str) -> None:
    print(line, flush=True)
