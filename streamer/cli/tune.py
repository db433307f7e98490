"""`streamer tune`: tries the target out, and says what to expect and which settings to use."""

from __future__ import annotations

import argparse
import asyncio
import logging
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import orjson

from streamer.cli import settings_file, settings_merge
from streamer.cli.parser import Commands
from streamer.cli.plan import estimate_json, estimate_lines, run_parser
from streamer.cli.showing import stopped_by_signals
from streamer.config import Config, MeasuredTarget, TargetSettings
from streamer.config.measured import measured_lines
from streamer.d1 import SystemClock
from streamer.errors import ExitCode, TargetUnavailableError, UsageError
from streamer.frozen import frozen
from streamer.model import Measure, Plan, QualifiedName, StepKind, TablePlan
from streamer.model.target import TargetIdentity
from streamer.model.words import counted
from streamer.pack import step_columns
from streamer.plan.estimate import measure_of
from streamer.plan.requests import Packing
from streamer.progress import utc
from streamer.progress.view import printable
from streamer.progress.wording import size
from streamer.run.outlook import Outlook, look_ahead
from streamer.run.stopping import Stopping
from streamer.targets import open_target, prepare
from streamer.tune import (
    Advice,
    Count,
    Measured,
    Probing,
    SourceSeen,
    advise,
    look_at_rows,
    opened,
    probe,
)
from streamer.tune.probe import FAR
from streamer.tune.sample import Sample, of_lengths

log = logging.getLogger("streamer.tune")

FORMAT_VERSION = 1
PATIENCE_S = 30.0
_CHANCE = Random()  # noqa: S311 (for values that are made up)
# What reaches D1 is loaded in 0.07 s beside a run's look at its source; so long a small one waits for it still.
_STILL_LOADING_S = 0.03
EXAMPLES = """\
examples:
  streamer tune                                 what to expect, and the settings for it
  streamer tune --write-config streamer.toml    and write them down: streamer run --config streamer.toml
  streamer tune --table 'orders*' --rate-limit 600/300
  streamer tune --json | jq .settings

It makes a scratch table named _streamer_tune_... in the target, like the table that most bytes come
from, fills it with made-up rows, and takes it away again: at most 40 requests, about 30 s and 60,000
rows written, within the rate limit that all commands share. Your tables aren't touched; some rows are
read to see how fast PostgreSQL is and what form rows have: the made-up ones have the same lengths, NULLs
and punctuation, but other letters and digits. What a tune that was killed has left, the next one takes away.

--write-config makes the file, or adds the two settings to one that is there, and [measured], by which
the minutes of a plan with --config FILE are reckoned. What the file says of the settings already is never
changed, then the lines are printed only.

exit codes: 0 done; 1 failed: token, permission, database full; 2 wrong settings, or nothing to move;
3 done, but the file has other settings, which were left; 75 stopped, or D1 can't be used for now
"""


@frozen
class Tuned:
    """What a probe told: of which table's likes, how it went, and what comes of it."""

    target: TargetIdentity
    table: TablePlan
    measured: Measured
    advice: Advice
    requests: int
    rows_written: int
    turned_away: int = 0


def add_parser(commands: Commands) -> None:
    """Add the parser with the options that only this command has."""
    parser = commands.add_parser(
        "tune",
        description="Try the target out: what to expect of a run, and which settings to use.",
        epilog=EXAMPLES,
    )
    parser.add_argument("--json", action="store_true", help="print what was found as JSON")
    parser.add_argument(
        "--write-config",
        metavar="FILE",
        help="write the settings as TOML, for --config: a new file, or added to one that is there",
    )


async def run(args: argparse.Namespace, config: Config) -> ExitCode:
    """Plan, try the target out, print what was found, write it down where that is wanted."""
    path = Path(args.write_config) if args.write_config is not None else None
    before = settings_merge.read(path) if path is not None else None
    if path is not None:
        settings_merge.refuse_unwritable(path)
    stop = asyncio.Event()
    stopping = Stopping(stop, kept="your tables are as they were", again="streamer tune")
    with stopped_by_signals(stop, "ending; the scratch table is taken away"):
        async with stopping.heeded():
            outlook, table, seen = await _of_source(config)
        stopping.heed()
        tuned = await _tune(config, outlook, table, seen, stopping)
    print(as_json(tuned) if args.json else "\n".join(as_text(tuned, config)))
    if tuned.turned_away:
        log.warning(
            "%s had to be sent again: the target had other things to do, and what was measured may"
            " hold for no other time; run `streamer tune` again when it is quiet",
            counted(tuned.turned_away, "request"),
        )
    if tuned.measured.held_back:
        log.warning(
            "several requests at once weren't measured in %s: they waited for leave to send, and nothing is"
            " said of the target by that; what is said rests on requests that went alone. Let other runs"
            " with this token end, or raise --rate-limit, then run `streamer tune` again",
            counted(tuned.measured.held_back, "round"),
        )
    if path is None:
        return ExitCode.DONE
    return _write(path, before, config, outlook.plan, tuned, env_file=args.env_file)


