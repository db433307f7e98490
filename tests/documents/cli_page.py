"""docs/cli.md, made from the parsers: `python -m tests.documents.cli_page` writes it anew."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from streamer.cli.commands import COMMANDS
from streamer.cli.completion import whole_parser
from streamer.cli.parser import Parser

PAGE = Path(__file__).parents[2] / "docs" / "cli.md"
HEAD = """\
# The commands

Made from the commands' own parsers (`make docs`); `streamer COMMAND --help` shows the same.
"""


def page() -> str:
    """The page as it must be."""
    parsers = _commands(whole_parser())
    parts = [HEAD, "\n".join(f"- [`streamer {name}`](#streamer-{name})" for name in COMMANDS)]
    for name, command in COMMANDS.items():
        parts += [f"## streamer {name}", *_section(parsers[name], command.summary)]
    return "\n\n".join(part.strip("\n") for part in parts) + "\n"


def _commands(top: Parser) -> dict[str, Parser]:
    for action in top.actions:
        if isinstance(action, argparse._SubParsersAction):
            return dict(action.choices)
    raise AssertionError("the parser has commands")


def _section(parser: Parser, summary: str) -> list[str]:
    described = parser.description or f"{summary[0].upper()}{summary[1:]}."
    rows = [_row(action) for action in parser.actions if action.help != argparse.SUPPRESS]
    table = "\n".join(["| Option | |", "|---|---|", *rows])
    return [described, table, f"```\n{(parser.epilog or '').strip()}\n```" if parser.epilog else ""]


def _row(action: argparse.Action) -> str:
    value = f" {action.metavar}" if action.metavar and action.option_strings else ""
    names = ", ".join(f"`{option}{value}`" for option in action.option_strings)
    names = names or f"`{action.metavar or action.dest}`"
    text = re.sub(r"\s+", " ", action.help or "").replace("%%", "%")
    return f"| {_cell(names)} | {_cell(text)} |"


def _cell(text: str) -> str:
    return text.replace("|", r"\|")


if __name__ == "__main__":
    PAGE.write_text(page())
