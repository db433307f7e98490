"""What is true of a database as a whole: how it writes and orders texts, and what of it stays there."""

from __future__ import annotations

from collections.abc import Sequence

from streamer.model import Catalog, Finding, OtherObjects, Severity, Shaping
from streamer.model.words import counted
from streamer.translate.terms import BY_BYTES

_NAMED = 3  # more names than that are only counted


def about_source(catalog: Catalog, shaping: Shaping) -> list[Finding]:
    """What is to be said once of the whole database."""
    source, said = catalog.source, list[str]()
    if source.encoding == "SQL_ASCII":
        said.append("the database's encoding is SQL_ASCII: text that isn't UTF-8 will stop the run")
    if catalog.tables and source.collation not in {"", *BY_BYTES}:
        said.append(
            f"its texts are ordered by the collation {source.collation}: D1 orders texts by their"
            " bytes, Z before a and both before é"
        )
    said += _others(catalog.others, 0 if shaping.comments else _comments(catalog))
    return [Finding(Severity.WARNING, source.database, what) for what in said]


def _comments(catalog: Catalog) -> int:
    return sum(bool(place.comment) for table in catalog.tables for place in (table, *table.columns))


def _others(others: OtherObjects, comments: int) -> list[str]:
    """What isn't moved besides tables and views; empty where there is nothing of the kind."""
    parts = [
        _some(others.functions, "function"),
        _named(others.event_triggers, "event trigger"),
        _named(
            [str(name) for name in others.sequences],
            "sequence that no column owns",
            "sequences that no column owns",
        ),
        _some(others.large_objects, "large object"),
        _named(others.publications, "publication"),
        _some(others.statistics, "extended statistics object"),
        f"privileges on {_some(others.granted_tables, 'table')}" if others.granted_tables else "",
        f"{_some(comments, 'comment')} (comments = true keeps them)" if comments else "",
    ]
    said = [part for part in parts if part]
    if not said:
        return []
    return [f"not moved: {', '.join(said)}; nor are owners and roles"]


def _some(number: int, one: str, many: str = "") -> str:
    return counted(number, one, many) if number else ""


def _named(names: Sequence[str], one: str, many: str = "") -> str:
    listed = f" ({', '.join(names)})" if 0 < len(names) <= _NAMED else ""
    return _some(len(names), one, many) + listed