async def _of_source(config: Config) -> tuple[Outlook, TablePlan, SourceSeen]:
    """The plan, the table that most bytes come from, and what its rows are like."""
    if config.target is not None:
        prepare(config.target)  # a run does so too, and opening the target hardly waits for it
    outlook = await look_ahead(config)
    if outlook.plan.refusals:
        number = counted(len(outlook.plan.refusals), "object")
        log.warning("%s can't be moved as planned: see streamer plan", number)
    table = _heaviest(outlook.plan, outlook.measures)
    log.info("reading rows of %s", table.name)
    return outlook, table, await look_at_rows(config, table, SystemClock(), _CHANCE)


async def _tune(
    config: Config,
    outlook: Outlook,
    table: TablePlan,
    seen: SourceSeen,
    stopping: Stopping,
) -> Tuned:
    if config.target is None:
        raise AssertionError("the command is declared to need a target")
    pacing = replace(
        config.pacing,
        concurrency=FAR,
        batch_bytes=None,
        give_up_after_s=min(config.pacing.give_up_after_s, PATIENCE_S),
    )
    count, clock = Count(), SystemClock()
    try:
        async with stopping.heeded():
            database, opening_s = await opened(open_target(config.target, pacing, count), clock)
    except TargetUnavailableError as error:
        raise _for_now(error) from None
    try:
        log.info("trying %s with rows like those of %s", database.identity, table.name)
        probing = Probing(
            table=table,
            sample=seen.sample or _without_rows(table, outlook.measures),
            pack=config.run.pack,
            count=count,
            clock=clock,
            stopping=stopping,
            most_bytes=config.pacing.batch_bytes,
        )
        if isinstance(config.target, TargetSettings):
            opening_s += _STILL_LOADING_S
        measured = replace(await probe(database, probing), opening_s=opening_s)
    except TargetUnavailableError as error:
        raise _for_now(error) from None
    finally:
        await database.aclose()
    advice = advise(
        measured,
        outlook.plan,
        outlook.measures,
        rate=config.pacing.rate,
        packing=Packing.of(config),
        known=outlook.known,
        source_bytes_per_s=seen.bytes_per_s,
    )
    return Tuned(
        target=database.identity,
        table=table,
        measured=measured,
        advice=advice,
        requests=count.requests,
        rows_written=count.rows_written,
        turned_away=count.turned_away,
    )


def _for_now(error: TargetUnavailableError) -> TargetUnavailableError:
    hint = (
        "Run `streamer tune` again later (a daily quota is renewed at 00:00 UTC); where it was never"
        " reached, check CLOUDFLARE_API_BASE_URL if it is set, STREAMER_PROXY and the network."
    )
    return TargetUnavailableError(error.what, hint=hint)


def _without_rows(table: TablePlan, measures: Mapping[QualifiedName, Measure]) -> Sample:
    """What rows are made of where none were seen."""
    return of_lengths(step_columns(table, StepKind.ROWS), measure_of(table, measures), _CHANCE)


def _heaviest(plan: Plan, measures: Mapping[QualifiedName, Measure]) -> TablePlan:
    """The table that most bytes come from: what a run does most of the time."""
    if not plan.tables:
        raise UsageError("no table would be moved", hint="Check POSTGRES_DB, --schema and --table")

    def weight(table: TablePlan) -> tuple[float, int]:
        measure = measure_of(table, measures)
        return measure.rows * measure.body_bytes, len(table.columns)

    return max(plan.tables, key=weight)


def as_text(tuned: Tuned, config: Config) -> list[str]:
    """What was found, for people."""
    seen, advice = tuned.measured, tuned.advice
    together = (*seen.rounds, *filter(None, [seen.small]))
    at_once = max((one.concurrency for one in together), default=1)
    tried = f", up to {at_once} at once" if together or not seen.held_back else ""
    source = advice.speed.source_bytes_per_s
    like = printable(str(tuned.table.name))
    lines = [
        f"Tried {printable(str(tuned.target))} with made-up rows like those of {like}:",
        f"{counted(tuned.requests, 'request')}{tried}; {counted(seen.rows, 'row')}, {size(seen.row_bytes)} each.",
        "",
        "Measured:",
        f"  round trip    {_milliseconds(seen.round_trip_s)}",
        *(
            f"  {counted(one.rows, 'row'):<14}{_milliseconds(one.seconds)} for {size(one.body_bytes)}"
            for one in seen.shots
        ),
        *([f"  reading       {size(source)}/s from PostgreSQL"] if source is not None else []),
        "",
        "To expect of a run:",
        f"  rows/s        {advice.rows_per_s:,.0f}",
        f"  bytes/s       {size(advice.bytes_per_s)}",
        f"  a request     {size(advice.settings.batch_bytes)} in {_milliseconds(advice.request_s)}",
        f"  held back by  {advice.limited_by.value}",
        "",
        "Settings:",
        *(f"  {line}" for line in settings_merge.lines(values(tuned))),
    ]
    if not isinstance(config.target, TargetSettings):
        lines.append("  (not needed: a file of this machine is filled as fast without)")
    return [*lines, "", "The planned run with them:", *estimate_lines(advice.run)]


