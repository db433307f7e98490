"""Rows that refer to rows which can't be in the target: what there is to say about them (pure)."""

from __future__ import annotations

from streamer.model import KeyKind, TablePlan
from streamer.sinks.references import Wanted

_NOT_THERE = "that the source hasn't got"


def is_thinned(table: TablePlan) -> bool:
    """Whether settings may leave rows of `table` out."""
    return bool(table.where.strip() or table.transform)


def why_missing(
    parent: TablePlan,
    missing: Wanted,
    *,
    rejected: bool = False,
    refused: str = "",
) -> str:
    """Why a row of `parent` isn't in D1 and what refers to it can't be: the end of a sentence.

    It was `rejected`, or D1 `refused` it with these words.
    """
    # Other columns than the key's may hold what nobody should read in a log.
    shown = missing.columns == parent.key.targets and not parent.hides_key
    which = f", key {', '.join(missing.key)}," if shown else ""
    row = f"it refers to a row of {parent.name}{which}"
    if rejected:
        return f"{row} that was rejected"
    if refused:
        return f"{row} that D1 refuses: {refused}"
    if is_thinned(parent):
        settings = [
            name
            for name, given in (
                ("`where`", parent.where.strip()),
                ("its transform", parent.transform),
            )
            if given
        ]
        return (
            f"can't be stored, for {row} that isn't moved: {' or '.join(settings)} leaves it out, "
            "or PostgreSQL has it no more"
        )
    return f"{row} {_NOT_THERE}"


def is_orphaned(reason: str) -> bool:
    """Whether a row was bad since the source hasn't got what it refers to (any more)."""
    return reason.endswith(_NOT_THERE)


def hint_of(parent: TablePlan) -> str:
    """What to do about a row whose parent, of this table, isn't there."""
    if is_thinned(parent):
        return (
            f"Let {parent.name} keep what is referred to, or leave these rows out too; then start "
            "over with --restart. Or set them aside with --on-error reject."
        )
    if parent.key.kind is KeyKind.PHYSICAL:
        return (
            "Mend the reference, then go on with --resume, or read all anew with --restart; "
            "--on-error reject sets such rows aside."
        )
    return "Mend the reference, then go on with --resume; --on-error reject sets such rows aside."
