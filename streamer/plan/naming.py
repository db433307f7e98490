"""What tables are called in the target, where that may surprise."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence

from streamer.model import Finding, QualifiedName, Severity
from streamer.plan.hints import rename
from streamer.plan.shape import ShapedTable
from streamer.translate.names import fold, reserved_prefix


def about_names(tables: Sequence[ShapedTable]) -> list[Finding]:
    """What to say about tables that are called after their schema too.

    Once a schema; and of each table that another could be taken for, or whose own name alone would
    be reserved.
    """
    alike: dict[str, list[ShapedTable]] = defaultdict(list)
    for shaped in tables:
        alike[_squeezed(shaped.target)].append(shaped)
    by_schema: dict[str, list[ShapedTable]] = defaultdict(list)
    singly: list[Finding] = []
    for shaped in tables:
        name = shaped.table.name
        if name.schema == "public" or shaped.options.rename:
            continue
        by_schema[name.schema].append(shaped)
        words = [*_of_others(shaped, alike[_squeezed(shaped.target)]), *_of_itself(shaped)]
        singly += [
            Finding(Severity.WARNING, str(name), what, f"{rename(name)} gives it another name")
            for what in words
        ]
    return [_of_schema(members) for members in by_schema.values()] + singly


def _of_schema(members: Sequence[ShapedTable]) -> Finding:
    first: QualifiedName = members[0].table.name
    what = f"D1 has no schemas: {first} is called {members[0].target} there" + (
        f", and so on for {len(members)} tables" if len(members) > 1 else ""
    )
    hint = f"{rename(first)} gives a table another name"
    return Finding(Severity.WARNING, first.schema, what, hint)


def _of_others(shaped: ShapedTable, alike: Sequence[ShapedTable]) -> list[str]:
    others = [other for other in alike if fold(other.target) != fold(shaped.target)]
    if not others:
        return []
    listed = ", ".join(f"{other.target} (from {other.table.name})" for other in others)
    words = f"its name in D1 is {shaped.target}, not to be confused with {listed}"
    squeezed = _squeezed(shaped.target)
    if all(other.target != squeezed for other in others):
        words += f": with a single underscore they would all be {squeezed}"
    return [words]


def _of_itself(shaped: ShapedTable) -> list[str]:
    prefix = reserved_prefix(shaped.table.name.name)
    if not prefix:
        return []
    return [
        f"its name in D1 is {shaped.target}, since names that start with {prefix} are reserved there"
    ]


def _squeezed(name: str) -> str:
    """What a name looks like at a glance: the case and the number of underscores don't show."""
    return re.sub("_+", "_", fold(name))
