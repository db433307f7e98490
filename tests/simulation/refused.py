"""What must hold of rejected rows: each was refused for a reason, and stands in a file, once."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import checkpoints
from streamer.model import ForeignKey, StepKind
from streamer.run.rejected import all_rejected
from tests.simulation.before import is_poisonous
from tests.simulation.changes import uniques
from tests.simulation.process import World
from tests.simulation.rows import Cell, Stored, Version

Cells = tuple[str | None, ...]
Keys = dict[str, set[Cells]]  # of rows, by the names of their tables
_Seen = frozenset[tuple[str, Cells]]


class BrokenPromiseError(AssertionError):
    """Something was lost, doubled, altered, sent too often, or not as declared."""


def demand(holds: bool, what: str) -> None:  # noqa: FBT001 (as `assert`)
    """Raise a BrokenPromiseError that says `what`, unless it holds."""
    if not holds:
        raise BrokenPromiseError(what)


def is_late(key: Cells) -> bool:
    """Whether a row without a key came when its table had been read: its number is no position."""
    return int(key[0] or "") < 0


@dataclass(slots=True)
class Refused:
    """The rows that the newest run has `rejected`, and those that are there `cut` from what they refer to.

    `lives` tells the rows that each key of a table had since the run began, `is_there` whether the
    target has one. Those that were `sent_again`, at least in vain, may be as they are by then.
    """

    world: World
    lives: Callable[[Stored], dict[Cells, list[Version]]]
    is_there: Callable[[str, Cells], bool]
    rejected: Keys = field(default_factory=Keys)
    cut: Keys = field(default_factory=Keys)
    sent_again: Keys = field(default_factory=Keys)
    _clashing: Keys = field(default_factory=Keys)
    _run: str = ""
    _lines: set[str] = field(default_factory=set[str])

    def __bool__(self) -> bool:
        return bool(self._lines)

    def take_note(self, saved: checkpoints.Saved) -> None:
        """Look at what a checkpoint tells of them."""
        rows = all_rejected(saved.steps)
        self._run, self._lines = saved.run.run_id, {row.reject.line for row in rows}
        self.rejected, self.cut, self._clashing = {}, {}, {}
        for row in rows:
            if "UNIQUE constraint failed" in row.reject.reason:
                self._clashing.setdefault(row.table, set()).add(tuple(row.reject.key))
            names = self.rejected if row.kind is StepKind.ROWS else self.cut
            names.setdefault(row.table, set()).add(tuple(row.reject.key))

    def are_kept(self) -> None:
        """Whatever the checkpoint calls rejected can be read in a file."""
        lost = self._lines - {str(line["id"]) for line in self._filed()}
        demand(not lost, f"{len(lost)} rejected rows are in no file")

    def are_kept_once(self) -> None:
        """The files hold what the checkpoint calls rejected, and nothing else of the run."""
        mine = [line for line in self._filed() if line["run"] == self._run]
        extra = {str(line["id"]) for line in mine} ^ self._lines
        demand(not extra, f"{len(extra)} rows are rejected in a file or the checkpoint alone")
        rows = Counter((line["table"], line["step"], str(line["key"])) for line in mine)
        twice = [row for row, times in rows.items() if times > 1]
        demand(not twice, f"rejected more than once: {twice[:3]}")

    def have_reasons(self, name: str, stored: Stored) -> None:
        """Each rejected row of a table was refused for a reason."""
        lives = self.lives(stored)
        for key in self.rejected.get(name, set()) | self.cut.get(name, set()):
            if not stored.key and is_late(key):
                continue  # nothing tells which row of the source it is
            reasons = (self._is_refused(stored, version) for version in lives.get(key, ()))
            clashes = key in self._clashing.get(name, ())
            demand(
                any(reasons) or (clashes and self._is_kept_out(stored, key)),
                f"{name}: {key} was rejected for nothing",
            )

    def _filed(self) -> Iterator[dict[str, object]]:
        for path in (self.world.folder / "rejects").glob("*.ndjson"):
            yield from map(json.loads, path.read_text().splitlines())

    def _is_refused(self, stored: Stored, version: Version, seen: _Seen = frozenset()) -> bool:
        """Whether D1 refuses such a row, or one that it refers to was rejected, or couldn't be sent.

        The latter came too late to be rejected itself, and refers to what D1 refuses.
        """
        if is_poisonous(version.cells):
            return True
        return any(
            key in self.rejected.get(name, ())
            or self._may_be_late(name)
            or ((name, key) not in seen and self._could_not_be_sent(name, key, seen))
            for reference in stored.table.foreign_keys
            for name, key in self._parents(reference, version.cells[reference.columns[0]])
        )

    def _is_kept_out(self, stored: Stored, key: Cells) -> bool:
        """Whether a UNIQUE value moved between the row and one that D1 refuses, or by way of others."""
        lives = self.lives(stored)
        seen, waiting = {key}, [key]
        while waiting:
            held = _values(stored, lives.get(waiting.pop(), ()))
            for other, versions in lives.items():
                if other in seen or not held & _values(stored, versions):
                    continue
                if any(self._is_refused(stored, version) for version in versions):
                    return True
                seen.add(other)
                waiting.append(other)
        return False

    def _parents(self, reference: ForeignKey, cell: Cell) -> list[tuple[str, Cells]]:
        """The rows that had what is referred to."""
        name, column = str(reference.parent), reference.parent_columns[0]
        parents = self.lives(self.world.server.tables[name])
        return [
            (name, key)
            for key, lives in parents.items()
            if cell is not None and any(v.cells[column] == cell for v in lives)
        ]

    def _may_be_late(self, name: str) -> bool:
        """Whether a row may be one of those without a key that came late and were rejected."""
        keyless = not self.world.server.tables[name].key
        return keyless and any(map(is_late, self.rejected.get(name, ())))

    def _could_not_be_sent(self, name: str, key: Cells, seen: _Seen) -> bool:
        stored = self.world.server.tables[name]
        if not stored.key or self.is_there(name, key):
            return False
        seen |= {(name, key)}
        return any(self._is_refused(stored, v, seen) for v in self.lives(stored).get(key, ()))


def _values(stored: Stored, versions: Iterable[Version]) -> set[tuple[tuple[str, ...], Cells]]:
    """What a row has had that may be there once, by its columns."""
    return {
        (columns, tuple(None if cell is None else str(cell) for cell in cells))
        for version in versions
        for columns in uniques(stored)
        if None not in (cells := [version.cells[column] for column in columns])
    }
