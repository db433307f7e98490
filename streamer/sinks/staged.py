"""Completes the staging tables of a cycle before they are published.

Tables of a cycle are read side by side. Where a run was resumed in between, or is rolling, some rows
refer to others that came after those tables were read. Nothing fails until all are published; then
the staged rows say what is missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

from streamer.model import ForeignKeyPlan, Result, Statement, Storage, TablePlan
from streamer.model.sql import quote_identifier
from streamer.sinks.ahead import Ahead, TooManyError
from streamer.sinks.left_out import is_thinned, left_out
from streamer.sinks.references import Wanted, keyed_by, text_of

GENERATIONS = 200  # of rows that refer to rows
AT_ONCE = 2_000  # references of one foreign key that are looked at in one request


@dataclass(frozen=True, slots=True)
class _Gap:
    """A foreign key of a staged table, and what asks for those of its references that lead nowhere."""

    table: TablePlan
    key: ForeignKeyPlan
    statement: Statement

    def wanted(self, result: Result) -> set[Wanted]:
        return {
            Wanted(self.key.parent, self.key.parent_columns, tuple(map(str, row)))
            for row in result.rows
        }


async def complete(ahead: Ahead, cycle: Sequence[TablePlan], most_bytes: int) -> bool:
    """Fetch what the staged rows of `cycle` refer to and neither stage nor table holds.

    Rows of the cycle go to its stages, others to their tables. False where some aren't in the
    source either.

    Raises:
        BadRowsError: some can't be there, since settings leave them out.

    """
    gaps = list(chain.from_iterable(_gaps(table, cycle, ahead.tables) for table in cycle))
    staged = {table.target for table in cycle}
    seen: set[Wanted] = set()
    for _ in range(GENERATIONS if gaps else 0):
        answer = await ahead.ask([gap.statement for gap in gaps])
        found = [
            (gap, gap.wanted(result)) for gap, result in zip(gaps, answer.results, strict=True)
        ]
        wanted = set(chain.from_iterable(some for _, some in found))
        if wanted & seen:
            _explain(ahead, found, seen)
            return False
        if not wanted:
            return True
        seen |= wanted
        inside = {parent for parent in wanted if parent.parent in staged}
        await ahead.stage(inside)
        try:
            await ahead.send(wanted - inside, most_bytes)
        except TooManyError:
            return False
    return False


def _explain(ahead: Ahead, found: list[tuple[_Gap, set[Wanted]]], seen: set[Wanted]) -> None:
    """Raise, where what was `seen` missing before may be missing since settings leave it out."""
    for gap, wanted in found:
        parent = ahead.tables[gap.key.parent]
        if is_thinned(parent) and (missing := wanted & seen):
            raise left_out(str(gap.table.name), parent, min(missing, key=lambda one: one.key))


def _gaps(
    table: TablePlan, cycle: Sequence[TablePlan], parents: dict[str, TablePlan]
) -> list[_Gap]:
    stages = {member.target: member.stage for member in cycle}
    columns = {column.target: column for column in table.columns}
    found: list[_Gap] = []
    for key in table.foreign_keys:
        parent = parents.get(key.parent)
        ours = [columns[name] for name in key.columns if name in columns]
        real = any(column.storage is Storage.REAL for column in ours)
        if parent is None or keyed_by(parent, key.parent_columns) is None:
            continue
        if real or len(ours) < len(key.columns):
            continue
        outputs = ", ".join(text_of("o", column) for column in ours)
        statement = _statement(table, key, outputs, stages.get(key.parent, ""))
        found.append(_Gap(table, key, statement))
    return found


def _statement(table: TablePlan, key: ForeignKeyPlan, outputs: str, stage: str) -> Statement:
    ours = [f"o.{quote_identifier(name)}" for name in key.columns]
    theirs = [quote_identifier(name) for name in key.parent_columns]
    same = " AND ".join(f"p.{t} = {o}" for o, t in zip(ours, theirs, strict=True))
    parent = f"SELECT 1 FROM {quote_identifier(key.parent)} AS p WHERE {same}"
    conditions = [*(f"{name} IS NOT NULL" for name in ours), f"NOT EXISTS ({parent})"]
    if stage:
        # IN, not EXISTS: a stage has no index but its key's, and IN makes one of its own.
        known = " AND ".join(f"{name} IS NOT NULL" for name in theirs)
        rows = f"SELECT {', '.join(theirs)} FROM {quote_identifier(stage)} WHERE {known}"
        conditions.append(f"({', '.join(ours)}) NOT IN ({rows})")
    return Statement(
        f"SELECT DISTINCT {outputs} FROM {quote_identifier(table.stage)} AS o "
        f"WHERE {' AND '.join(conditions)} LIMIT {AT_ONCE}"
    )
