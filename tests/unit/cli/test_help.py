"""`--help`: it fits the terminal, and says the same at every width."""

from __future__ import annotations

import argparse
import re

import pytest

from streamer.cli import main
from streamer.cli.commands import COMMANDS
from streamer.cli.completion import whole_parser
from streamer.cli.parser import WIDEST
from streamer.model.words import counted

# A command line to be copied, which nothing may break: in an example, two blanks in.
UNBROKEN = re.compile(r" {2,}(streamer|until|export|for|npx) .*")


Parsers = dict[str, argparse.ArgumentParser]


@pytest.fixture(scope="module")
def parsers() -> Parsers:
    """Each command's, by its name."""
    for action in whole_parser().actions:
        if isinstance(action, argparse._SubParsersAction):
            return dict(action.choices)
    raise AssertionError("the parser has commands")


@pytest.mark.parametrize("columns", [60, 80, 120, 200])
def test_no_line_is_wider_than_the_terminal_but_for_commands_to_copy(
    columns: int, parsers: Parsers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    most = min(columns, WIDEST)

    for command, parser in parsers.items():
        wide = [line for line in parser.format_help().splitlines() if len(line) > most]

        assert [line for line in wide if not UNBROKEN.fullmatch(line)] == [], command


def test_the_words_are_the_same_at_every_width(
    parsers: Parsers, monkeypatch: pytest.MonkeyPatch
) -> None:
    for command, parser in parsers.items():
        said = set[tuple[str, ...]]()
        for columns in ("60", "80", "120"):
            monkeypatch.setenv("COLUMNS", columns)
            said.add(tuple(parser.format_help().partition("options:")[2].split()))

        assert len(said) == 1, command


@pytest.mark.parametrize("columns", ["60", "80", "120"])
def test_each_command_stands_in_a_line_with_what_it_does(
    columns: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", columns)

    main(["--help"])

    listed = capsys.readouterr().out
    for name, command in COMMANDS.items():
        first = " ".join(command.summary.split()[:3])
        assert re.search(rf"^ +{name} +{re.escape(first)}", listed, re.MULTILINE), name


def test_one_thing_is_said_as_one() -> None:
    assert counted(1, "table") == "1 table"
    assert counted(0, "row") == "0 rows"
    assert counted(2_000, "pair of tables", "pairs of tables") == "2,000 pairs of tables"
