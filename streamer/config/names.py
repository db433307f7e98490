"""Names of tables and columns as a user writes them: `schema.table`, with quotes as SQL has them."""

from __future__ import annotations

import re

from streamer.config.values import shown
from streamer.frozen import frozen
from streamer.model.sql import RESERVED_NAMES

_PART = r'"(?:[^"\0\ud800-\udfff]|"")+"|[^\s".=\0\ud800-\udfff]+'
_NAME = rf"(?:{_PART})(?:\s*\.\s*(?:{_PART}))*"
# As texts: to compile them takes 2 ms, and few runs have such a setting.
_RENAMING = rf"\s*({_NAME})\s*=\s*({_PART})\s*"
_LONE = rf"\s*({_NAME})\s*"
_COMMA = r'((?:[^",]|"[^"]*"|")+)'
_QUOTES = "with a name that holds a dot, a space or = in double quotes"
_MOST_PARTS = 3


@frozen
class Renaming:
    """A new name for a table or a column; `of` is `table`, `schema.table` and so on, in parts."""

    of: tuple[str, ...]
    to: str

    @property
    def key(self) -> str:
        """`of` without quotes."""
        return ".".join(self.of)


def split(text: str) -> tuple[str, ...]:
    """The items of a list with commas; a comma between double quotes belongs to its item."""
    return tuple(item.strip() for item in re.findall(_COMMA, text) if item.strip())


def parts(text: str) -> tuple[str, ...] | None:
    """The parts of `a.b` or `"a"."b"`, unquoted; None where it isn't such a name."""
    if (match := re.fullmatch(_LONE, text)) is None:
        return None
    return tuple(_unquoted(part) for part in re.findall(_PART, match[1]))


def same(key: str) -> str:
    """`key` without the schema that may be left out: all spellings of a name share it."""
    return key.removeprefix("public.")


def renaming(text: str) -> Renaming:
    """`schema.table=new` or `schema.table.column=new`; the schema may be left out for `public`.

    Raises: ValueError with what to write.
    """
    match = re.fullmatch(_RENAMING, text)
    of = parts(match[1]) if match is not None else None
    if match is None or of is None or len(of) > _MOST_PARTS:
        raise ValueError(
            f"{shown(text)} renames nothing; write schema.table=new or schema.table.column=new,"
            f" {_QUOTES}"
        )
    to = _unquoted(match[2])
    if problem := reserved(to, column=len(of) == _MOST_PARTS):
        raise ValueError(problem)
    return Renaming(of, to)


def column(text: str) -> tuple[str, str]:
    """`schema.table.column`, or `table.column` in public → the table's name and the column's.

    Raises: ValueError with what to write.
    """
    found = parts(text)
    if found is None or not 2 <= len(found) <= _MOST_PARTS:
        raise ValueError(f"{shown(text)} names no column; write schema.table.column, {_QUOTES}")
    return ".".join(found[:-1]), found[-1]


def reserved(name: str, *, column: bool) -> str:
    """Why nothing may get this name, a sentence; '' where it may. A column may start as D1's do."""
    prefixes = RESERVED_NAMES[-1:] if column else RESERVED_NAMES
    prefix = next((prefix for prefix in prefixes if name.lower().startswith(prefix)), "")
    if not prefix:
        return ""
    return f"names that start with {prefix} are reserved, {shown(name)} too; write another one"


def _unquoted(part: str) -> str:
    return part[1:-1].replace('""', '"') if part.startswith('"') else part
