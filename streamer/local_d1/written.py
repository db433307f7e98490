"""How many rows a statement wrote, as D1 counts and bills them: each table row and each index entry.

D1's SQLite counts in its virtual machine: one for each Insert, IdxInsert and counted Delete on a real
b-tree (workerd, patches/sqlite/0001-row-counts-plain.patch, read 2026-11-22). The same instructions are
read here from EXPLAIN, in groups that write one row together. Where every row that a statement changes
costs the same, SQLite's own count of changes is enough and no Python runs for a row; otherwise a hook
tells inserts, updates and deletes apart.

Estimates: a partial index counts for every row, an index on an expression for every updated row, ALTER
TABLE by its instructions, CREATE TABLE AS without its rows, and an update inside a trigger by the
columns whose values changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

# Flags of the instructions, sqliteInt.h; Delete has them in P2, the others in P5.
_NCHANGE = 0x01
_ISUPDATE = 0x04
_ISNOOP = 0x40
_OPENS_TEMPORARY = frozenset(["OpenEphemeral", "OpenAutoindex", "OpenPseudo"])

Instruction = Sequence[object]
"""A row of EXPLAIN: address, opcode, P1 (a cursor, here), P2, P3, P4, P5, comment."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What a statement writes, as far as it is known before it runs.

    `once`: rows of the schema and of sqlite_sequence. `insert`, `update`, `delete`: entries written for
    each row changed in that way, None where the statement doesn't do it. `by_hook`: triggers or foreign
    keys' actions write too, so that only a hook sees every row.
    """

    once: int = 0
    insert: int | None = None
    update: int | None = None
    delete: int | None = None
    by_hook: bool = False

    @property
    def ambiguous(self) -> bool:
        """Whether the count of changes alone doesn't tell what was written."""
        return self.by_hook or len(set(self._prices())) > 1

    def flat(self, changes: int) -> int:
        """Rows written by a statement whose changes all cost the same."""
        prices = self._prices()
        return self.once + changes * prices[0] if prices else self.once

    def counted(self, inserts: int, updates: int, deletes: int) -> int:
        """Rows written, from what a hook counted."""
        priced = ((inserts, self.insert), (updates, self.update), (deletes, self.delete))
        return self.once + sum(count * (1 if price is None else price) for count, price in priced)

    def _prices(self) -> list[int]:
        return [price for price in (self.insert, self.update, self.delete) if price is not None]


READS = Cost()
"""A statement that writes nothing."""


@dataclass(slots=True)
class _Group:
    """Instructions that together write one row of a table and its index entries."""

    entries: int = 0
    changes_a_row: bool = False
    is_update: bool = False


@dataclass(slots=True)
class _Reader:
    """Walks through a program; `prices` by "insert", "update" and "delete"."""

    temporary: set[object]  # cursors of tables that only the statement sees
    once: int = 0
    by_hook: bool = False
    prices: dict[str, int] = field(default_factory=dict[str, int])
    group: _Group = field(default_factory=_Group)

    def close(self) -> None:
        if self.group.changes_a_row:
            self.prices["update" if self.group.is_update else "insert"] = self.group.entries
        self.group = _Group()

    def take(self, instruction: Instruction) -> None:
        _, opcode, cursor, p2, p3, _, p5, *_ = instruction
        match opcode:
            case "Program":
                self.by_hook = True
            case "Goto" | "Next" | "Yield" | "Halt":
                self.close()
            case "Clear" if p3:
                self.prices["delete"] = 1
            case "VUpdate":
                self.once += 1
            case "Delete" if cursor not in self.temporary:
                self._delete(_flags(p2))
            case "IdxInsert" if cursor not in self.temporary:
                self.group.entries += 1
                self.group.changes_a_row |= bool(_flags(p5) & _NCHANGE)
            case "Insert" if cursor not in self.temporary:
                self._insert(_flags(p5))
            case _:
                pass

    def _delete(self, flags: int) -> None:
        if flags & _ISUPDATE:
            self.group.is_update = True
        elif flags & _NCHANGE:
            self.prices["delete"] = 1

    def _insert(self, flags: int) -> None:
        if flags & _ISNOOP:
            return
        if not flags & _NCHANGE:
            self.once += 1
            return
        self.group.entries += 1
        self.group.changes_a_row = True
        self.group.is_update = bool(flags & _ISUPDATE)
        self.close()


def cost(program: Sequence[Instruction]) -> Cost:
    """What an INSERT, UPDATE or DELETE costs, from the rows of its EXPLAIN."""
    temporary = {cursor for _, opcode, cursor, *_ in program if opcode in _OPENS_TEMPORARY}
    reader = _Reader(temporary)
    for instruction in program:
        reader.take(instruction)
    reader.close()
    prices = reader.prices
    return Cost(
        reader.once,
        prices.get("insert"),
        prices.get("update"),
        prices.get("delete"),
        reader.by_hook,
    )


def schema_cost(program: Sequence[Instruction]) -> Cost:
    """What a CREATE or ALTER costs without the rows of tables and indexes, from its EXPLAIN."""
    resume = once = 0
    for address, opcode, _, p2, _, _, p5, *_ in program:
        assert isinstance(address, int)
        assert isinstance(p2, int)
        if address < resume:
            continue  # jumped over, such as the index that WITHOUT ROWID does without
        if opcode == "Goto":
            resume = p2
        once += opcode == "Insert" and not _flags(p5) & _ISNOOP
    return Cost(once)


def _flags(value: object) -> int:
    return value if isinstance(value, int) else 0
