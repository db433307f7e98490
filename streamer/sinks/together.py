"""Rows that travel in one request, in which foreign keys are looked at last.

So their order doesn't matter, nor whether they refer in circles, nor that others let go first of what
may be there once, and leave where the source has them no more.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import field, replace

from streamer import limits
from streamer.frozen import slotted
from streamer.model import Chunk, Statement
from streamer.pack import chunk_rows, without_rows
from streamer.sinks.bad_rows import stored_key
from streamer.sinks.references import Carried, Row, Wanted
from streamer.sinks.refresh import TooManyError
from streamer.sinks.uniqueness import Coming
from streamer.sinks.untying import Knot


@slotted
class Together:
    """What is to be sent, by table (target name); `most_bytes` is what a request should take.

    `there` are those of the wanted rows that the source has.
    """

    most_bytes: int
    there: set[Wanted] = field(default_factory=set[Wanted])
    _chunks: dict[str, tuple[Carried, list[Chunk]]] = field(
        default_factory=dict[str, tuple[Carried, list[Chunk]]]
    )
    _knots: dict[str, Knot] = field(default_factory=dict[str, Knot])
    _coming: Counter[str] = field(default_factory=Counter[str])
    _leaving: Counter[str] = field(default_factory=Counter[str])

    @property
    def statements(self) -> list[Statement]:
        """All of it, but for what makes it one request of ours."""
        knots = self._knots.values()
        chunks = [chunk for _, some in self._chunks.values() for chunk in some]
        return [
            *(statement for knot in knots for statement in knot.parks(self._coming_beside(knot))),
            *(statement for knot in knots for statement in knot.leave.statements),
            *(statement for chunk in chunks for statement in chunk.statements),
            *(statement for knot in knots for statement in knot.fresh.statements),
        ]

    @property
    def tables(self) -> set[str]:
        """The tables that it writes to, or deletes from."""
        fresh = [one for knot in self._knots.values() for one in knot.all_fresh]
        gone = [table for knot in self._knots.values() for table in knot.leave.deleted]
        return {*self._chunks, *(one.plan.target for one in fresh), *gone}

    @property
    def snapshots(self) -> frozenset[int]:
        """Those that its rows were read in."""
        chunks = [chunk for _, some in self._chunks.values() for chunk in some]
        fresh = [one for knot in self._knots.values() for one in knot.all_fresh]
        of_fresh = (number for one in fresh for number in one.snapshots)
        return frozenset({*(chunk.snapshot for chunk in chunks), *of_fresh})

    def knot(self, carried: Carried) -> Knot:
        """What is known to be in the way of rows of a table."""
        return self._knots.get(carried.plan.target) or Knot.none(carried)

    def rows(self) -> list[tuple[Carried, list[Row]]]:
        """Its rows as they are known by now."""
        found = [
            (carried, [row for chunk in chunks for row in chunk_rows(carried.layout, chunk)])
            for carried, chunks in self._chunks.values()
        ]
        fresh = [one for knot in self._knots.values() for one in knot.all_fresh]
        return [*found, *((one.carried, one.rows) for one in fresh)]

    def _coming_beside(self, knot: Knot) -> list[Coming]:
        """The rows that come to a knot's table."""
        target = knot.carried.plan.target
        return [(c.layout, rows) for c, rows in self.rows() if c.plan.target == target]

    def note_coming(self) -> dict[str, int]:
        """How many rows may come to tables that weren't told of before; 0 for the others of them."""
        coming = {table: self._coming[table] for table in self.tables}
        self._coming.clear()
        return coming

    def note_leaving(self) -> dict[str, int]:
        """How many rows may leave tables that weren't told of before."""
        leaving: Counter[str] = Counter()
        for knot in self._knots.values():
            leaving.update(knot.leave.deleted)
        more = leaving - self._leaving
        self._leaving |= leaving
        return dict(more)

    def add(self, carried: Carried, chunks: Sequence[Chunk]) -> None:
        """Take more rows of a table.

        Raises:
            TooManyError: they don't fit in one request.

        """
        table = carried.plan.target
        self._chunks.setdefault(table, (carried, []))[1].extend(chunks)
        self._coming[table] += sum(chunk.rows for chunk in chunks)
        self._drop_known(table)
        self._check()

    def tie(self, knot: Knot) -> None:
        """Take rows that are in each other's way; of those that it has already, these are newer.

        Raises:
            TooManyError: they don't fit in one request.

        """
        self._knots[knot.carried.plan.target] = knot
        self._drop_known(knot.carried.plan.target)
        self._check()

    def _drop_known(self, table: str) -> None:
        """Leave rows out that are in a knot, or were looked for in vain for its sake."""
        if table not in self._chunks or table not in self._knots:
            return
        carried, chunks = self._chunks[table]
        layout, fresh = carried.layout, self._knots[table].fresh
        known = fresh.keys | fresh.gone
        self._chunks[table] = (
            carried,
            [
                replace(
                    chunk,
                    statements=without_rows(
                        layout, chunk, lambda row: stored_key(layout, row) in known
                    ),
                )
                for chunk in chunks
            ],
        )

    def _check(self) -> None:
        statements = self.statements
        size = sum(statement.bytes + 1 for statement in statements)
        others = 1 + len(self.tables)  # the deferral, and a guard for each table
        if len(statements) + others > limits.BATCH_STATEMENTS:
            raise TooManyError
        if size > self.most_bytes and len(statements) > 1:
            raise TooManyError
