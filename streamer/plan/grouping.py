"""Which findings belong to which table."""

from __future__ import annotations

from streamer.model import Finding, Plan, Severity


def by_table(plan: Plan) -> dict[str, list[Finding]]:
    """The warnings about each table of the plan, by `schema.table`; under '' those of no table."""
    names = {str(table.name) for table in plan.tables}
    found: dict[str, list[Finding]] = {"": []}
    for finding in plan.findings:
        if finding.severity is Severity.WARNING:
            found.setdefault(_table_of(finding.object, names), []).append(finding)
    return found


def _table_of(name: str, tables: set[str]) -> str:
    """The longest beginning of `name`, up to a dot, that is a table; '' where there is none.

    Names hold dots themselves, so the longest is the likeliest.
    """
    while name not in tables:
        name, dot, _ = name.rpartition(".")
        if not dot:
            return ""
    return name
