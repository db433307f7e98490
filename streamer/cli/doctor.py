"""`streamer doctor`: checks both ends, and says what to do about what it finds."""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace

from streamer import doctor
from streamer.cli.parser import Commands
from streamer.config import Config, PacingSettings, TargetSettings
from streamer.config import Target as TargetSetting
from streamer.d1 import D1Database, SilentObserver
from streamer.doctor import End, FileFacts, Line, TargetFacts, Verdict
from streamer.errors import ExitCode, StreamerError
from streamer.frozen import frozen
from streamer.model import Plan
from streamer.plan import make_plan, select
from streamer.postgres.checkup import Checkup, checkup
from streamer.progress.view import printable
from streamer.run.survey import Survey, survey
from streamer.targets import file_of, open_target, room

FORMAT_VERSION = 1
GIVE_UP_AFTER_S = 10.0  # somebody is waiting for the answer
EXAMPLES = """\
examples:
  streamer doctor
  streamer doctor --target sqlite:shop.db
  streamer doctor --json | jq '.checks[] | select(.verdict != "ok")'

Nothing is written at either end. Each line says ok, warning or problem.
Exit codes: 0 a run can start; 1 there is a problem; 2 wrong settings
"""


@frozen
class Target:
    """What was seen at the target."""

    facts: TargetFacts | FileFacts
    survey: Survey


def add_parser(commands: Commands) -> None:
    """Add the parser with the option that only this command has."""
    parser = commands.add_parser(
        "doctor",
        description="Check PostgreSQL and D1: what works, what doesn't, and what to do.",
        epilog=EXAMPLES,
    )
    parser.add_argument("--json", action="store_true", help="print the checks as JSON")


async def run(args: argparse.Namespace, config: Config) -> ExitCode:
    """Look at both ends at once and print what was found."""
    source, target = await asyncio.gather(_look_at_source(config), _look_at_target(config))
    lines = judge(config, source, target)
    print(as_json(lines) if args.json else "\n".join(as_text(lines)))
    problems = any(line.verdict is Verdict.PROBLEM for line in lines)
    return ExitCode.FAILED if problems else ExitCode.DONE


def judge(
    config: Config, source: Checkup | StreamerError, target: Target | StreamerError
) -> list[Line]:
    """The verdicts on both ends; an end that can't be looked at gets one line."""
    lines: list[Line] = []
    plan: Plan | None = None
    if isinstance(source, Checkup):
        try:
            chosen, _ = select(source.catalog, config.selection)
            lines += doctor.of_source(source, [str(table.name) for table in chosen])
            plan = make_plan(source.catalog, config.selection)
            lines += doctor.of_plan(plan)
        except StreamerError as error:
            lines.append(replace(doctor.of_error(End.SOURCE, error), about="tables"))
    else:
        lines.append(doctor.of_error(End.SOURCE, source))
    if isinstance(target, Target):
        lines += doctor.of_target(target.facts, target.survey, plan)
    else:
        lines.append(doctor.of_error(End.TARGET, target))
    return lines


def as_text(lines: Sequence[Line]) -> list[str]:
    """The verdicts for people, one a line, each with what to do below it."""
    texts: list[str] = []
    for end in End:
        texts.append(f"{end.value}:")
        for line in (line for line in lines if line.end is end):
            texts.append(f"  {line.verdict.value:<8} {line.about}: {printable(line.found)}")
            if line.hint:
                texts.append(f"  {'':<8}   what to do: {printable(line.hint)}")
    return [*texts, "", _summary(lines)]


def as_json(lines: Sequence[Line]) -> str:
    """`format_version`, `ok`, and `checks`: each with end, about, verdict, found, hint."""
    document = {
        "format_version": FORMAT_VERSION,
        "ok": all(line.verdict is not Verdict.PROBLEM for line in lines),
        "checks": [
            {
                "end": line.end.value,
                "about": line.about,
                "verdict": line.verdict.value,
                "found": line.found,
                "hint": line.hint,
            }
            for line in lines
        ],
    }
    return json.dumps(document, indent=2)


def _summary(lines: Sequence[Line]) -> str:
    counts = {verdict: sum(line.verdict is verdict for line in lines) for verdict in Verdict}
    problems, warnings = counts[Verdict.PROBLEM], counts[Verdict.WARNING]
    if problems:
        return f"{problems} to mend before a run can succeed, {warnings} to read."
    if warnings:
        return f"A run can start; {warnings} to read first."
    return "A run can start."


async def _look_at_source(config: Config) -> Checkup | StreamerError:
    try:
        return await checkup(config.source)
    except StreamerError as error:
        return error


async def _look_at_target(config: Config) -> Target | StreamerError:
    settings = config.target
    if settings is None:
        raise AssertionError("the command is declared to need a target")
    try:
        return await _survey(settings, config.pacing)
    except StreamerError as error:
        return error


async def _survey(settings: TargetSetting, pacing: PacingSettings) -> Target:
    brief = replace(pacing, give_up_after_s=min(pacing.give_up_after_s, GIVE_UP_AFTER_S))
    database = await open_target(settings, brief, SilentObserver(), writing=False)
    try:
        return Target(_facts(settings, database), await survey(database))
    finally:
        await database.aclose()


def _facts(settings: TargetSetting, database: D1Database) -> TargetFacts | FileFacts:
    if isinstance(settings, TargetSettings):
        info = database.info
        return TargetFacts(id=info.id, name=info.name, replicated=info.replicated)
    path = file_of(settings)
    return FileFacts(path, exists=path.exists(), room=room(path))
