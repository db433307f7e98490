"""What must hold: after each crash, and at the end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import checkpoints
from streamer.config import Selection
from streamer.model import Consistency, IfExists
from streamer.model.sql import quote_identifier
from streamer.plan import PlanOptions, make_plan
from tests.simulation.before import as_it_was
from tests.simulation.process import World
from tests.simulation.refused import BrokenPromiseError, Refused, demand, is_late
from tests.simulation.rows import Cells as RowCells
from tests.simulation.rows import Stored, Version

Cells = tuple[str | None, ...]
_OFFSET_BITS = 16


@dataclass(slots=True)
class Oracle:
    """Knows what is in the source, now and before, and compares.

    `prepared` is the transaction at which the target was, `began` that at which the run did, `first` the number of its first snapshot. `others`
    are rows that were in the target before. Those that the run `refused` were `retried` where they
    were sent again, as they are then.
    """

    world: World
    began: int
    first: int = 0
    plans: dict[str, Any] = field(init=False)
    others: dict[str, list[RowCells]] = field(default_factory=dict[str, list[RowCells]])
    retried: bool = False
    prepared: int = field(init=False)
    refused: Refused = field(init=False)
    _run: str = ""

    def __post_init__(self) -> None:
        self.prepared = self.began
        plan = make_plan(self.world.server.catalog, Selection(schemas=("*",)), PlanOptions())
        self.plans = {str(table.name): table for table in plan.tables}
        self.refused = Refused(
            self.world, self._lives, lambda name, key: key in self._rows(self.plans[name])
        )

    def take_note(self, transaction: int, moments: int) -> None:
        """Look at the checkpoint after a start, before which these had been: is the run a new one?"""
        saved = checkpoints.peek(self.world.checkpoint)
        if saved is None:
            return
        if saved.run.run_id != self._run:
            self._run, self.began, self.first = saved.run.run_id, transaction, moments
        self.refused.take_note(saved)

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
        self.refused.are_kept()

    def at_the_end(self) -> None:
        """The target holds what the source does, as promised, and nothing of ours."""
        self._never_too_many()
        self.refused.are_kept_once()
        for name, stored in self.world.server.tables.items():
            if not self.retried:  # else what they refer to may be there by now
                self.refused.have_reasons(name, stored)
            self._holds(name, stored)
        left = [
            name
            for (name,) in self._ask(
                "SELECT name FROM sqlite_schema WHERE name LIKE '\\_streamer\\_%' ESCAPE '\\'"
            )
        ]
        for name in left:
            demand(not self._ask(f"SELECT 1 FROM {name} LIMIT 1"), f"{name} is left, with rows")
        self.world.d1.settle()
        for name, stored in self.world.server.tables.items():
            self._holds(name, stored)

    def _never_too_many(self) -> None:
        d1 = self.world.d1
        demand(d1.blocks == 0, f"the limit was exceeded {d1.blocks} times")
        rate = self.world.settings.pacing.rate
        if rate is not None:
            at = sorted(d1.arrivals)
            early = [
                (a, b)
                for a, b in zip(at, at[rate.requests :], strict=False)
                if b - a < rate.seconds - 1e-6
            ]
            demand(not early, f"more than {rate} sent: {early[:1]}")

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
            if key in self.refused.rejected.get(step.table, ()):
                continue
            demand(key in rows, f"{step.table}: the key {key} is behind {last}, and not in D1")
            if step.kind == "edges" and key not in self.refused.cut.get(step.table, ()):
                self._edges_are_set(plan, stored, key, cells, rows[key])

    def _edges_are_set(
        self, plan: Any, stored: Stored, key: Cells, lives: list[Version], row: Cells
    ) -> None:
        for at, column in enumerate(plan.columns):
            if column.target in plan.deferred:
                known = {_text(v.cells[column.source]) for v in lives}
                demand(row[at] in known, f"{stored.table.name}: {key} has {row[at]} of {known}")

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
            (position,) = map(int, _key(stored, version))
            lived = version.gone is None and version.made <= self.began
            rejected = _key(stored, version) in self.refused.rejected.get(step.table, ())
            demand(
                not lived or position > last or position in there or rejected,
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
            is_anew = record is not None and "read_again" in record.document
            if record is not None and int(reached) >= 0 and not is_anew:
                more = int(reached) - record.next_number
                demand(more <= allowed, f"{table}: {more} chunks are sent again, {allowed} may be")

    def _holds(self, name: str, stored: Stored) -> None:
        plan = self.plans[name]
        if not stored.key:
            self._holds_one_moment(name, stored, plan)
            return
        rows, missing = self._rows(plan), self.refused.rejected.get(name, set())
        cut = self.refused.cut.get(name, set())
        self._others_are_there(name, plan, rows)
        snapshot = self.world.settings.consistency is Consistency.SNAPSHOT and not self.retried
        if snapshot and len(self._moments) == 1 and self.world.if_exists is not IfExists.UPSERT:
            (seen,) = self._moments
            wanted = {_key(stored, v): _cells(plan, v) for v in stored.at(seen)}
            wanted = {key: row for key, row in wanted.items() if key not in missing}
            wanted |= self._without_references(plan, rows, {key: wanted[key] for key in cut})
            demand(rows == wanted, f"{name}: not the snapshot: {_difference(rows, wanted)}")
            return
        throughout = dict(self._throughout(stored))
        for key, versions in throughout.items():
            if key in rows or key not in missing:
                demand(key in rows, f"{name}: the key {key} is missing")
                self._had_it(plan, stored, key, versions, rows[key], gone=key in missing | cut)
        upserts = self.world.if_exists is IfExists.UPSERT
        lives = self._lives(stored, self.prepared if upserts else self.began)
        strange = sorted(rows.keys() - lives.keys())
        demand(not strange, f"{name}: never in the source: {strange[:3]}")
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
            demand(rows.pop(key, None) == row, f"{name}: {key} of others isn't as it was")

    def _without_references(
        self, plan: Any, rows: dict[Cells, Cells], wanted: dict[Cells, Cells]
    ) -> dict[Cells, Cells]:
        """The `wanted` rows, whose references to what was rejected are NULL."""
        at = [n for n, column in enumerate(plan.columns) if column.target in plan.deferred]
        return {
            key: tuple(
                None if n in at and key in rows and rows[key][n] is None else cell
                for n, cell in enumerate(row)
            )
            for key, row in wanted.items()
        }

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
        demand(fits, f"{stored.table.name}: {key} never was {row}; it was {held}")

    def _holds_one_moment(self, name: str, stored: Stored, plan: Any) -> None:
        target = quote_identifier(plan.target)
        columns = ", ".join(f"CAST({quote_identifier(c.target)} AS TEXT)" for c in plan.columns)
        sql = f"SELECT CAST({plan.key.rowid} AS TEXT), {columns} FROM {target}"
        found: dict[Cells, Cells] = {row[:1]: row[1:] for row in self._ask(sql)}
        missing, cut = (
            {key for key in keys.get(name, set()) if not is_late(key)}
            for keys in (self.refused.rejected, self.refused.cut)
        )
        again = self.refused.sent_again.get(name, set())
        self._hold_some_moment(stored, plan, found, again, missing)
        moments = [*self._moments, self.world.server.transaction]
        seen: list[int] = []
        for moment in moments:
            wanted = {_key(stored, v): _cells(plan, v) for v in stored.at(moment)}
            seen.append(len(wanted))
            if not wanted.keys() >= missing | cut:
                continue
            wanted = {key: row for key, row in wanted.items() if key not in missing | again}
            cuts = {key: wanted[key] for key in cut - again}
            wanted |= self._without_references(plan, found, cuts)
            if found == wanted:
                return
        raise BrokenPromiseError(
            f"{name}: {len(found)} rows are none of {seen} that were read, less {len(missing)}"
        )

    def _hold_some_moment(
        self,
        stored: Stored,
        plan: Any,
        found: dict[Cells, Cells],
        again: set[Cells],
        missing: set[Cells],
    ) -> None:
        """Take those out of `found` that came late or `again`: each was so once.

        None of the latter is lost, but those that may be `missing` still.
        """
        lives = self._lives(stored)
        held = [_cells(plan, v) for versions in lives.values() for v in versions]
        for key in again - missing - found.keys():
            gone = is_late(key) or any(v.gone is not None for v in lives.get(key, ()))
            demand(gone, f"{stored.table.name}: {key} was rejected and is missing")
        for key in [key for key in found if is_late(key) or key in again]:
            row = found.pop(key)
            demand(row in held, f"{stored.table.name}: never in the source: {row}")

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
        names = [column.target for column in plan.columns]
        at = [names.index(name) for name in plan.key.targets]
        return {
            tuple(row[n] for n in at): row
            for table in self._places(plan, staged=staged)
            for row in self._ask(f"SELECT {columns} FROM {quote_identifier(table)}")
        }

    def _places(self, plan: Any, *, staged: bool) -> list[str]:
        """The tables of the target that hold its rows, or will be published into what does."""
        names = [plan.target, *([plan.stage] if staged and plan.stage else [])]
        exists = "SELECT 1 FROM sqlite_schema WHERE name = ?"
        return [name for name in names if self._ask(exists, name)]

    def _ask(self, sql: str, *parameters: Any) -> list[Any]:
        return self.world.d1.database.ask(sql, parameters)


def _key(stored: Stored, version: Version) -> Cells:
    """Its key, or where a table has none, its place as the target has it."""
    place = version.place[0] << _OFFSET_BITS | version.place[1]
    return tuple(_text(version.cells[name]) for name in stored.key) or (str(place),)


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
