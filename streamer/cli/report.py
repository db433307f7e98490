"""`streamer report`: one HTML page from a report."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import cast

import orjson

from streamer.cli.parser import Commands
from streamer.config import Config
from streamer.errors import ExitCode, StreamerError
from streamer.page import page_of
from streamer.page.build import JSON
from streamer.progress import write_whole

MOST_BYTES = 256 * 1024 * 1024
EXAMPLES = """\
examples:
  streamer report run_report.json               writes run_report.html beside it
  streamer report validation_report.json --output /srv/www/validation.html
  streamer report run_report.json --output - | less

The page needs nothing else, neither files nor the network, and has no script: it can be sent to a
colleague. It holds what the report holds: names and figures, never a row.
"""


def add_parser(commands: Commands) -> None:
    """Add the parser with the arguments that only this command has."""
    parser = commands.add_parser(
        "report",
        description="Make one self-contained HTML page from a report.",
        epilog=EXAMPLES,
    )
    parser.add_argument("file", metavar="FILE", help="a report: run_report.json, ...")
    parser.add_argument(
        "--output", metavar="FILE", help="where to write it (default: FILE with .html; - is stdout)"
    )


def run(args: argparse.Namespace, _config: Config) -> ExitCode:
    """Read the report, write the page."""
    source = Path(args.file)
    report = _read(source)
    try:
        page = page_of(report)
    except ValueError as error:
        raise _no_report(source, str(error)) from None
    if args.output == "-":
        print(page)
        return ExitCode.DONE
    target = Path(args.output) if args.output else source.with_suffix(".html")
    write_whole(target, page.encode(), hint="Make room or name another file with --output.")
    print(target)
    return ExitCode.DONE


def _read(path: Path) -> JSON:
    try:
        with path.open("rb") as file:
            text = file.read(MOST_BYTES)
    except OSError as error:
        raise StreamerError(
            f"{path} can't be read: {error.strerror}",
            hint="Name a report, such as the run_report.json that a run leaves",
        ) from None
    try:
        document: object = orjson.loads(text)
    except ValueError:
        raise _no_report(path, "it isn't JSON") from None
    if not isinstance(document, dict):
        raise _no_report(path, "it isn't a JSON object")
    return cast("JSON", document)


def _no_report(path: Path, why: str) -> StreamerError:
    return StreamerError(
        f"{path} is no report of streamer: {why}",
        hint="Name a report, such as the run_report.json that a run leaves",
    )
