"""Where rows may differ: intervals of keys, joined where they touch, to be looked at again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from streamer.frozen import frozen
from streamer.model import Chunk, Key


@frozen
class Interval:
    """The rows of chunks `first` to `next - 1`: behind the key `after` (None: from the beginning)
    and up to `last`.
    """

    first: int
    next: int
    after: Key | None
    last: Key


class Suspects:
    """One table's intervals, in any order of their numbers."""

    def __init__(self, known: Iterable[Interval] = ()) -> None:
        self._by_first: dict[int, Interval] = {}
        self._by_next: dict[int, Interval] = {}
        self._noted: set[int] = set()  # a chunk that is cut comes in parts
        for interval in known:
            self._noted.update(range(interval.first, interval.next))
            self._put(interval)

    def add(self, chunk: Chunk) -> None:
        """Take note that some rows of `chunk` aren't as they should be."""
        if chunk.number not in self._noted:
            self._noted.add(chunk.number)
            self._put(Interval(chunk.number, chunk.number + 1, chunk.after, chunk.last))

    def in_order(self) -> list[Interval]:
        """The intervals in key order."""
        return sorted(self._by_first.values(), key=lambda interval: interval.first)

    def _put(self, new: Interval) -> None:
        before = self._by_next.pop(new.first, None)
        if before is not None:
            new = replace(new, first=before.first, after=before.after)
        behind = self._by_first.pop(new.next, None)
        if behind is not None:
            new = replace(new, next=behind.next, last=behind.last)
        self._by_first[new.first] = self._by_next[new.next] = new
