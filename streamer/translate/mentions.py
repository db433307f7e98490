"""Which columns an SQL text speaks of, as far as its words tell."""

from __future__ import annotations

import re
from collections.abc import Collection

# A string of either kind, a quoted name, a plain name (or keyword), a whole row.
_TOKEN = r"""(?xs)
    (?P<escaped>[eE]'(?:[^'\\]|\\.|'')*')
  | (?P<string>'(?:[^']|'')*')
  | "(?P<quoted>(?:[^"]|"")+)"
  | (?P<plain>[^\W\d][\w$]*)
  | (?P<whole>\.\*)"""


def mentions(sql: str, columns: Collection[str]) -> frozenset[str]:
    """Those of `columns` that `sql`, as PostgreSQL prints it, may refer to.

    Some may be too many (a function or a type of the same name), none is missing: a whole row
    refers to all.
    """
    found: set[str] = set()
    for token in re.finditer(_TOKEN, sql):
        if token["whole"]:
            return frozenset(columns)
        name = token["quoted"].replace('""', '"') if token["quoted"] else token["plain"]
        if name in columns:
            found.add(name)
    return frozenset(found)
