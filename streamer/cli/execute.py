"""One command from its arguments to its exit code: parser, settings, log, event loop."""

from __future__ import annotations

import argparse
import importlib
import logging
import os
from collections.abc import Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Protocol, cast

from streamer.cli.commands import Command
from streamer.cli.logs import logging_to
from streamer.cli.memory import loading
from streamer.cli.options import Options, add_options
from streamer.cli.outcome import debugging, explain, flush_stdout
from streamer.cli.parser import Commands, Parser
from streamer.cli.redact import Redactor
from streamer.config import Config, resolve
from streamer.config.known import SECRET_VARIABLES
from streamer.errors import ExitCode

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

log = logging.getLogger("streamer.cli")

Ending = ExitCode | Coroutine[object, object, ExitCode]


class CommandModule(Protocol):
    """What a command's module holds."""

    def add_parser(self, commands: Commands, /) -> object:
        """Add the command's parser, with its examples and the options that only it has."""
        ...

    def run(self, args: argparse.Namespace, config: Config, /) -> Ending:
        """Do it. `args.logs` is the `Logs` that a display of its own may take over."""
        ...


def execute(command: Command, arguments: Sequence[str], redact: Redactor) -> int:
    """Run `command`; the exit code. Secrets are added to `redact` as they become known.

    Raises: StreamerError, SystemExit (after `--help`), before a log is there.
    """
    redact.add(os.environ.get(name, "") for name in SECRET_VARIABLES)
    with loading():
        module = cast("CommandModule", importlib.import_module(command.module))
    args = parse(command, module, arguments)
    options = vars(args)
    config = resolve(
        options,
        os.environ,
        source=command.source,
        target=command.target,
        job=command.job,
        compares=Options.COMPARE in command.options,
    )
    redact.add(secret.reveal() for secret in config.secrets)
    with logging_to(config.output, redact, debug=debugging()) as logs:
        for warning in config.warnings:
            log.warning("%s", warning)
        args.logs = logs
        try:
            code = _finished(module.run(args, config))
            flush_stdout()
        except BaseException as error:  # noqa: BLE001 (the last place that can tell the user)
            outcome = explain(
                error,
                interrupted=command.interrupted,
                restarts="restart" in options,
                resumes="resume" in options,
            )
            if outcome.lines:
                logs.fail(outcome.lines)
            return outcome.code
        return code


def parse(command: Command, module: CommandModule, arguments: Sequence[str]) -> argparse.Namespace:
    """The command's arguments, by long names with underscores.

    Raises: UsageError; SystemExit after `--help`.
    """
    top = Parser(prog="streamer")
    commands = top.add_subparsers(metavar="COMMAND")
    module.add_parser(commands)
    parser = commands.choices[command.name]
    add_options(parser, command.options)
    return parser.parse_all(arguments)


def _finished(ending: Ending) -> ExitCode:
    if isinstance(ending, int):
        return ExitCode(ending)
    import asyncio  # noqa: PLC0415 (slow to load; `status` does without)

    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(ending)


def _loop_factory() -> Callable[[], AbstractEventLoop] | None:
    try:
        uvloop = importlib.import_module("uvloop")
    except ImportError:
        return None
    return cast("Callable[[], AbstractEventLoop]", uvloop.new_event_loop)
