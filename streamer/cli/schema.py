"""`streamer schema`: the DDL for D1, with a comment for whatever isn't translated."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator

import orjson

from streamer.cli.parser import Commands
from streamer.cli.source import exit_code, read_plan
from streamer.config import Config
from streamer.errors import ExitCode
from streamer.model import Finding, Plan
from streamer.plan import by_table

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
        description="Print the tables, indexes and views for D1 as SQL.",
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
    """SQL that D1 takes as it stands: tables in load order, indexes, views, counters.

    What can't be moved stands on top, as comments; what a table loses stands before it.
    """
    said = by_table(plan)
    parts = [_block("Can't be moved:", plan.refusals), _block("Not as in PostgreSQL:", said[""])]
    parts += [
        "\n".join(
            [*_comments(said.get(str(table.name), ()), str(table.name)), f"{table.create_sql};"]
        )
        for table in plan.tables
    ]
    parts.append("\n".join(f"{index.sql};" for table in plan.tables for index in table.indexes))
    parts += [f"{view.create_sql};" for view in plan.views]
    counters = [f"{sql};" for table in plan.tables for sql in table.after_sql]
    if counters:
        parts.append("\n".join(["-- To be executed once the rows are there:", *counters]))
    return "\n\n".join(part for part in parts if part) + "\n" if any(parts) else ""


def schema_json(plan: Plan) -> dict[str, object]:
    """The DDL for programs.

    `format_version`; `tables` (with `after`, statements for when the rows are there), `indexes` and
    `views`, each with `name` and `sql` (an index with `table` too), and `left_out` with `object`,
    `what`, `hint`, `rows` and `refused`.
    """
    return {
        "format_version": FORMAT_VERSION,
        "tables": [
            {"name": table.target, "sql": table.create_sql, "after": list(table.after_sql)}
            for table in plan.tables
        ],
        "indexes": [
            {"name": index.name, "table": index.table, "sql": index.sql}
            for table in plan.tables
            for index in table.indexes
        ],
        "views": [{"name": view.target, "sql": view.create_sql} for view in plan.views],
        "left_out": [
            {
                "object": f.object,
                "what": f.what,
                "hint": f.hint,
                "rows": f.rows,
                "refused": f in plan.refusals,
            }
            for f in plan.findings
        ],
    }


def _block(title: str, findings: Iterable[Finding]) -> str:
    comments = list(_comments(findings))
    return "\n".join([f"-- {title}", *comments]) if comments else ""


def _comments(findings: Iterable[Finding], table: str = "") -> Iterator[str]:
    """Findings as SQL comments; a line break in a definition must not end the comment.

    What is about the table that follows is called by its own name alone.
    """
    for finding in findings:
        name = finding.object
        if table and name.startswith(f"{table}."):
            name = name.removeprefix(f"{table}.")
        for line in f"{name}: {finding.what}".splitlines():
            yield f"-- {line}"
