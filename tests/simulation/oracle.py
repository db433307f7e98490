"""What must hold: after each crash, and at the end."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import checkpoints
from streamer.config import Selection
from streamer.model import Consistency, IfExists
from streamer.model.sql import quote_identifier
from streamer.plan import PlanOptions, make_plan
from streamer.run.rejected import all_rejected
from tests.simulation.before import as_it_was, is_poisonous
from tests.simulation.process import World
from tests.simulation.rows import Cells as RowCells
from tests.simulation.rows import Stored, Version

Cells = tuple[str | None, ...]
_OFFSET_BITS = 16


class BrokenPromiseError(AssertionError):
    """Something was lost, doubled, altered, sent too often, or not as declared."""


@dataclass(slots=True)
class Oracle:
    """Knows what is in the source, now and before, and compares.

    `prepared` is the transaction at which the target was, `began` that at which the run did, `first` the number of its first snapshot. `others`
    are rows that were in the target before, `rejected` the keys of rows that the run rejected, by
    table; `retried`: they were sent again, as they are then.
    """

    world: World
    began: int
    first: int = 0
    plans: dict[str, Any] = field(init=False)
    others: dict[str, list[RowCells]] = field(default_factory=dict[str, list[RowCells]])
    rejected: dict[str, set[Cells]] = field(default_factory=dict[str, set[Cells]])
    retried: bool = False
    prepared: int = field(init=False)
    _run: str = ""

    def __post_init__(self) -> None:
        self.prepared = self.began
        plan = make_plan(self.world.server.catalog, Selection(schemas=("*",)), PlanOptions())
        self.plans = {str(table.name): table for table in plan.tables}

    def take_note(self, transaction: int, moments: int) -> None:
        """Look at the checkpoint after a start, before which these had been: is the run a new one?"""
        saved = checkpoints.peek(self.world.checkpoint)
        if saved is None:
            return
        if saved.run.run_id != self._run:
            self._run, self.began, self.first = saved.run.run_id, transaction, moments
        self.rejected = {}
        for row in all_rejected(saved.steps):
            self.rejected.setdefault(row.table, set()).add(tuple(row.reject.key))

    @property
    def _moments(self) -> list[int]:
        return self.world.server.moments[self.first :]

    def after_crash(self) -> None:
        """Every row up to a position in the checkpoint is in the target."""
        self._never_too_many()
        saved = checkpoints.peek(self.world.checkpoint)
        if saved is None:
            return
        for step in saved.steps:
            if step.kind in {"rows", "edges"} and step.last_key is not None:
                self._is_there(step)
        self._not_much_again(saved)
        self._rejects_are_kept(saved)

    def at_the_end(self) -> None:
        """The target holds what the source does, as promised, and nothing of ours."""
        self._never_too_many()
        for name, stored in self.world.server.tables.items():
            self._holds(name, stored)
        left = [
            name
            for (name,) in self._ask(
                "SELECT name FROM sqlite_schema WHERE name LIKE '\\_streamer\\_%' ESCAPE '\\'"
            )
        ]
        for name in left:
            _demand(not self._ask(f"SELECT 1 FROM {name} LIMIT 1"), f"{name} is left, with rows")
        self.world.d1.settle()
        for name, stored in self.world.server.tables.items():
            self._holds(name, stored)

    def _never_too_many(self) -> None:
        d1 = self.world.d1
        _demand(d1.blocks == 0, f"the limit was exceeded {d1.blocks} times")
        rate = self.world.settings.pacing.rate
        if rate is not None:
            at = sorted(d1.arrivals)
            early = [
                (a, b)
                for a, b in zip(at, at[rate.requests :], strict=False)
                if b - a < rate.seconds - 1e-6
            ]
            _demand(not early, f"more than {rate} sent: {early[:1]}")

    def _is_there(self, step: checkpoints.StepRecord) -> None:
        stored = self.world.server.tables[step.table]
        plan = self.plans[step.table]
        if not stored.key:
            self._positions_are_there(step, stored)
            return
        last = tuple(
            int(text) if stored.table.column(name).type.name == "int4" else text.encode()
            for name, text in zip(stored.key, step.last_key or (), strict=True)
        )
        rows = self._rows(plan, staged=True)
        for key, cells in self._throughout(stored):
            if _sortable(stored, key) > last:
                continue
            if key in self.rejected.get(step.table, ()):
                continue
            _demand(key in rows, f"{step.table}: the key {key} is behind {last}, and not in D1")
            if step.kind == "edges":
                self._edges_are_set(plan, stored, key, cells, rows[key])

    def _edges_are_set(
        self, plan: Any, stored: Stored, key: Cells, lives: list[Version], row: Cells
    ) -> None:
        for at, column in enumerate(plan.columns):
            if column.target in plan.deferred:
                known = {_text(v.cells[column.source]) for v in lives}
                _demand(row[at] in known, f"{stored.table.name}: {key} has {row[at]} of {known}")

    def _positions_are_there(self, step: checkpoints.StepRecord, stored: Stored) -> None:
        plan = self.plans[step.table]
        there = {
            int(n)
            for table in self._places(plan, staged=True)
            for (n,) in self._ask(
                f"SELECT CAST({plan.key.rowid} AS TEXT) FROM {quote_identifier(table)}"
            )
        }
        last = int((step.last_key or ("0",))[0])
        for version in stored.versions:
            position = version.place[0] << _OFFSET_BITS | version.place[1]
            lived = version.gone is None and version.made <= self.began
            _demand(
                not lived or position > last or position in there,
                f"{step.table}: {version.place} is missing",
            )

    def _not_much_again(self, saved: checkpoints.Saved) -> None:
        """What the target has beyond the checkpoint, and so will be sent again, is bounded."""
        if not self._ask("SELECT 1 FROM sqlite_schema WHERE name = '_streamer_ledger'"):
            return
        chosen = self.world.settings.pacing
        allowed = 4 * (chosen.concurrency or 16)
        if chosen.batch_bytes is None:
            allowed *= 5  # so many chunks may make a batch of 4 MB
        known = {
            (self.plans[s.table].target, s.kind): s
            for s in saved.steps
            if s.kind in {"rows", "edges"}
        }
        for table, step, reached in self._ask(
            'SELECT "table", step, max(next) FROM _streamer_ledger WHERE epoch = ? AND run = ? GROUP BY 1, 2',
            saved.run.epoch,
            saved.run.run_id,
        ):
            record = known.get((table, step))
            if record is not None and int(reached) >= 0:
                more = int(reached) - record.next_number
                _demand(more <= allowed, f"{table}: {more} chunks are sent again, {allowed} may be")

    def _rejects_are_kept(self, saved: checkpoints.Saved) -> None:
        """Whatever the checkpoint calls rejected can be read in a file."""
        files = (self.world.folder / "rejects").glob("*.ndjson")
        kept = {json.loads(line)["id"] for file in files for line in file.read_text().splitlines()}
        lost = {row.reject.line for row in all_rejected(saved.steps)} - kept
        _demand(not lost, f"{len(lost)} rejected rows are in no file")

    def _may_be_missing(self, name: str, stored: Stored) -> set[Cells]:
        """The keys of rejected rows, each of which was refused for a reason."""
        lives = self._lives(stored)
        for key in self.rejected.get(name, ()):
            reasons = (self._is_refused(stored, version) for version in lives.get(key, ()))
            _demand(any(reasons), f"{name}: {key} was rejected for nothing")
        return self.rejected.get(name, set())

    def _is_refused(
        self, stored: Stored, version: Version, seen: frozenset[tuple[str, Cells]] = frozenset()
    ) -> bool:
        """Whether D1 refuses such a row, or one that it refers to was rejected, or couldn't be sent.

        The latter came too late to be rejected itself, and refers to what D1 refuses.
        """
        if is_poisonous(version.cells):
            return True
        for key in stored.table.foreign_keys:
            parent = str(key.parent), (_text(version.cells[key.columns[0]]),)
            if parent[1] in self.rejected.get(parent[0], ()):
                return True
            if parent not in seen and self._could_not_be_sent(*parent, seen | {parent}):
                return True
        return False

    def _could_not_be_sent(self, name: str, key: Cells, seen: frozenset[tuple[str, Cells]]) -> bool:
        stored = self.world.server.tables[name]
        if not stored.key or key in self._rows(self.plans[name]):
            return False
        return any(self._is_refused(stored, v, seen) for v in self._lives(stored).get(key, ()))

    def _holds(self, name: str, stored: Stored) -> None:
        plan = self.plans[name]
        if not stored.key:
            self._holds_one_moment(name, stored, plan)
            return
        rows, missing = self._rows(plan), self._may_be_missing(name, stored)
        self._others_are_there(name, plan, rows)
        snapshot = self.world.settings.consistency is Consistency.SNAPSHOT and not self.retried
        if snapshot and len(self._moments) == 1 and self.world.if_exists is not IfExists.UPSERT:
            (seen,) = self._moments
            wanted = {_key(stored, v): _cells(plan, v) for v in stored.at(seen)}
            for key in missing & wanted.keys():
                del wanted[key]
            rows = {key: row for key, row in rows.items() if key in wanted or key not in missing}
            self._is_the_snapshot(name, plan, rows, wanted)
            return
        throughout = dict(self._throughout(stored))
        for key, versions in throughout.items():
            if key in rows or key not in missing:
                _demand(key in rows, f"{name}: the key {key} is missing")
                self._had_it(plan, stored, key, versions, rows[key], gone=key in missing)
        upserts = self.world.if_exists is IfExists.UPSERT
        lives = self._lives(stored, self.prepared if upserts else self.began)
        strange = sorted(rows.keys() - lives.keys())
        _demand(not strange, f"{name}: never in the source: {strange[:3]}")
        for key, row in rows.items():
            if key not in throughout:
                self._had_it(plan, stored, key, lives[key], row, gone=True)

    def _others_are_there(self, name: str, plan: Any, rows: dict[Cells, Cells]) -> None:
        """Rows that only the target had stay as they are, or are gone; then take them out of `rows`."""
        if self.world.if_exists is not IfExists.UPSERT:
            return
        for cells in self.others.get(name, ()):
            key = tuple(_text(cells[column]) for column in plan.key.columns)
            row = tuple(_text(cells[column.source]) for column in plan.columns)
            _demand(rows.pop(key, None) == row, f"{name}: {key} of others isn't as it was")

    def _is_the_snapshot(
        self, name: str, plan: Any, rows: dict[Cells, Cells], wanted: dict[Cells, Cells]
    ) -> None:
        known = wanted
        if (
            any(self.rejected.values()) and plan.deferred
        ):  # references to what was rejected are NULL
            at = [n for n, c in enumerate(plan.columns) if c.target in plan.deferred]
            known = {
                key: tuple(
                    None if n in at and key in rows and rows[key][n] is None else cell
                    for n, cell in enumerate(row)
                )
                for key, row in wanted.items()
            }
        _demand(rows == known, f"{name}: not the snapshot: {_difference(rows, known)}")

    def _had_it(
        self,
        plan: Any,
        stored: Stored,
        key: Cells,
        lives: list[Version],
        row: Cells,
        *,
        gone: bool = False,
    ) -> None:
        """The row is one that the source held, whole; where two passes wrote it, column by column.

        Where it was `gone` before the second pass came, that left nothing.
        """
        held = [_cells(plan, v) for v in lives]
        if self.world.if_exists is IfExists.UPSERT and gone:
            held += [_cells(plan, as_it_was(stored, v)) for v in lives]
        if plan.deferred:
            nothing = (
                {column.target for column in plan.columns} & set(plan.deferred) if gone else set()
            )
            fits = all(
                cell in {cells[at] for cells in held} or (cell is None and column.target in nothing)
                for at, (cell, column) in enumerate(zip(row, plan.columns, strict=True))
            )
        else:
            fits = row in held
        _demand(fits, f"{stored.table.name}: {key} never was {row}; it was {held}")

    def _holds_one_moment(self, name: str, stored: Stored, plan: Any) -> None:
        target = quote_identifier(plan.target)
        columns = ", ".join(f"CAST({quote_identifier(c.target)} AS TEXT)" for c in plan.columns)
        found = self._ask(f"SELECT CAST({plan.key.rowid} AS TEXT), {columns} FROM {target}")
        moments = [*self._moments, self.world.server.transaction]
        seen: list[Any] = []
        for moment in moments:
            wanted = [
                (str(v.place[0] << _OFFSET_BITS | v.place[1]), *_cells(plan, v))
                for v in stored.at(moment)
            ]
            seen.append(wanted)
            if Counter(found) == Counter(wanted):
                return
        raise BrokenPromiseError(
            f"{name}: {len(found)} rows are none of {list(map(len, seen))} that were read"
        )

    def _lives(self, stored: Stored, since: int | None = None) -> dict[Cells, list[Version]]:
        """The rows that each key had since a transaction (None: since the run began)."""
        since = self.began if since is None else since
        lives: dict[Cells, list[Version]] = {}
        for version in stored.versions:
            if version.gone is None or version.gone > since:
                lives.setdefault(_key(stored, version), []).append(version)
        return lives

    def _throughout(self, stored: Stored) -> Iterator[tuple[Cells, list[Version]]]:
        """Keys that were there at every moment since the run began, with the rows that they had."""
        for key, versions in self._lives(stored).items():
            versions.sort(key=lambda v: v.made)
            whole = versions[0].made <= self.began and versions[-1].gone is None
            if whole and all(a.gone == b.made for a, b in pairwise(versions)):
                yield key, versions

    def _rows(self, plan: Any, *, staged: bool = False) -> dict[Cells, Cells]:
        """The target's rows by key; with `staged`, those that wait for being published too."""
        columns = ", ".join(f"CAST({quote_identifier(c.target)} AS TEXT)" for c in plan.columns)
        keys = ", ".join(f"CAST({quote_identifier(c)} AS TEXT)" for c in plan.key.targets)
        rows: dict[Cells, Cells] = {}
        for table in self._places(plan, staged=staged):
            width = len(plan.key.targets)
            for row in self._ask(f"SELECT {keys}, {columns} FROM {quote_identifier(table)}"):
                rows[row[:width]] = row[width:]
        return rows

    def _places(self, plan: Any, *, staged: bool) -> list[str]:
        """The tables of the target that hold its rows, or will be published into what does."""
        names = [plan.target, *([plan.stage] if staged and plan.stage else [])]
        exists = "SELECT 1 FROM sqlite_schema WHERE name = ?"
        return [name for name in names if self._ask(exists, name)]

    def _ask(self, sql: str, *parameters: Any) -> list[Any]:
        return self.world.d1.database.ask(sql, parameters)


def _demand(holds: bool, what: str) -> None:  # noqa: FBT001 (as `assert`)
    if not holds:
        raise BrokenPromiseError(what)


def _key(stored: Stored, version: Version) -> Cells:
    return tuple(_text(version.cells[name]) for name in stored.key)


def _cells(plan: Any, version: Version) -> Cells:
    return tuple(_text(version.cells[column.source]) for column in plan.columns)


def _sortable(stored: Stored, key: Cells) -> tuple[Any, ...]:
    return tuple(
        int(text or "") if stored.table.column(name).type.name == "int4" else (text or "").encode()
        for name, text in zip(stored.key, key, strict=True)
    )


def _text(cell: int | str | None) -> str | None:
    return None if cell is None else str(cell)


def _difference(rows: dict[Cells, Cells], wanted: dict[Cells, Cells]) -> str:
    missing, extra = sorted(wanted.keys() - rows.keys()), sorted(rows.keys() - wanted.keys())
    other = [key for key in wanted.keys() & rows.keys() if wanted[key] != rows[key]]
    return f"missing {missing[:3]}, extra {extra[:3]}, other {[(k, rows[k], wanted[k]) for k in other[:3]]}"
