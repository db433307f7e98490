"""What a target file holds, whichever way it came there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import apsw

TORTURE = (Path(__file__).parents[2] / "torture" / "torture.sql").read_text()
SELECTED = ("--schema", "*", "--rename", "Sales.orders=Sales2_orders", "--rename", "json_each=json_each_table", "--skip-refused")  # fmt: skip


def contents(path: Path) -> dict[str, Any]:
    """Every table's SQL, and its rows with their types; row numbers of tables without a key aside."""
    connection = apsw.Connection(str(path))
    found: dict[str, Any] = {}
    for kind, name, sql in list(connection.execute("SELECT type, name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%'")):  # fmt: skip
        found[f"{kind} {name}"] = sql
        if kind != "table":
            continue
        quoted = name.replace('"', '""')
        columns = [
            c for (c,) in connection.execute("SELECT name FROM pragma_table_info(?)", (name,))
        ]
        cells = ", ".join('typeof("{0}"), "{0}"'.format(c.replace('"', '""')) for c in columns if c != "_streamer_row")  # fmt: skip
        found[f"rows of {name}"] = sorted(connection.execute(f'SELECT {cells} FROM "{quoted}"'), key=repr)  # fmt: skip
    return found
