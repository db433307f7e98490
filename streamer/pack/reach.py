"""How far the ledger's entries of one step reach: by keys, or by numbers where keys are hidden."""

from __future__ import annotations

from collections.abc import Sequence

from streamer.frozen import frozen
from streamer.model import Key
from streamer.pack.ledger import Entry


@frozen
class Reach:
    """How far a step's entries reach without a gap: up to the key `last` (None: nothing).

    `rows` counts the rows up to there that arrived, `rejected` those that D1 will never take; no
    chunk has had `next_number` or a higher one.
    """

    last: Key | None
    rows: int
    next_number: int
    rejected: int = 0


def reach(entries: Sequence[Entry]) -> Reach:
    """Join the key intervals of one step's entries end to end, from the table's beginning on.

    By keys alone: numbers start over at other boundaries after a resume. Where intervals overlap and
    chains end apart, the chain with the most rows reaches farthest.
    """
    claims = [entry for entry in entries if entry.last is not None and entry.last != entry.after]
    at: dict[Key | None, tuple[int, int]] = {None: (0, 0)}
    for _ in claims:  # no chain has more links, even where a ledger that isn't ours goes in circles
        moved = False
        for entry in claims:
            if (before := at.get(entry.after)) is None:
                continue
            there = (before[0] + entry.rows, before[1] + entry.rejected)
            if sum(there) > sum(at.get(entry.last, (-1, 0))):
                at[entry.last] = there
                moved = True
        if not moved:
            break
    farthest = max(at, key=lambda key: sum(at[key]))
    rows, rejected = at[farthest]
    numbers = max((entry.next for entry in entries), default=0)
    return Reach(farthest, rows, max(0, numbers), rejected)


def reaches(entries: Sequence[Entry], key: Key | None) -> bool:
    """Whether the entries of one step cover everything from the beginning up to `key`."""
    by_start: dict[Key | None, set[Key | None]] = {}
    for entry in entries:
        by_start.setdefault(entry.after, set()).add(entry.last)
    seen: set[Key | None] = set()
    waiting: list[Key | None] = [None]
    while waiting:
        at = waiting.pop()
        if at == key:
            return True
        if at not in seen:
            seen.add(at)
            waiting += [end for end in by_start.get(at, ()) if end is not None]
    return False


def covers(entries: Sequence[Entry], number: int) -> bool:
    """Whether the entries of a step whose keys are hidden cover all chunks below `number`.

    Numbers start over at other boundaries after a resume; so the resume must take those away that
    lie behind its position (`forget_numbers`), or stale ones would pass for new ones.
    """
    ends = {entry.first: entry.next for entry in entries}
    at = 0
    while at < number:
        following = ends.get(at, at)
        if following <= at:
            return False
        at = following
    return True
