"""What to type to have it otherwise."""

from __future__ import annotations

import re
import shlex

from streamer.model import QualifiedName
from streamer.translate.names import quote

_BARE = r"""[^\s".=\0]+"""

EXCLUDE = "Exclude the table, or let the rest move with --skip-refused"


def rename(table: QualifiedName, column: str = "", *, to: str = "NEW_NAME") -> str:
    """The option that gives a table or a column another name in the target."""
    parts = (table.schema, table.name, *([column] if column else []))
    return f"--rename {shlex.quote(_dotted(parts) + '=' + to)}"


def exclude_columns(table: QualifiedName, column: str = "COLUMN") -> str:
    """The option that leaves a column out."""
    return f"--exclude-columns {shlex.quote(_dotted((table.schema, table.name, column)))}"


def _dotted(parts: tuple[str, ...]) -> str:
    return ".".join(part if re.fullmatch(_BARE, part) else quote(part) for part in parts)
