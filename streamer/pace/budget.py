"""How many retries are reasonable: a share of the requests, so that a storm starves itself."""

from __future__ import annotations

SHARE = 0.2
RESERVE = 10.0
CAP = 50.0


class RetryBudget:
    """Each request adds `SHARE` of a retry, each retry takes one; at most `CAP` are saved up.

    An empty budget says that the other side is in trouble, never that the work has failed.
    """

    def __init__(self) -> None:
        self._left = RESERVE

    @property
    def left(self) -> float:
        """Retries left."""
        return self._left

    def deposit(self) -> None:
        """A request succeeded."""
        self._left = min(CAP, self._left + SHARE)

    def withdraw(self) -> bool:
        """Take one retry; False when there is none."""
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True

    def refill(self) -> None:
        """The other side is back: the reserve is there again."""
        self._left = max(self._left, RESERVE)
