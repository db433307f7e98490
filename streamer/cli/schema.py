"""`streamer schema`: the DDL for D1, with a comment for whatever isn't translated."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator

import orjson

from streamer.cli.parser import Commands
from streamer.cli.source import exit_code, read_plan
from streamer.config import Config
from streamer.errors import ExitCode
from streamer.model import Finding, Plan

FORMAT_VERSION = 1
EXAMPLES = """\
examples:
  streamer schema > schema.sql
  streamer schema --table 'sales_*'
  npx wrangler d1 execute shop --remote --file schema.sql

exit codes: 0 all tables are there; 1 failed; 2 wrong settings, or a table can't be moved;
3 a table can't be moved, and --skip-refused was given
"""


def add_parser(commands: Commands) -> None:
    """Add the parser; the options are those that `streamer.cli.commands` gives it, and --json."""
    parser = commands.add_parser(
        "schema",
        description="Print the tables and indexes for D1 as SQL.",
        epilog=EXAMPLES,
    )
    parser.add_argument("--json", action="store_true", help="print the statements as JSON")


async def run(args: argparse.Namespace, config: Config) -> ExitCode:
    """Print the DDL to stdout."""
    plan = await read_plan(config)
    if args.json:
        text = orjson.dumps(schema_json(plan), option=orjson.OPT_INDENT_2).decode() + "\n"
        sys.stdout.write(text)
    else:
        sys.stdout.write(render_schema(plan))
    return exit_code(plan, config)


def render_schema(plan: Plan) -> str:
    """The tables, then the indexes, each statement ended by `;`; what is left out as comments."""
    parts = [f"{table.create_sql};" for table in plan.tables]
    indexes = [f"{index.sql};" for table in plan.tables for index in table.indexes]
    if indexes:
        parts.append("\n".join(indexes))
    for title, findings in (
        ("Tables that can't be moved:", plan.refusals),
        ("Not as in PostgreSQL:", plan.warnings),
    ):
        if findings:
            comments = [line for finding in findings for line in _comment(finding)]
            parts.append("\n".join([f"-- {title}", *comments]))
    return "\n\n".join(parts) + "\n" if parts else ""


def schema_json(plan: Plan) -> dict[str, object]:
    """The DDL for programs.

    `format_version`; `tables` and `indexes`, each with `name` and `sql` (an index with `table`
    too), and `left_out` with `object`, `what` and `refused`.
    """
    return {
        "format_version": FORMAT_VERSION,
        "tables": [{"name": table.target, "sql": table.create_sql} for table in plan.tables],
        "indexes": [
            {"name": index.name, "table": index.table, "sql": index.sql}
            for table in plan.tables
            for index in table.indexes
        ],
        "left_out": [
            {"object": f.object, "what": f.what, "refused": f in plan.refusals}
            for f in plan.findings
        ],
    }


def _comment(finding: Finding) -> Iterator[str]:
    """A finding as SQL comments; a line break in a definition must not end the comment."""
    for line in f"{finding.object}: {finding.what}".splitlines():
        yield f"-- {line}"
