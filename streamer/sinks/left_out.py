"""Rows that refer to rows which the user's own settings leave out: what there is to say about them."""

from __future__ import annotations

from streamer.errors import BadRowsError
from streamer.model import TablePlan
from streamer.sinks.references import Wanted


def is_thinned(table: TablePlan) -> bool:
    """Whether settings may leave rows of `table` out."""
    return bool(table.where.strip() or table.transform)


def left_out(child: str, parent: TablePlan, missing: Wanted) -> BadRowsError:
    """What to say of `child`, a row or a table, that refers to a row of `parent` that isn't moved."""
    settings = [
        name
        for name, given in (("`where`", parent.where.strip()), ("its transform", parent.transform))
        if given
    ]
    # Other columns than the key's may hold what nobody should read in a log.
    shown = missing.columns == parent.key.targets and not parent.hides_key
    which = f", key {', '.join(missing.key)}" if shown else ""
    return BadRowsError(
        f"{child}: can't be stored, for it refers to a row of {parent.name}{which} that isn't moved: "
        f"{' or '.join(settings)} leaves it out, or PostgreSQL has it no more",
        hint=f"Let {parent.name} keep what is referred to, or leave these rows out too; then start "
        "over with --restart.",
    )
