"""Tables without a key: a row's physical position as its number, and whether positions still hold.

A position is a leaf's number, a block and an offset, in 15, 32 and 16 bits: a positive 64-bit
integer, ordered as a scan of the leaves in the order of their numbers delivers the rows.
"""

from __future__ import annotations

from collections.abc import Mapping

from streamer.frozen import frozen
from streamer.model import QualifiedName, Table
from streamer.model.sql import quote_identifier

LEAF_BITS, BLOCK_BITS, OFFSET_BITS = 15, 32, 16
MOST_LEAVES = 1 << LEAF_BITS

# A transaction counter has 32 bits; beyond half of it, older and newer can't be told apart.
_HALF = 1 << 31


@frozen
class Position:
    """A row's place; `tid` is how PostgreSQL writes it inside its leaf."""

    leaf: int
    block: int
    offset: int

    @classmethod
    def of(cls, rowid: str) -> Position:
        """The place that `rowid`, a decimal text, stands for."""
        number = int(rowid)
        return cls(
            number >> (BLOCK_BITS + OFFSET_BITS),
            (number >> OFFSET_BITS) & ((1 << BLOCK_BITS) - 1),
            number & ((1 << OFFSET_BITS) - 1),
        )

    @property
    def tid(self) -> str:
        """Block and offset as a `tid`."""
        return f"({self.block},{self.offset})"


@frozen
class NumberedLeaf:
    """A leaf and the number that its rows' positions begin with."""

    number: int
    name: QualifiedName

    @property
    def sql(self) -> str:
        """The FROM item, without what inherits from it."""
        return f"ONLY {quote_identifier(self.name.schema)}.{quote_identifier(self.name.name)} AS t"


def number_leaves(table: Table, known: Mapping[int, int] | None = None) -> dict[int, int]:
    """A number for each leaf by oid: those `known` keep theirs, new ones get the next free.

    Raises:
        ValueError: more leaves than positions can tell apart (32,768).
    """
    numbers = dict(known or {})
    following = max(numbers.values(), default=-1) + 1
    for leaf in table.leaves:
        if leaf.oid not in numbers:
            numbers[leaf.oid] = following
            following += 1
    if following > MOST_LEAVES:
        raise ValueError(f"{table.name} has more than {MOST_LEAVES:,} partitions")
    return numbers


def in_order(table: Table, numbers: Mapping[int, int]) -> tuple[NumberedLeaf, ...]:
    """The table's leaves in the order in which they are read."""
    leaves = [NumberedLeaf(numbers[leaf.oid], leaf.name) for leaf in table.leaves]
    return tuple(sorted(leaves, key=lambda leaf: leaf.number))


def rowid_sql(leaf: int) -> str:
    """SQL that prints the position of the row `t` of leaf number `leaf`, as decimal text.

    A tid has no functions before PostgreSQL 19; as text it reads like a point, whose doubles hold
    32 bits exactly.
    """
    base = leaf << (BLOCK_BITS + OFFSET_BITS)
    place = "t.ctid::text::point"
    return (
        f"({base}::bigint | (({place})[0]::bigint << {OFFSET_BITS}) | ({place})[1]::bigint)::text"
    )


def behind_sql(leaf: NumberedLeaf, last: Position, where: str = "") -> str:
    """SQL: how many rows of `leaf` are read already, and the youngest of their transactions.

    `where` is a condition that rows must meet to be read, '' for none. `$1` is the lowest transaction that was still running when they were read (bigint). A row whose
    transaction isn't older may be new there; the comparison is that of 32-bit counters, and 1 and
    2 stand for rows that were always visible.
    """
    upto = f"t.ctid <= '{last.tid}'::tid" if leaf.number == last.leaf else ""
    conditions = " AND ".join(filter(None, (upto, where)))
    age = "(((t.xmin::text::bigint - $1::bigint) % 4294967296 + 4294967296) % 4294967296)"
    return (
        f"SELECT count(*), count(*) FILTER (WHERE t.xmin::text::bigint > 2 AND {age} < {_HALF}) "
        f"FROM {leaf.sql}{' WHERE ' if conditions else ''}{conditions}"
    )


def oldest_running(snapshot: str) -> int:
    """`xmin` of a text of pg_current_snapshot(): every transaction below it had ended."""
    return int(snapshot.partition(":")[0])


def too_long_ago(recorded: str, now: str) -> bool:
    """Whether so many transactions came between that their counters can't be compared."""
    return oldest_running(now) - oldest_running(recorded) >= _HALF
