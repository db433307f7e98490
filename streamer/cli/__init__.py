"""The command `streamer`: arguments and settings in, exit code out.

What takes long to load is loaded when a command needs it, so that `streamer --help` is quick.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress

from streamer.cli.commands import COMMANDS, EPILOG, Command
from streamer.cli.memory import loading
from streamer.cli.outcome import explain, flush_stdout
from streamer.cli.parser import Parser
from streamer.cli.redact import Redactor, guarded_stderr
from streamer.errors import ExitCode, UsageError, nearest
from streamer.version import VERSION

DESCRIPTION = "Moves PostgreSQL tables into Cloudflare D1: streamed, paced, resumable, exact."


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the command line says; the exit code. Every error ends as lines on stderr."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    os.umask(0o077)
    _replace_closed_streams()
    command = COMMANDS.get(arguments[0]) if arguments else None
    redact = Redactor()
    with guarded_stderr(redact):
        try:
            code = _ended(command, arguments, redact)
            flush_stdout()
        except BaseException as error:  # noqa: BLE001 (the last place that can tell the user)
            interrupted = command.interrupted if command is not None else 130
            outcome = explain(error, interrupted=interrupted)
            with suppress(OSError, ValueError):
                sys.stderr.writelines(f"{line}\n" for line in outcome.lines)
            return outcome.code
        return code


def _replace_closed_streams() -> None:
    """Open what the caller closed (`>&-`), so that no other file is taken for stdout or stderr."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(descriptor)
    if sys.stdout is None:  # pyright: ignore[reportUnnecessaryComparison] (so it is after >&-)
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 (stays)


def _ended(command: Command | None, arguments: list[str], redact: Redactor) -> int:
    try:
        return _dispatch(command, arguments, redact)
    except SystemExit as error:  # after --help, of which not all may be written yet
        return explain(error, interrupted=130).code


def _dispatch(command: Command | None, arguments: list[str], redact: Redactor) -> int:
    if command is not None:
        with loading():
            from streamer.cli.execute import execute  # noqa: PLC0415 (slow to load)
        return execute(command, arguments[1:], redact)
    word = arguments[0] if arguments else ""
    if word in {"", "-h", "--help", "help"}:
        _parser().print_help(sys.stdout if word else sys.stderr)
        return ExitCode.DONE if word else ExitCode.USAGE
    if word == "--version":
        print(f"streamer {VERSION}")
        return ExitCode.DONE
    kind, names = (
        ("option", ["--help", "--version"]) if word[0] == "-" else ("command", [*COMMANDS])
    )
    raise UsageError(
        f"unknown {kind} {word.partition('=')[0]}{nearest(word, names)}; see streamer --help"
    )


def _parser() -> Parser:
    parser = Parser(prog="streamer", description=DESCRIPTION, epilog=EPILOG)
    parser.add_argument("--version", action="store_true", help="print the version")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    for command in COMMANDS.values():
        commands.add_parser(command.name, help=command.summary)
    return parser
