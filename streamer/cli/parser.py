"""Command lines → parsed arguments; what can't be parsed is one sentence and exit code 2."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any, NoReturn, Protocol

from streamer.errors import UsageError, nearest

SECRETS = ("--token", "--api-token", "--password", "--dsn", "--postgres-dsn", "--hash-key")


class Parser(argparse.ArgumentParser):
    """argparse's parser without abbreviations, without exits, and with nearest known names."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("allow_abbrev", False)
        kwargs.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
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
