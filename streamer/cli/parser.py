"""Command lines → parsed arguments; what can't be parsed is one sentence and exit code 2."""

from __future__ import annotations

import argparse
import re
import shutil
import sys
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any, NoReturn, Protocol

from streamer.errors import UsageError, nearest

SECRETS = ("--token", "--api-token", "--password", "--dsn", "--postgres-dsn", "--hash-key")


WIDEST = 100  # longer lines are hard to read, however wide the terminal is
NARROWEST = 40
MOST_IN_USAGE = 12  # options; more than these are only listed
ASIDE = 6  # how far an explanation is indented that has no room beside its example


class HelpFormatter(argparse.HelpFormatter):
    """argparse's, for any width: prose is wrapped, examples stay as they are.

    Where an example and its explanation (two blanks or more lie between them) don't fit into a
    line, the explanation comes below it.
    """

    def __init__(self, prog: str) -> None:
        width = min(max(shutil.get_terminal_size().columns - 2, NARROWEST), WIDEST)
        super().__init__(prog, width=width)

    def add_usage(
        self,
        usage: str | None,
        actions: Iterable[argparse.Action],
        groups: Any,
        prefix: str | None = None,
    ) -> None:
        """Add the usage; of many options, that there are some."""
        actions = [*actions]
        options = [action for action in actions if action.option_strings]
        if usage is None and len(options) > MOST_IN_USAGE:
            places = [action for action in actions if not action.option_strings]
            wanted = [f"{one.option_strings[-1]} {one.metavar}" for one in options if one.required]
            wanted += [str(place.metavar) for place in places]
            usage = " ".join(["%(prog)s", *wanted, "[OPTION ...]"])
        super().add_usage(usage, actions, groups, prefix)

    def add_argument(self, action: argparse.Action) -> None:
        """Add an option, an argument, or commands, whose indent older argparses don't count in."""
        super().add_argument(action)
        if action.nargs == argparse.PARSER and sys.version_info < (3, 13):
            self._action_max_length += self._indent_increment

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        lines = text.strip("\n").splitlines()
        filled = [
            line
            for is_prose, some in groupby(lines, lambda line: bool(line) and line[0] != " ")
            for line in (_wrapped(some, width) if is_prose else _examples(some, width))
        ]
        return "".join(f"{indent}{line}".rstrip() + "\n" for line in filled)


def _wrapped(lines: Iterator[str], width: int) -> list[str]:
    return textwrap.wrap(" ".join(lines), width, break_long_words=False, break_on_hyphens=False)


def _examples(lines: Iterator[str], width: int) -> Iterator[str]:
    for line in lines:
        parts = re.fullmatch(r"( *\S.*?) {2,}(\S.*)", line)
        if len(line) <= width or parts is None:
            yield line
        else:
            yield parts[1]
            yield from textwrap.wrap(
                parts[2], width, initial_indent=" " * ASIDE, subsequent_indent=" " * ASIDE
            )


class Parser(argparse.ArgumentParser):
    """argparse's parser without abbreviations, without exits, and with nearest known names."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("allow_abbrev", False)
        kwargs.setdefault("formatter_class", HelpFormatter)
        super().__init__(*args, **kwargs)

    def error(self, message: str) -> NoReturn:
        """Raise what argparse would print."""
        raise UsageError(f"{message.removeprefix('argument ')}; see {self.prog} --help")

    @property
    def actions(self) -> list[argparse.Action]:
        """The options and arguments, in the order of `--help`."""
        return self._actions

    def knows(self, option: str) -> bool:
        """True where this option has been added."""
        return option in self._option_string_actions

    def parse_all(self, arguments: Sequence[str]) -> argparse.Namespace:
        """The arguments; an option that isn't known is refused with the nearest one that is."""
        parsed, unknown = self.parse_known_args(arguments)
        if not unknown:
            return parsed
        # The value may be a secret that was put there by mistake, so it isn't shown.
        option = next((word.partition("=")[0] for word in unknown if word.startswith("-")), None)
        if option is None:
            raise UsageError(
                "one argument too many (it isn't shown, it may be a secret);"
                f" see {self.prog} --help"
            )
        if option in SECRETS:
            raise UsageError(
                f"unknown option {option}: secrets aren't taken from the command line; set"
                " POSTGRES_PASSWORD, POSTGRES_DSN, CLOUDFLARE_API_TOKEN or STREAMER_HASH_KEY, or"
                " write an --env-file"
            )
        raise UsageError(
            f"unknown option {option}{nearest(option, self._option_string_actions)};"
            f" see {self.prog} --help"
        )


class Commands(Protocol):
    """What a command adds its parser to: argparse's sub-parsers."""

    def add_parser(self, name: str, **kwargs: Any) -> argparse.ArgumentParser:
        """A new parser, for the command `name`."""
        ...
