"""A sliding log of what was sent: never more than so many in any window, full speed until then."""

from __future__ import annotations

from bisect import insort
from math import inf


class SlidingWindow:
    """At most `requests` sends in every half-open window of `seconds`.

    A request counts from the moment it is begun, and for `seconds` after the latest moment at
    which the other side may have counted it: a request that dawdled on its way must not meet the
    one that takes its place. Times are seconds of any one clock that never runs backwards.
    """

    def __init__(self, requests: int, seconds: float) -> None:
        if requests < 1 or seconds <= 0:
            raise ValueError(f"a window needs at least one request: {requests}/{seconds}")
        self.requests = requests
        self.seconds = seconds
        self._stamps: list[float] = []
        self._open = 0

    def next_allowed(self, now: float) -> float:
        """The earliest time from `now` on at which one more may be sent.

        However long requests take to arrive, the next one may be there at once, so none leaves
        before there is room. Infinity when all that are allowed are still in flight: ask again when
        one has settled.
        """
        self._forget(now)
        surplus = len(self._stamps) + self._open - self.requests
        if surplus < 0:
            return now
        if surplus >= len(self._stamps):
            return inf
        return max(now, self._stamps[surplus] + self.seconds)

    def record(self, at: float) -> None:
        """A request was sent, and counted by the other side, at `at`."""
        insort(self._stamps, at)

    def begin(self) -> None:
        """A request leaves; it counts until `settle` says when the other side saw it."""
        self._open += 1

    def settle(self, at: float) -> None:
        """A request that was begun was seen by the other side at `at` or before."""
        if self._open < 1:
            raise ValueError("no request is in flight")
        self._open -= 1
        self.record(at)

    def used(self, now: float) -> int:
        """How many of the window's requests are taken at `now`."""
        self._forget(now)
        return len(self._stamps) + self._open

    def _forget(self, now: float) -> None:
        gone = 0
        for stamp in self._stamps:
            if stamp + self.seconds > now:
                break
            gone += 1
        del self._stamps[:gone]
