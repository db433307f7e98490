"""PostgreSQL's tables in memory: every row's versions, by the transactions that made them."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from streamer.model import Catalog, SourceIdentity, Table

Cell = int | str | None
Cells = Mapping[str, Cell]
_SLOTS = 20  # rows of a block


@dataclass(slots=True)
class Version:
    """A row as one transaction left it, at its physical place; `gone`: the one that ended it."""

    cells: Cells
    made: int
    place: tuple[int, int]
    gone: int | None = None

    def seen(self, snapshot: int) -> bool:
        """Whether a snapshot taken after transaction `snapshot` holds it."""
        return self.made <= snapshot and (self.gone is None or self.gone > snapshot)


@dataclass(slots=True)
class Stored:
    """One table's versions, and the names of its key's columns (none: the place is the key)."""

    table: Table
    key: tuple[str, ...]
    versions: list[Version] = field(default_factory=list)
    free: list[tuple[int, int]] = field(default_factory=list)
    slots: int = 0

    def at(self, snapshot: int) -> list[Version]:
        """What a snapshot sees, in physical order."""
        return sorted((v for v in self.versions if v.seen(snapshot)), key=lambda v: v.place)

    def next_place(self) -> tuple[int, int]:
        if self.free:
            return self.free.pop(0)
        self.slots += 1
        return (self.slots - 1) // _SLOTS, (self.slots - 1) % _SLOTS + 1


class Postgres:
    """The server: its tables, its transactions, and who is connected.

    A transaction is a number; a snapshot is the number of the last one that it sees. `down_until`
    is a time before which nobody gets in; `moments` are the snapshots that were exported.
    """

    def __init__(self, tables: list[tuple[Table, tuple[str, ...]]]) -> None:
        self.identity = SourceIdentity("7000000000000000001", 1, "shop", 180_000, "UTF8")
        self.catalog = Catalog(self.identity, tuple(table for table, _ in tables))
        self.tables = {str(table.name): Stored(table, key) for table, key in tables}
        self.transaction = 1_000
        self.exported: dict[str, int] = {}
        self.down_until = -1.0
        self.idle_s = 0.0
        self.boots = 0
        self.exports = 0
        self.moments: list[int] = []

    def insert(self, table: str, cells: Cells) -> None:
        stored = self.tables[table]
        stored.versions.append(Version(cells, self.transaction, stored.next_place()))

    def update(self, table: str, version: Version, cells: Cells) -> None:
        self.delete(version)
        self.insert(table, {**version.cells, **cells})

    def delete(self, version: Version) -> None:
        version.gone = self.transaction

    def transact(self, change: Callable[[], None]) -> None:
        """Make `change` a transaction of its own."""
        self.transaction += 1
        change()

    def live(self, table: str) -> list[Version]:
        """The rows as they are now."""
        return [v for v in self.tables[table].versions if v.gone is None]

    def vacuum(self, table: str, dice: random.Random) -> None:
        """Give places of dead rows, which no snapshot sees any more, to rows that come."""
        oldest = min(self.exported.values(), default=self.transaction)
        stored = self.tables[table]
        taken = {v.place for v in stored.versions if v.gone is None or v.gone > oldest}
        dead = {v.place for v in stored.versions} - taken - set(stored.free)
        stored.free += [place for place in sorted(dead) if dice.random() < 0.5]

    def restart(self, until: float) -> None:
        """Drop every connection and snapshot; nobody gets in before `until`."""
        self.boots += 1
        self.exported.clear()
        self.down_until = until
