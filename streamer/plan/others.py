"""One line about everything in a database that is no table, and so stays where it is."""

from __future__ import annotations

from collections.abc import Sequence

from streamer.model import Catalog, Finding, Severity

_NAMED = 3  # more names than that are only counted


def about_others(catalog: Catalog) -> list[Finding]:
    """What isn't moved besides tables and views; empty where there is nothing of the kind."""
    others = catalog.others
    parts = [
        _counted(others.functions, "function"),
        _named(others.event_triggers, "event trigger"),
        _named(
            [str(name) for name in others.sequences],
            "sequence that no column owns",
            "sequences that no column owns",
        ),
        _counted(others.large_objects, "large object"),
        _named(others.publications, "publication"),
        _counted(others.statistics, "extended statistics object"),
        f"privileges on {_counted(others.granted_tables, 'table')}"
        if others.granted_tables
        else "",
    ]
    said = [part for part in parts if part]
    if not said:
        return []
    what = f"not moved: {', '.join(said)}; nor are owners and roles"
    return [Finding(Severity.WARNING, catalog.source.database, what)]


def _counted(number: int, one: str, many: str = "") -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}" if number else ""


def _named(names: Sequence[str], one: str, many: str = "") -> str:
    listed = f" ({', '.join(names)})" if 0 < len(names) <= _NAMED else ""
    return _counted(len(names), one, many) + listed
