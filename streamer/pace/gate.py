"""One gate before an API that may be down: while it is closed, one request at a time knocks."""

from __future__ import annotations

from math import inf

FIRST_PROBE_S = 1.0
SLOWEST_PROBE_S = 30.0


class Gate:
    """Open: everybody passes. Closed: one probe after 1 s, then after 2, 4, ... at most 30 s.

    One success opens it. Times are seconds of a monotonic clock.
    """

    def __init__(self) -> None:
        self._delay_s = 0.0
        self._probe_at = inf
        self._probing = False

    @property
    def is_open(self) -> bool:
        """Whether everybody passes."""
        return self._delay_s == 0.0

    @property
    def delay_s(self) -> float:
        """Seconds from the last failure to the next probe; 0 while open."""
        return self._delay_s

    def close(self, now: float) -> None:
        """The other side seems to be down; a gate that is closed stays as it is."""
        if self.is_open:
            self._delay_s = FIRST_PROBE_S
            self._probe_at = now + FIRST_PROBE_S
            self._probing = False

    def next_pass(self, now: float) -> float:
        """When the next request may pass; infinity while a probe is out."""
        if self.is_open:
            return now
        return inf if self._probing else max(now, self._probe_at)

    def enter(self, now: float) -> bool:
        """A request passes; is it the probe? Call it only when `next_pass` allows it."""
        if self.next_pass(now) > now:
            raise ValueError("the gate is closed")
        self._probing = not self.is_open
        return self._probing

    def succeed(self) -> None:
        """The other side answered: open."""
        self._delay_s = 0.0
        self._probe_at = inf
        self._probing = False

    def fail(self, now: float) -> None:
        """The probe failed: wait twice as long."""
        if self.is_open:
            raise ValueError("an open gate has no probe")
        self._delay_s = min(SLOWEST_PROBE_S, self._delay_s * 2)
        self._probe_at = now + self._delay_s
        self._probing = False

    def withdraw(self, now: float) -> None:
        """The probe ended without saying anything; the next one may go at once."""
        if self._probing:
            self._probing = False
            self._probe_at = now
