"""A line of a run's story, for people and for programs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self


class Line(str):
    """What is said, with its `facts` by name: of which run, table or batch, which attempt, how long.

    `routine` lines are for those who asked for everything.
    """

    __slots__ = ("facts", "routine")

    facts: Mapping[str, object]
    routine: bool

    def __new__(
        cls, text: str, facts: Mapping[str, object] | None = None, *, routine: bool = False
    ) -> Self:
        """A line that says `text`."""
        line = super().__new__(cls, text)
        line.facts = facts or {}
        line.routine = routine
        return line
