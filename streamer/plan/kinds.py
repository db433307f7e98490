"""Which relations move as tables: tables always, others where the user says so."""

from __future__ import annotations

from collections.abc import Sequence

from streamer.model import Finding, Severity, Shaping, Table, TableKind, TableOptions
from streamer.plan.shape import ShapedTable
from streamer.translate.losses import object_not_moved


def movable(
    tables: Sequence[ShapedTable], shaping: Shaping
) -> tuple[list[ShapedTable], list[Finding]]:
    """Those that move as tables, and what to say of the others.

    A view moves where its settings name a key; a foreign table needs one too, because neither has
    rows of its own with a position to read by.
    """
    moved: list[ShapedTable] = []
    findings: list[Finding] = []
    for shaped in tables:
        table = shaped.table
        match table.kind:
            case TableKind.TABLE | TableKind.PARTITIONED | TableKind.LABELS:
                moves = True
            case TableKind.MATERIALIZED_VIEW:
                moves = shaping.matviews == "as-tables"
            case TableKind.FOREIGN:
                moves = shaping.foreign_tables == "as-tables"
            case TableKind.VIEW:
                moves = bool(shaped.options.key)
        if moves and table.kind is TableKind.FOREIGN and not shaped.options.key:
            findings.append(_keyless(shaped))
        elif moves:
            moved.append(shaped)
        elif table.kind is TableKind.VIEW and shaping.views == "create":
            continue  # it is made anew from its SELECT
        elif finding := object_not_moved(table):
            findings.append(finding)
    return moved, findings


def as_views(tables: Sequence[ShapedTable]) -> tuple[list[Table], list[Finding]]:
    """The views to make anew from their SELECTs, and what to say of those that can't be.

    What is asked of a view's columns or rows would not be done by a view: a mask would hide nothing.
    """
    views: list[Table] = []
    findings: list[Finding] = []
    for shaped in tables:
        asked, table = shaped.options, shaped.table
        if table.kind is not TableKind.VIEW or asked.key:
            continue
        if asked == TableOptions(rename=asked.rename):
            views.append(table)
            continue
        what = "the view isn't moved: its settings can be followed in a table alone"
        hint = "Name a `key` of it in them, so that it moves as a table, or leave them out"
        findings.append(Finding(Severity.WARNING, str(table.name), what, hint))
    return views, findings


def _keyless(shaped: ShapedTable) -> Finding:
    what = "the foreign table can't be moved: PostgreSQL knows no key of it"
    hint = (
        f'Name columns that identify its rows: key = ["…"] under [tables."{shaped.table.name}"]'
        " in streamer.toml"
    )
    return Finding(Severity.REFUSAL, str(shaped.table.name), what, hint)