def as_json(tuned: Tuned) -> str:
    """What was found, for programs.

    `format_version`, `target`, `probe` (`like`, `requests`, `turned_away`, `held_back`: rounds of several at once that
    are left out, since they waited for leave to send; `rows_written`, and the `rows` and `bytes` of the requests
    whose time counts: those that several at once begin and end with don't),
    `measured` (`round_trip_s`, `alone` and `together`: `concurrency`, `rows`, `bytes`, `seconds`;
    `each_request_s` of the target's own, beside bytes; `lookup_s` for a row by its key, null where that took no
    time; `source_bytes_per_s`, null where the table is too small to say), `expected` (`rows_per_s`,
    `bytes_per_s`, `request_s`, `limited_by`: `rate`, `target`, `distance`, `source`), `settings`
    (`batch_bytes`, `concurrency`), and `estimate` as `plan --json` has it.
    """
    seen, advice = tuned.measured, tuned.advice
    alone = [(1, shot.rows, shot.body_bytes, shot.seconds) for shot in seen.shots]
    together = [(r.concurrency, r.rows, r.body_bytes, r.seconds) for r in seen.rounds]
    names = ("concurrency", "rows", "bytes", "seconds")
    document = {
        "format_version": FORMAT_VERSION,
        "target": str(tuned.target),
        "probe": {
            "like": str(tuned.table.name),
            "requests": tuned.requests,
            "turned_away": tuned.turned_away,
            "held_back": seen.held_back,
            "rows": seen.rows,
            "rows_written": tuned.rows_written,
            "bytes": seen.body_bytes,
        },
        "measured": {
            "round_trip_s": seen.round_trip_s,
            "alone": [dict(zip(names, one, strict=True)) for one in alone],
            "together": [dict(zip(names, one, strict=True)) for one in together],
            "each_request_s": advice.speed.each_s,
            "lookup_s": advice.speed.lookup_s,
            "source_bytes_per_s": advice.speed.source_bytes_per_s,
        },
        "expected": {
            "rows_per_s": advice.rows_per_s,
            "bytes_per_s": advice.bytes_per_s,
            "request_s": advice.request_s,
            "limited_by": advice.limited_by.name.lower(),
        },
        "settings": values(tuned),
        "estimate": estimate_json(advice.run),
    }
    return orjson.dumps(document, option=orjson.OPT_INDENT_2).decode()


def values(tuned: Tuned) -> dict[str, int]:
    """The settings that are advised, by their keys."""
    settings = tuned.advice.settings
    return {"batch_bytes": settings.batch_bytes, "concurrency": settings.concurrency}


def _write(
    path: Path,
    before: str | None,
    config: Config,
    plan: Plan,
    tuned: Tuned,
    *,
    env_file: str | None,
) -> ExitCode:
    """Write the settings down: a new file, or the old one with them; DONE where it says them then.

    `env_file` is where the secrets came from, which is said with how to use the file.
    """
    found, section = values(tuned), measured_lines(_measured(config, tuned))
    if before is None:
        given = {**config.given, **{key: (str(value),) for key, value in found.items()}}
        text = settings_file.settings_text(replace(config, given=given), plan, run_parser())
        settings_file.write_settings(path, settings_merge.with_section(text, section))
    elif (after := settings_merge.merged(before, found, section)) is not None:
        settings_merge.replace_file(path, before, after)
    else:
        log.warning(
            "%s was left as it is, it says otherwise; to use what was found, write into it: %s",
            path,
            "; ".join(settings_merge.lines(found)),
        )
        return ExitCode.INCOMPLETE
    log.info("settings written to %s: %s", path, settings_file.how_to_use(path, env_file))
    return ExitCode.DONE


def _measured(config: Config, tuned: Tuned) -> MeasuredTarget:
    """What `plan` is to know of this target."""
    one = tuned.target
    facts = {"kind": one.kind.value, "account": one.account, "database": one.database}
    if one.name:
        facts["database_name"] = one.name
    if isinstance(config.target, TargetSettings):
        facts["api_base_url"] = config.target.api_base_url
    return MeasuredTarget(tuned.advice.speed, facts, utc(datetime.now(UTC)))


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:,.0f} ms"
