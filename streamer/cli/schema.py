"""`streamer schema`: the DDL for D1, with a comment for whatever isn't translated."""

from __future__ import annotations

import argparse
import sys

import orjson

from streamer.cli.parser import Commands
from streamer.config import Config
from streamer.errors import ExitCode
from streamer.model import Plan
from streamer.plan.script import schema_script
from streamer.run.outlook import exit_code, read_plan

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
        sys.stdout.write(schema_script(plan))
    return exit_code(plan, config)


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
