"""Proves, before a resume goes on, that the target still has what the checkpoint counts on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from streamer.errors import FencedError
from streamer.frozen import frozen
from streamer.model import Key, Loading, Pack, Statement, StepKind, TablePlan
from streamer.model.sql import quote_identifier
from streamer.pack import Entry, Layout, LedgerStep, covers, reaches
from streamer.pipeline import Position
from streamer.run.admission import Found, listed
from streamer.run.identity import comparable_key
from streamer.run.journal import Journal
from streamer.run.steps import rows_step
from streamer.run.survey import Database, Survey
from streamer.sinks import Ownership

GROUP = 24  # steps looked at in one request, with up to three statements each


@frozen
class Begun:
    """A step that has written rows, and how far the checkpoint says it came.

    At most so many of its rows were `deleted` again, since the source had them no more.
    """

    table: TablePlan
    kind: StepKind
    position: Position
    deleted: int = 0

    @property
    def ledger_step(self) -> LedgerStep:
        """What the ledger calls it."""
        return LedgerStep(self.table.target, self.kind, keys_hidden=self.table.hides_key)


def check_untouched(journal: Journal, unclaimed: Sequence[TablePlan], seen: Survey) -> None:
    """Refuse tables that were empty, or not there, when the run began, and now hold rows.

    The run hasn't claimed them, and so has written nothing to them yet: another one has.

    Raises:
        FencedError: there are such tables.

    """
    others: list[str] = []
    for table in unclaimed:
        facts = journal.steps[rows_step(table)].document
        ours = facts.get("emptied") or facts.get("remade")
        there = seen.find(table.target)
        if facts.get("found") != Found.ROWS and not ours and there and there.holds_rows:
            others.append(table.target)
    if others:
        raise FencedError(
            f"{listed(others)}: another run has written rows since this one began.",
            hint="If they may stay or go: --restart with --if-exists upsert, or replace.",
        )


def check_there(begun: Sequence[Begun], seen: Survey) -> None:
    """Refuse to go on without a table that rows were written to.

    Raises:
        FencedError: one is gone.

    """
    for step in begun:
        if seen.find(step.table.target) is None:
            raise _behind(step, "the table isn't there any more")


async def prove(
    database: Database, ownership: Ownership, begun: Sequence[Begun], *, marked: bool = True
) -> None:
    """Return if the target reaches as far as the checkpoint says.

    Unless the run's marks are there, as long as it isn't over, only rows tell of that.

    Raises:
        FencedError: it doesn't: it was restored, emptied, or changed behind the checkpoint.

    """
    for group in _groups(begun):
        told: Sequence[Begun] = group if marked else ()
        ledgers = [ownership.read(step.ledger_step) for step in told]
        keys = [(step, key) for step in group for key in _keys(step)]
        looks = [_look_for(step.table, key) for step, key in keys]
        answer = await database.execute([*ledgers, *looks] or [Statement("SELECT 1")])
        for step, result in zip(told, answer.results, strict=False):
            if not _is_reached(step, ownership.entries_of(result)):
                raise _behind(step, "its ledger ends before the checkpoint's position")
        for (step, _), result in zip(keys, answer.results[len(told) :], strict=False):
            if not result.rows:
                raise _behind(step, "a row that D1 had acknowledged isn't there")


def _is_reached(step: Begun, entries: Sequence[Entry]) -> bool:
    """Whether the ledger's entries of a step go as far as its position."""
    if step.table.hides_key:
        return covers(entries, step.position.next_number)
    return reaches(entries, step.position.last)


def _groups(begun: Sequence[Begun]) -> Iterator[Sequence[Begun]]:
    return (begun[at : at + GROUP] for at in range(0, len(begun), GROUP))


def _keys(step: Begun) -> list[Key]:
    """The first and last acknowledged keys, where D1 stores them as their text says."""
    table = step.table
    hidden = table.loading is Loading.STAGED or step.kind is not StepKind.ROWS
    if hidden or step.deleted or not comparable_key(table):
        return []
    last = None if step.position.last_gone else step.position.last
    return [key for key in (step.position.first, last) if key is not None]


def _look_for(table: TablePlan, key: Key) -> Statement:
    layout = Layout.of(table, StepKind.ROWS, Pack.JSON, into_stage=False)
    same = " AND ".join(
        f"{quote_identifier(name)} = ?{place}" for place, name in enumerate(layout.key, 1)
    )
    return Statement.of(f"SELECT 1 FROM {quote_identifier(table.target)} WHERE {same}", *key)


def _behind(step: Begun, what: str) -> FencedError:
    return FencedError(
        f"{step.table.target}: {what}; the database was restored, emptied or changed since.",
        hint="Look at what it holds; then start over with --restart.",
    )
