"""Cuts SQL text at its semicolons, without a database (pure)."""

from __future__ import annotations

import re
from collections.abc import Iterator

# Strings and quoted names (a doubled quote is simply two of them side by side), comments, `;`, words.
_PART = re.compile(
    r"""'[^']*(?:'|\Z) | "[^"]*(?:"|\Z) | `[^`]*(?:`|\Z) | \[[^\]]*(?:\]|\Z)
      | --[^\n]* | /\*.*?(?:\*/|\Z) | ; | [A-Za-z0-9_$\u0080-\U0010ffff]+ | \S""",
    re.VERBOSE | re.DOTALL,
)
_LONGEST_KEYWORD = 9  # TEMPORARY, of those that matter here


def split(sql: str) -> list[str]:
    """The statements of a text, without their semicolons; empty ones and lone comments left out.

    A semicolon in a string, a comment or a trigger's body doesn't end a statement.
    """
    if ";" not in sql and "--" not in sql and "/*" not in sql:
        return [sql.strip()] if sql.strip() else []
    return list(_statements(sql))


def _statements(sql: str) -> Iterator[str]:
    start = 0
    trigger = _TriggerBody()
    empty = True
    for match in _PART.finditer(sql):
        part = match.group()
        if part.startswith(("--", "/*")):
            continue
        if part != ";":
            empty = False
            trigger.take(part)
            continue
        if trigger.open:
            continue
        if not empty:
            yield sql[start : match.start()].strip()
        start, empty, trigger = match.end(), True, _TriggerBody()
    if not empty:
        yield sql[start:].strip()


class _TriggerBody:
    """Whether the parts taken so far stand inside the body of a CREATE TRIGGER."""

    def __init__(self) -> None:
        self._words: list[str] = []
        self._depth = 0  # of BEGIN and CASE

    @property
    def open(self) -> bool:
        return self._depth > 0

    def take(self, part: str) -> None:
        word = part.upper() if len(part) <= _LONGEST_KEYWORD else ""
        if len(self._words) < 3:  # CREATE [TEMP] TRIGGER
            self._words.append(word)
        if self._words[0] != "CREATE" or "TRIGGER" not in self._words:
            return
        if word in ("BEGIN", "CASE"):
            self._depth += 1
        elif word == "END":
            self._depth -= 1


def index_predicate(sql: str) -> str:
    """The condition of a partial index's CREATE statement; "1" where it has none."""
    depth = 0
    for match in _PART.finditer(sql):
        part = match.group()
        depth += (part == "(") - (part == ")")
        if depth == 0 and part.upper() == "WHERE":
            return sql[match.end() :]
    return "1"
