"""What a validation found, table by table, as values and as a report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from enum import StrEnum

from streamer.frozen import frozen
from streamer.model import Key
from streamer.validate.differences import Difference

MOST_DIFFERENCES = 100  # of a table, in a report


class Depth(StrEnum):
    """How much of the rows is compared: whether they are there, a sample's values, or all values."""

    KEYS = "keys"
    SAMPLE = "sample"
    FULL = "full"


class Status(StrEnum):
    """The result of a check: it holds, it doesn't, or it couldn't be made."""

    OK = "ok"
    DIFFERS = "differs"
    NOT_CHECKED = "not checked"


@frozen
class Check:
    """One check of a table: its name, its result, figures, and the keys of rows that break it.

    `about` names what is checked, where a table has several (a column, a constraint).
    """

    name: str
    status: Status
    about: str = ""
    note: str = ""
    figures: Mapping[str, int] = field(default_factory=dict[str, int])
    keys: Sequence[Key] = ()

    def to_json(self) -> dict[str, object]:
        """The check as a report has it."""
        return {
            "name": self.name,
            "about": self.about,
            "status": self.status.value,
            "note": self.note,
            **self.figures,
            "keys": [list(key) for key in self.keys[:MOST_DIFFERENCES]],
        }


@frozen
class Verdict:
    """One table: its checks, and the first of its rows that differ.

    `between` names the two sides where these aren't the databases; `file` is the second one's then,
    if it is one.
    """

    name: str
    target_name: str
    checks: Sequence[Check]
    differences: Sequence[Difference] = ()
    between: tuple[str, str] | None = None
    file: str = ""

    @property
    def equal(self) -> bool:
        """Whether no check failed."""
        return all(check.status is not Status.DIFFERS for check in self.checks)

    @property
    def figures(self) -> Mapping[str, int]:
        """All figures of its checks, by name; the first of a name counts."""
        found: dict[str, int] = {}
        for check in self.checks:
            found = {**check.figures, **found}
        return found

    def to_json(self) -> dict[str, object]:
        """The table as a report has it: keys and columns, no values."""
        return {
            "name": self.name,
            "target_name": self.target_name,
            **({"between": list(self.between)} if self.between else {}),
            **({"file": self.file} if self.file else {}),
            "status": (Status.OK if self.equal else Status.DIFFERS).value,
            "checks": [check.to_json() for check in self.checks],
            "differences": [
                difference_json(difference) for difference in self.differences[:MOST_DIFFERENCES]
            ],
        }


def difference_json(found: Difference) -> dict[str, object]:
    """A row that differs, as reports and files of differences have it."""
    named: dict[str, object] = {
        "kind": found.kind.value,
        "key": list(found.key),
        "columns": list(found.columns),
    }
    return {**named, "line": found.line} if found.line else named
