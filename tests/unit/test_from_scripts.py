"""The page for users of the classic scripts: nothing of theirs is missing, and all of it can be typed."""

from __future__ import annotations

import importlib
import re
import shlex
from pathlib import Path

import pytest

from streamer.cli.commands import COMMANDS
from streamer.cli.execute import parse
from streamer.cli.options import add_options
from streamer.cli.parser import Parser

PAGE = (Path(__file__).parents[2] / "docs" / "from-scripts.md").read_text()
COMMAND = re.compile(r"(?:`|^)streamer ([a-z][^`\n]*)", re.MULTILINE)
TYPED = sorted(set(COMMAND.findall(PAGE)))

# What the guide to the scripts names: scripts, options, files, logs, variables, what goes wrong.
THEIRS = """
export_postgresql_data.py transform_data_for_d1.py import_to_d1.js validate_migration.py
test_migration_pipeline.py --output-dir --validate --dry-run --input-dir --keep-temp-db --batch-size
--export-dir --transformed-dir --detailed --output-report --cleanup migration_data/<table>.json
export_report.json d1_migration_data/<table>_transformed.json transformation_report.json
import_report.json validation_report.json export_postgresql_data.log transform_data_for_d1.log
validate_migration.log POSTGRES_HOST POSTGRES_PORT POSTGRES_DB POSTGRES_USER POSTGRES_PASSWORD
CLOUDFLARE_API_TOKEN CLOUDFLARE_ACCOUNT_ID D1_DATABASE_ID psycopg2-binary requirements.txt
"""
TOLD = (
    "node --version", "wrangler rollback", "DELETE FROM", "Connection refused", "Module not found",
    "API authentication failed", "Foreign key constraint failed", "python -v", "rate limiting",
    "invalid JSON", "datetime format", "missing references", "rollback data", "JSON.parse()",
    "2024-01-01 10:00:00", "Booleans", "Record count".lower(), "primary keys", "unique constraints",
)  # fmt: skip


@pytest.mark.parametrize("word", [*THEIRS.split(), *TOLD])
def test_everything_that_the_scripts_had_has_its_line(word: str) -> None:
    assert word in PAGE


@pytest.mark.parametrize("typed", TYPED)
def test_every_command_on_the_page_can_be_typed(typed: str) -> None:
    name, *arguments = shlex.split(typed.partition(" #")[0])
    command = COMMANDS[name]

    parse(command, importlib.import_module(command.module), arguments)


def test_every_step_of_the_scripts_is_among_them() -> None:
    steps = {"export", "transform", "import", "validate", "selftest", "rollback", "doctor", "run"}

    assert steps <= {typed.split()[0] for typed in TYPED}


def test_every_option_on_the_page_is_one_of_a_command() -> None:
    known = {"--remote", "--yes", "--file", "--version"}  # wrangler's and node's
    for command in COMMANDS.values():
        module = importlib.import_module(command.module)
        parsers = Parser(prog="streamer").add_subparsers()
        module.add_parser(parsers)
        add_options(parsers.choices[command.name], command.options)
        actions = parsers.choices[command.name].actions
        known |= {option for action in actions for option in action.option_strings}

    assert set(re.findall(r"(?<![-\w])--[a-z][a-z-]+", PAGE)) - known == set()
