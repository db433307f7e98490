"""`streamer validate`: whether both sides hold the same rows."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace

from streamer.cli.memory import settle_memory
from streamer.cli.parser import Commands
from streamer.cli.priority import stand_back
from streamer.cli.showing import showing, stopped_by_signals
from streamer.config import Config
from streamer.errors import ExitCode
from streamer.model.words import counted
from streamer.progress import Events
from streamer.progress.view import printable
from streamer.progress.wording import took
from streamer.run.reporting import add_validation
from streamer.run.start import as_reported, first_cause
from streamer.run.validated import Validated
from streamer.run.validation import validate
from streamer.run.validation_of_files import validate_files
from streamer.validate import Depth, Status, Verdict

EXAMPLES = """\
examples:
  streamer validate                             counts, keys, references, JSON, uniqueness
  streamer validate --detailed --sample 5000    and the values of 5,000 rows of each table
  streamer validate --full                      and every value of every row
  streamer validate --full --repair             and make the target equal to the source
  streamer validate --full --differences differences.ndjson
  streamer validate --resume                    go on after a stop of any kind
  streamer validate --export-dir migration_data                exported files, beside PostgreSQL
  streamer validate --transformed-dir d1_migration_data --full    transformed files, beside D1

It compares the tables of the run in the checkpoint, and wants the settings that the run had
(masks, transforms, types, renames). Without a checkpoint, options say what a run would have moved.
Reports name keys and columns, never values.

With folders of files, exported files are compared with PostgreSQL as it is now, transformed ones with
what their exported ones make and with D1; with one folder only that end is needed. Files that were
cut off or damaged end it with 1, file and line; rows that were edited are differences, with their line.

exit codes: 0 both sides hold the same; 1 failed, the message says what to do; 2 wrong settings;
3 there are differences; 75 stopped, go on with --resume
"""


def add_parser(commands: Commands) -> None:
    """Add the parser; the options are those that `streamer.cli.commands` gives it."""
    commands.add_parser(
        "validate",
        description="Prove that source and target hold the same rows, or name what differs.",
        epilog=EXAMPLES,
    )


async def run(args: argparse.Namespace, config: Config) -> ExitCode:
    """Compare, show how it goes, and sum it up on stdout."""
    async with _shown(args, config) as events:
        found = await _compare(config, events)
    _sum_up(config, events, found)
    return found.code


async def after_run(
    args: argparse.Namespace, config: Config, moved: ExitCode, of_run: Events
) -> ExitCode:
    """Compare every row after the run `of_run`, which ended with `moved`; its report holds both then.

    What can't be compared now can be by `streamer validate --full`; the run itself is done.
    """
    config = replace(config, validation=replace(config.validation, full=True, repair=False))
    async with _shown(args, config) as events:
        try:
            found = await _compare(config, events)
        except BaseException as error:
            stopped, problem = as_reported(first_cause(error))
            add_validation(config, of_run, events, code=stopped, errors=[problem])
            raise
        code = found.code if moved is ExitCode.DONE else moved
        add_validation(config, of_run, events, code=code)
    _sum_up(config, events, found)
    return code


@asynccontextmanager
async def _shown(args: argparse.Namespace, config: Config) -> AsyncGenerator[Events]:
    settle_memory()
    stand_back(config.target)
    folder = config.validation.transformed
    if folder is not None and folder.is_dir():
        args.logs.also_in(folder / "validate.log")
    async with showing(config, args.logs, "validate") as events:
        yield events


async def _compare(config: Config, events: Events) -> Validated:
    stop = asyncio.Event()
    compare = validate_files if config.validation.files else validate
    with stopped_by_signals(stop, "finishing the requests in flight"):
        return await compare(config, events, stop)


def _sum_up(config: Config, events: Events, found: Validated) -> None:
    if found.verdicts:
        print("\n".join(_summary(config, events, found)))
    else:
        print("No table was there to compare.")


def _summary(config: Config, events: Events, found: Validated) -> list[str]:
    """What was found, a line for each table that differs."""
    rows = sum(verdict.figures.get("rows_in_source", 0) for verdict in found.verdicts)
    differing = [verdict for verdict in found.verdicts if not verdict.equal]
    traffic = events.tally.traffic
    lines = [line for verdict in differing for line in _of_table(verdict)]
    pairs = ("pair of table and file", "pairs of tables and files")
    compared = counted(len(found.verdicts), *(pairs if config.validation.files else ("table",)))
    said = f"{len(differing):,} of them differ" if differing else "no difference found"
    lines.append(
        f"{counted(rows, 'row')} of {compared} compared ({_DEPTHS[found.depth]}) in"
        f" {took(traffic.seconds)} with {counted(traffic.requests, 'request')}: {said}."
    )
    if not events.report_lost:
        lines.append(f"Report: {config.validation.report}")
    return lines


_DEPTHS = {
    Depth.KEYS: "keys only",
    Depth.SAMPLE: "keys, and a sample of the values",
    Depth.FULL: "every value",
}


MOST_LINES = 20  # of a file, that are told one by one; the report has more


def _of_table(verdict: Verdict) -> list[str]:
    said: list[str] = []
    sides = f" ({' and '.join(verdict.between)})" if verdict.between else ""
    for check in verdict.checks:
        if check.status is not Status.DIFFERS:
            continue
        about = f" {check.about}" if check.about else ""
        figures = ", ".join(f"{n:,} {name.replace('_', ' ')}" for name, n in check.figures.items())
        found = "; ".join(filter(None, (figures, check.note)))
        said.append(
            f"{printable(verdict.name)}{sides}: {check.name}{printable(f'{about}: {found}')}"
        )
    lines = [found for found in verdict.differences if found.line]
    for found in lines[:MOST_LINES]:
        which = f" in {', '.join(found.columns)}" if found.columns else ""
        said.append(printable(f"{verdict.file}, line {found.line}: {found.kind}{which}"))
    return said
