"""A plan's DDL as one SQL script. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from streamer.model import Finding, Plan
from streamer.plan.grouping import by_table


def schema_script(plan: Plan, *, counters: bool = True) -> str:
    """SQL that D1 takes as it stands: tables in load order, indexes, views, and with `counters` what
    sets these once the rows are there.

    What can't be moved stands on top, as comments; what a table loses stands before it.
    """
    said = by_table(plan)
    parts = [_block("Can't be moved:", plan.refusals), _block("Not as in PostgreSQL:", said[""])]
    parts += [
        "\n".join(
            [*_comments(said.get(str(table.name), ()), str(table.name)), f"{table.create_sql};"]
        )
        for table in plan.tables
    ]
    parts.append("\n".join(f"{index.sql};" for table in plan.tables for index in table.indexes))
    parts += [f"{view.create_sql};" for view in plan.views]
    later = [f"{sql};" for table in plan.tables for sql in table.after_sql]
    if counters and later:
        parts.append("\n".join(["-- To be executed once the rows are there:", *later]))
    return "\n\n".join(part for part in parts if part) + "\n" if any(parts) else ""


def _block(title: str, findings: Iterable[Finding]) -> str:
    comments = list(_comments(findings))
    return "\n".join([f"-- {title}", *comments]) if comments else ""


def _comments(findings: Iterable[Finding], table: str = "") -> Iterator[str]:
    """Findings as SQL comments; a line break in a definition must not end the comment.

    What is about the table that follows is called by its own name alone.
    """
    for finding in findings:
        name = finding.object
        if table and name.startswith(f"{table}."):
            name = name.removeprefix(f"{table}.")
        for line in f"{name}: {finding.what}".splitlines():
            yield f"-- {line}"
