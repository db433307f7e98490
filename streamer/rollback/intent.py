"""What a checkpoint tells of a run that is to be taken back (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from streamer.frozen import frozen
from streamer.run.admission import Found
from streamer.run.journal import Journal
from streamer.run.recorded import items, members
from streamer.run.states import RunState, State, StepName, Work

if TYPE_CHECKING:
    from checkpoints import JSON


@frozen
class WrittenTable:
    """A table of the run: what stood in its place before (`found`), and what came into it since.

    `rows` is how many the checkpoint knows of. `emptied`: rows of others were there, and the run
    took them away, or was about to. `begun`: rows of the run may be there. `indexes` are those that
    the run makes, `had_indexes` those that were there. `counter` is the last id that AUTOINCREMENT
    had given, None for none. `stage` is the table that rows waited in, '' for none.
    """

    name: str
    target: str
    found: Found
    rows: int
    emptied: bool = False
    begun: bool = True
    indexes: tuple[str, ...] = ()
    had_indexes: tuple[str, ...] = ()
    counter: str | None = None
    stage: str = ""


@frozen
class Intent:
    """A run to take back. `views` (target names) were made by it; `bookmark` is '' for none.

    `claimed` are the target tables that the run had made its own in the target.
    """

    run_id: str
    started_at: str
    bookmark: str
    tables: tuple[WrittenTable, ...]
    views: tuple[str, ...]
    claimed: frozenset[str]


def intent_of(journal: Journal) -> Intent:
    """What there is to take back of the journal's run."""
    run = journal.running
    state = state_before(journal)
    return Intent(
        run_id=run.run_id,
        started_at=str(run.document.get("started_at", "")),
        bookmark=str(run.document.get("bookmark") or ""),
        tables=tuple(
            _table(journal, name, step.document)
            for name, step in journal.steps.items()
            if name.work is Work.ROWS
        ),
        views=tuple(
            str(step.document.get("target"))
            for name, step in journal.steps.items()
            if name.work is Work.VIEW
            and step.document.get("found") == Found.ABSENT
            and (step.state != State.TODO or state != RunState.RUNNING)
        ),
        claimed=journal.claimed,
    )


def _table(journal: Journal, name: StepName, facts: Mapping[str, JSON]) -> WrittenTable:
    at = journal.position(name)
    counter = facts.get("counter")
    return WrittenTable(
        name=name.table,
        target=str(facts.get("target")),
        found=Found(str(facts.get("found"))),
        rows=at.rows + journal.parents_sent(name),
        emptied=bool(facts.get("emptied")),
        begun=at.next_number > 0 or at.done or journal.parents_sent(name) > 0,
        indexes=_texts(facts.get("indexes")),
        had_indexes=_texts(facts.get("had_indexes")),
        counter=None if counter is None else str(counter),
        stage=str(facts.get("stage", "")),
    )


def _texts(value: JSON) -> tuple[str, ...]:
    return tuple(map(str, items(value)))


def state_before(journal: Journal) -> RunState:
    """How far the journal's run was before a rollback began; UNDOING where that isn't known."""
    run = journal.running
    noted = run.document.get("state_before_undoing") if run.state == RunState.UNDOING else None
    return RunState(str(noted or run.state))


def target_facts_of(journal: Journal) -> Mapping[str, JSON]:
    """The target that the run wrote into, as the checkpoint has it."""
    return members(journal.running.document.get("target"))
