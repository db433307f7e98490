"""What steps a run is made of, and how far each of them, and the run, can be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from checkpoints import StepRecord
from streamer.frozen import frozen
from streamer.pipeline import Position

if TYPE_CHECKING:
    from checkpoints import JSON


class Work(StrEnum):
    """What a step does."""

    EMPTY = "empty"
    SCHEMA = "schema"
    ROWS = "rows"
    EDGES = "edges"
    PUBLISH = "publish"
    AFTER = "after"
    INDEX = "index"
    CHECK = "check"
    VIEW = "view"
    REJECTED = "rejected"


class State(StrEnum):
    """How far a step is."""

    TODO = "todo"
    DOING = "doing"
    DONE = "done"


class RunState(StrEnum):
    """How far a run is; FINISHING may or may not find its ledger still there, and its last checks done.

    A rollback makes it UNDOING and, once nothing of it is left in the target, UNDONE.
    """

    RUNNING = "running"
    FINISHING = "finishing"
    DONE = "done"
    UNDOING = "undoing"
    UNDONE = "undone"


@frozen
class StepName:
    """What identifies a step over resumes: its table (source name, '' for the database), what it
    does, and which (an index's name), '' where there is only one.
    """

    table: str
    work: Work
    which: str = ""


@frozen
class Start:
    """What is known of new steps: facts about some, those that there is nothing to do for, and how
    far others have come.

    It goes into the commit that makes the steps. A run that was killed right after that would
    otherwise take tables for its to empty, of which only the next commit says that they are not.
    """

    facts: Mapping[StepName, Mapping[str, JSON]]
    done: frozenset[StepName]
    positions: Mapping[StepName, Position] = field(default_factory=dict["StepName", Position])

    def of(self, step: StepRecord, name: StepName) -> StepRecord:
        """`step`, which is called `name`, with what is known of it."""
        known = {**step.document, **self.facts.get(name, {})}
        if at := self.positions.get(name):
            step = replace(
                step,
                state=State.DOING,
                last_key=at.last,
                next_number=at.next_number,
                rows=at.rows,
            )
            known |= {"last_gone": at.last_gone, "rejected": at.rejected}
        return replace(step, state=State.DONE if name in self.done else step.state, document=known)
