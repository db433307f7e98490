"""`streamer plan`: what a run would do, and what it would cost; nothing is touched."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import orjson

from streamer import limits
from streamer.cli import settings_file
from streamer.cli.options import Options, add_options
from streamer.cli.parser import Commands, Parser
from streamer.config import Config
from streamer.errors import ExitCode
from streamer.model import Estimate, Finding, KeyKind, Loading, Plan, TablePlan, TimedBy
from streamer.model.words import counted
from streamer.plan import by_table, estimated_rows
from streamer.plan.digest import in_short
from streamer.progress.view import printable
from streamer.progress.wording import cost_of, duration, size
from streamer.run.outlook import exit_code, read_plan

log = logging.getLogger("streamer.plan")

FORMAT_VERSION = 1
EXAMPLES = """\
examples:
  streamer plan                            everything in the schema public
  streamer plan --schema '*' --exclude '*_log'
  streamer plan --write-config streamer.toml --exclude '*_log'
  streamer plan --json | jq .estimate      requests, seconds, rows_written, cost_usd, size_bytes

exit codes, as a run's: 0 everything can be moved; 1 failed; 2 wrong settings, or something can't
be moved; 3 something can't be moved, and --skip-refused was given
"""


def add_parser(commands: Commands) -> None:
    """Add the parser; the options are those that `streamer.cli.commands` gives it, and --json."""
    parser = commands.add_parser(
        "plan",
        description="Show what a run would do and cost. Touches neither database.",
        epilog=EXAMPLES,
    )
    parser.add_argument("--json", action="store_true", help="print the whole plan as JSON")
    parser.add_argument(
        "--write-config",
        metavar="FILE",
        help="write these settings as TOML, for --config, with comments; no secret, no overwriting",
    )


async def run(args: argparse.Namespace, config: Config) -> ExitCode:
    """Print the plan to stdout."""
    path = getattr(args, "write_config", None)  # `run --dry-run` has neither this nor --json
    if path is not None:
        settings_file.refuse_existing(Path(path))
    plan = await read_plan(config)
    if path is not None:
        text = settings_file.settings_text(config, plan, run_parser())
        settings_file.write_settings(Path(path), text)
        log.info("settings written to %s: %s", path, settings_file.how_to_use(path, args.env_file))
    if getattr(args, "json", False):
        sys.stdout.write(orjson.dumps(plan_json(plan), option=orjson.OPT_INDENT_2).decode() + "\n")
    else:
        sys.stdout.write(render_plan(plan))
    return exit_code(plan, config)


def run_parser() -> Parser:
    """What knows all options of a run and of a comparison, and what they are for."""
    parser = Parser(prog="streamer")
    groups = Options.SELECTION | Options.SHAPE | Options.MOVE | Options.COMPARE | Options.STORED
    add_options(parser, groups)
    return parser


def render_plan(plan: Plan) -> str:
    """A plan that was measured, for people: tables in load order, each with what it loses, views, other findings,
    all findings by kind, estimate; ends with a newline.
    """
    said = by_table(plan)
    blocks = [
        "\n".join([_table_block(number, table), *_losses(table, said.get(str(table.name), ()))])
        for number, table in enumerate(plan.tables, 1)
    ]
    if not blocks:
        blocks.append("No table would be moved.")
    if plan.views:
        blocks.append(
            "\n".join(
                ["Views:", *(printable(f"  {view.source} → {view.target}") for view in plan.views)]
            )
        )
    for title, findings in (("Can't be moved", plan.refusals), ("Warnings", said[""])):
        if findings:
            blocks.append("\n".join([f"{title}:", *(_finding_lines(findings))]))
    short = [*in_short(plan.warnings)]
    if len(short) < len(plan.warnings):
        blocks.append(
            "\n".join(
                ["Not as in PostgreSQL, in short:", *(f"  {printable(line)}" for line in short)]
            )
        )
    blocks.append("\n".join(["Estimate:", *estimate_lines(plan.estimate)]))
    return "\n\n".join(blocks) + "\n"


def plan_json(plan: Plan) -> dict[str, object]:
    """The plan for programs.

    `format_version`; `tables` in load order, each with `name`, `target_name`, `rows` (an estimate),
    `bytes`, `key` (`kind`, `columns`), `columns` (`name`, `type`, `storage`, `not_null`, `note`),
    `generated` (target names of columns that D1 computes), `where`, `transform`, `foreign_keys`,
    `indexes`, `loading`, `sql`, `after_sql`, `left_out` (the warnings about it); `views` (`name`,
    `target_name`, `sql`); `refusals` and `warnings`, each with `object`, `what`, `hint`, `rows`;
    `estimate` with `requests`, `seconds`, `rows_written`, `cost_usd`, `size_bytes`, and how sure the
    time is: `timed_by` (`guess`, `rate limit`, `last run`, `probe`), `least_seconds`.
    """
    said = by_table(plan)
    return {
        "format_version": FORMAT_VERSION,
        "tables": [
            {
                **_table_json(table),
                "left_out": [_finding_json(finding) for finding in said.get(str(table.name), ())],
            }
            for table in plan.tables
        ],
        "views": [
            {"name": str(view.source), "target_name": view.target, "sql": view.create_sql}
            for view in plan.views
        ],
        "refusals": [_finding_json(finding) for finding in plan.refusals],
        "warnings": [_finding_json(finding) for finding in plan.warnings],
        "estimate": estimate_json(plan.estimate),
    }


def estimate_json(estimate: Estimate) -> dict[str, object]:
    """An estimate for programs."""
    return {
        "requests": estimate.requests,
        "seconds": estimate.seconds,
        "rows_written": estimate.rows_written,
        "cost_usd": estimate.cost_usd,
        "size_bytes": estimate.size_bytes,
        "least_seconds": estimate.least_seconds,
        "timed_by": estimate.timed_by.value,
    }


def _table_block(number: int, table: TablePlan) -> str:
    name = str(table.name) if table.target == table.name.name else f"{table.name} → {table.target}"
    rows = estimated_rows(table.table, table.columns)
    lines = [
        f"{number}. {printable(name)}: about {counted(rows, 'row')}, {size(table.table.bytes)}",
        f"   key: {_key(table)}",
    ]
    if table.loading is Loading.TWO_PASS:
        lines.append(f"   loaded with NULL at first, set afterwards: {_names(table.deferred)}")
    if table.loading is Loading.STAGED:
        lines.append("   loaded beside its place, published together with its cycle")
    columns = [
        (printable(column.source), printable(column.type_name), column.storage, column.note)
        for column in table.columns
    ]
    widths = max(len(source) for source, *_ in columns), max(len(kind) for _, kind, *_ in columns)
    for source, kind, storage, note in columns:
        text = f"   {source:{widths[0]}}  {kind:{widths[1]}}  {storage}"
        lines.append(f"{text}{f'  {printable(note)}' if note else ''}")
    if table.generated:
        lines.append(f"   computed by D1: {_names(table.generated)}")
    if table.indexes:
        names = _names(f"{i.name} (unique)" if i.unique else i.name for i in table.indexes)
        lines.append(f"   indexes: {names}")
    return "\n".join(lines)


def _names(names: Iterable[str]) -> str:
    return printable(", ".join(names))


def _losses(table: TablePlan, findings: Sequence[Finding]) -> list[str]:
    """What isn't as in PostgreSQL, below the table that it is about."""
    if not findings:
        return []
    lines = ["   not as in PostgreSQL:"]
    for finding in findings:
        name = finding.object.removeprefix(str(table.name)).removeprefix(".")
        what = f"{name}: {finding.what}" if name else finding.what
        lines.append(f"   - {printable(what)}{_rows(finding)}")
        if finding.hint:
            lines.append(f"     {printable(finding.hint)}")
    return lines


