"""How far everything is done when things end in any order (pure)."""

from __future__ import annotations

from typing import Generic, TypeVar

T = TypeVar("T")


class Watermark(Generic[T]):
    """The contiguous prefix of numbered acknowledgements that come in any order.

    Only what lies below `next_number` may be recorded as done: a number that is still missing
    holds back all behind it, so that a stop at any moment leaves no gap.
    """

    __slots__ = ("_next_number", "_waiting")

    def __init__(self, next_number: int = 0) -> None:
        """Start with all numbers below `next_number` done."""
        if next_number < 0:
            raise ValueError(f"numbers start at 0, not at {next_number}")
        self._next_number = next_number
        self._waiting: dict[int, T] = {}

    @property
    def next_number(self) -> int:
        """The lowest number that isn't acknowledged."""
        return self._next_number

    @property
    def pending(self) -> int:
        """How many acknowledged numbers wait behind a gap."""
        return len(self._waiting)

    def acknowledge(self, number: int, value: T) -> list[T]:
        """Take `number` as done; the values that became contiguous by it, in number order.

        Raises: ValueError where `number` was acknowledged before.
        """
        if number < self._next_number or number in self._waiting:
            raise ValueError(f"number {number} was acknowledged before")
        self._waiting[number] = value
        contiguous: list[T] = []
        while self._next_number in self._waiting:
            contiguous.append(self._waiting.pop(self._next_number))
            self._next_number += 1
        return contiguous
