"""How a number of things is said (pure)."""

from __future__ import annotations


def counted(number: int, one: str, many: str = "") -> str:
    """`number` of what `one` names: 1 row, 2,000 rows; `many` where an s doesn't make the plural."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"
