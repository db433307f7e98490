"""The torture database in a PostgreSQL, and the options that it is moved with."""

from __future__ import annotations

from pathlib import Path

from tests.engines.postgres import Database

SQL = (Path(__file__).parent / "torture.sql").read_text()
EVERYTHING = ("--schema", "*")
# Two names differ in case only, and one hides the SQL function that rows travel by.
RENAMED = ("--rename", "Sales.orders=Sales2_orders", "--rename", "json_each=json_each_table")
OPTIONS = (*EVERYTHING, *RENAMED, "--skip-refused")
QUIETLY = ("--progress", "none")


async def load(database: Database) -> None:
    """Make the database what torture.sql says."""
    connection = await database.connect()
    connection.add_log_listener(lambda *_: None)  # what a server has no extension for is skipped
    try:
        await connection.execute(SQL)
    finally:
        await connection.close()
