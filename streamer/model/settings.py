"""Choices a user can make, and the wrapper that keeps secrets out of sight."""

from __future__ import annotations

from enum import StrEnum

from streamer.frozen import frozen


@frozen
class Secret:
    """A string that never prints itself; `reveal` is the only way to its text."""

    _text: str

    def reveal(self) -> str:
        """The secret's text, for the one place that sends it."""
        return self._text

    def __repr__(self) -> str:
        return "Secret('***')"

    __str__ = __repr__


class Pack(StrEnum):
    """How rows become statements: one JSON parameter, multi-row VALUES, or one row each."""

    AUTO = "auto"
    JSON = "json"
    VALUES = "values"
    ROWS = "rows"


class Pushdown(StrEnum):
    """Who prints a row: PostgreSQL prints each cell (`text`) or the whole row (`json`)."""

    AUTO = "auto"
    TEXT = "text"
    JSON = "json"


class IfExists(StrEnum):
    """What a run does where a target table already holds rows."""

    FAIL = "fail"
    UPSERT = "upsert"
    REPLACE = "replace"


class OnError(StrEnum):
    """What a run does about a row that D1 will never take."""

    STOP = "stop"
    REJECT = "reject"


class Consistency(StrEnum):
    """One moment of the source over all tables, or a new moment for each cursor window."""

    SNAPSHOT = "snapshot"
    ROLLING = "rolling"


class IndexTiming(StrEnum):
    """When indexes that no foreign key needs are built."""

    AUTO = "auto"
    BEFORE = "before"
    AFTER = "after"


@frozen
class Rate:
    """At most `requests` (>= 1) sent in any `seconds` (> 0)."""

    requests: int
    seconds: float

    def __post_init__(self) -> None:
        if self.requests < 1 or self.seconds <= 0:
            raise ValueError(f"a rate needs at least one request: {self.requests}/{self.seconds}")