def _rows(finding: Finding) -> str:
    """How many rows, where the sentence doesn't say it."""
    if finding.rows is None or f"{finding.rows:,} of the rows" in finding.what:
        return ""
    return f" ({counted(finding.rows, 'row')})"


def _key(table: TablePlan) -> str:
    if table.key.kind is KeyKind.PHYSICAL:
        return "none; rows are read by physical position"
    return f"{_names(table.key.columns)} ({table.key.kind})"


def _finding_lines(findings: Sequence[Finding]) -> list[str]:
    lines: list[str] = []
    for finding in findings:
        lines.append(f"  {printable(f'{finding.object}: {finding.what}')}{_rows(finding)}")
        if finding.hint:
            lines.append(f"    {printable(finding.hint)}")
    return lines


def estimate_lines(estimate: Estimate) -> list[str]:
    """An estimate for people, a line a figure."""
    share = estimate.size_bytes / limits.DATABASE_BYTES
    free, paid = cost_of(estimate.rows_written, estimate.size_bytes)
    return [
        f"  requests      {estimate.requests:,}",
        f"  time          {_time(estimate)}",
        f"  rows written  {estimate.rows_written:,}, index entries included",
        f"  cost          {free}",
        f"                {paid}",
        f"  size          {size(estimate.size_bytes)}, {share:.1%} of what the paid plan holds",
    ]


def _time(estimate: Estimate) -> str:
    """How long, and how anybody knows."""
    least, most = (duration(max(s, 1)) for s in (estimate.least_seconds, estimate.seconds))
    match estimate.timed_by:
        case TimedBy.GUESS:
            span = most if least == most else f"{least} to {most}"
            return f"{span}, as the target is fast or slow: `streamer tune` measures it"
        case TimedBy.RATE_LIMIT:
            return f"{most}, by the rate limit"
        case TimedBy.LAST_RUN:
            return f"{most}, at the speed of the run in the checkpoint"
        case TimedBy.PROBE:
            return f"{most}, at the speed that was measured"


def _table_json(table: TablePlan) -> dict[str, object]:
    return {
        "name": str(table.name),
        "target_name": table.target,
        "rows": estimated_rows(table.table, table.columns),
        "bytes": table.table.bytes,
        "key": {"kind": table.key.kind.value, "columns": list(table.key.columns)},
        "columns": [
            {
                "name": column.source,
                "target_name": column.target,
                "type": column.type_name,
                "storage": column.storage.value,
                "not_null": column.not_null,
                "note": column.note,
            }
            for column in table.columns
        ],
        "foreign_keys": [
            {
                "name": key.source_name,
                "columns": list(key.columns),
                "parent": key.parent,
                "parent_columns": list(key.parent_columns),
            }
            for key in table.foreign_keys
        ],
        "indexes": [
            {"name": index.name, "unique": index.unique, "early": index.early, "sql": index.sql}
            for index in table.indexes
        ],
        "loading": table.loading.value,
        "deferred": list(table.deferred),
        "generated": list(table.generated),
        "where": table.where,
        "transform": table.transform,
        "without_rowid": table.without_rowid,
        "sql": table.create_sql,
        "after_sql": list(table.after_sql),
    }


def _finding_json(finding: Finding) -> dict[str, object]:
    return {
        "object": finding.object,
        "what": finding.what,
        "hint": finding.hint,
        "rows": finding.rows,
    }
