"""Names: how they are quoted, and what a source's names become in the target.

SQLite compares names ignoring the case of ASCII letters only, and keeps tables and indexes in one
namespace.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from streamer.model import QualifiedName
from streamer.model.sql import quote_identifier as quote

__all__ = [
    "ROWID_NAMES",
    "ROW_COLUMN",
    "collisions",
    "column_name_problem",
    "fold",
    "index_name",
    "name_problem",
    "quote",
    "reserved_prefix",
    "rowid_name",
    "shared",
    "target_name",
]

OURS = "_streamer_"
RESERVED = ("_cf_", "sqlite_", OURS)  # D1's, SQLite's and ours
# SQLite looks for a table before it looks for a function: these are the functions that we read.
HIDING = frozenset(
    {
        "json_each",
        "jsonb_each",
        "pragma_foreign_key_check",
        "pragma_foreign_key_list",
        "pragma_index_info",
    }
    | {"pragma_index_list", "pragma_index_xinfo", "pragma_table_list", "pragma_table_xinfo"}
)
ROWID_NAMES = ("rowid", "_rowid_", "oid")  # sqlite.org/lang_createtable.html#rowid, 2026-11-22
ROW_COLUMN = "_streamer_row"  # added where a table's columns hide all three of them

_ASCII_LOWER = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}


def fold(name: str) -> str:
    """`name` as SQLite compares it: ASCII letters in lower case, all others as they are."""
    return name.translate(_ASCII_LOWER)


def target_name(name: QualifiedName) -> str:
    """What a source table is called in the target: `public.t` → `t`, `s.t` → `s__t`."""
    return name.name if name.schema == "public" else f"{name.schema}__{name.name}"


def name_problem(name: str) -> str:
    """Why no target table may have this name, a sentence's end; '' where it may."""
    if "\0" in name:
        return "a name can't hold a NUL character"
    prefix = reserved_prefix(name)
    if prefix:
        return f"would be called {name}, and names that start with {prefix} are reserved"
    if fold(name) in HIDING:
        return f"would be called {name}, which hides an SQL function that is needed"
    return ""


def column_name_problem(name: str) -> str:
    """Why no target column may have this name, a sentence's end; '' where it may."""
    if "\0" in name:
        return "a name can't hold a NUL character"
    if fold(name).startswith(OURS):
        return f"would be called {name}, and names that start with {OURS} are reserved"
    return ""


def reserved_prefix(name: str) -> str:
    """What a name starts with that makes it reserved in the target; '' where nothing does."""
    return next((prefix for prefix in RESERVED if fold(name).startswith(prefix)), "")


def collisions(
    targets: Mapping[QualifiedName, str],
) -> dict[QualifiedName, tuple[QualifiedName, ...]]:
    """For each table whose target name isn't its own: the others that would share it."""
    sharing: dict[str, list[QualifiedName]] = defaultdict(list)
    for name, target in targets.items():
        sharing[fold(target)].append(name)
    return {
        name: tuple(other for other in group if other != name)
        for group in sharing.values()
        if len(group) > 1
        for name in group
    }


def shared(names: Iterable[str]) -> list[list[str]]:
    """The groups of names that are one in the target, because it ignores their case."""
    spellings: dict[str, list[str]] = defaultdict(list)
    for name in names:
        spellings[fold(name)].append(name)
    return [same for same in spellings.values() if len(same) > 1]


def rowid_name(columns: Iterable[str]) -> str:
    """The name that a rowid table's row number goes by beside these columns, '' if all are taken."""
    taken = {fold(column) for column in columns}
    return next((name for name in ROWID_NAMES if name not in taken), "")


def index_name(table: str, index: str, taken: set[str]) -> str:
    """A target name for `index` of the target table `table` that isn't in `taken` (folded).

    The name starts with the table's, because PostgreSQL's index names are unique per schema only.
    The new name is added to `taken`.
    """
    name = index if fold(index).startswith(f"{fold(table)}_") else f"{table}_{index}"
    if reserved_prefix(name):
        name = f"ix_{name}"
    chosen, number = name, 2
    while fold(chosen) in taken:
        chosen, number = f"{name}_{number}", number + 1
    taken.add(fold(chosen))
    return chosen
