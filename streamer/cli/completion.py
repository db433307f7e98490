"""`streamer completion`: a script that lets a shell complete commands, options and file names."""

from __future__ import annotations

import argparse
import importlib
from typing import Any, cast

import shtab

from streamer.cli.commands import COMMANDS, EPILOG
from streamer.cli.execute import CommandModule
from streamer.cli.options import add_options
from streamer.cli.parser import Commands, Parser
from streamer.config import Config
from streamer.errors import ExitCode
from streamer.frozen import frozen

SHELLS = ("bash", "zsh", "fish")
_PLACES = {"FILE": shtab.FILE, "DIR": shtab.DIRECTORY}
EXAMPLES = """\
examples:
  streamer completion bash > ~/.local/share/bash-completion/completions/streamer
  streamer completion zsh > ~/.zfunc/_streamer            (with ~/.zfunc in $fpath)
  streamer completion fish > ~/.config/fish/completions/streamer.fish
"""


def add_parser(commands: Commands) -> None:
    """Add the parser with the argument that only this command has."""
    parser = commands.add_parser(
        "completion",
        description="Print a script that completes streamer's commands and options in a shell.",
        epilog=EXAMPLES,
    )
    parser.add_argument("shell", metavar="SHELL", choices=SHELLS, help=f"{', '.join(SHELLS)}")


def run(args: argparse.Namespace, _config: Config) -> ExitCode:
    """Print the script."""
    print(shtab.complete(whole_parser(), args.shell))
    return ExitCode.DONE


def whole_parser() -> Parser:
    """The parser of all commands with all their options, as `--help` knows them one by one."""
    top = Parser(prog="streamer", epilog=EPILOG)
    top.add_argument("--version", action="store_true", help="print the version")
    commands = top.add_subparsers(title="commands", metavar="COMMAND")
    for command in COMMANDS.values():
        module = cast("CommandModule", importlib.import_module(command.module))
        module.add_parser(_Summed(commands, command.summary))
        parser = commands.choices[command.name]
        add_options(parser, command.options)
        _complete_places(parser)
    return top


@frozen
class _Summed:
    """Adds a command's parser with the line that a list of commands shows."""

    commands: Commands
    summary: str

    def add_parser(self, name: str, **kwargs: Any) -> argparse.ArgumentParser:
        return self.commands.add_parser(name, help=self.summary, **kwargs)


def _complete_places(parser: Parser) -> None:
    for action in parser.actions:
        if place := _PLACES.get(str(action.metavar)):
            action.complete = place  # pyright: ignore[reportAttributeAccessIssue] -- shtab's way
