"""One gate before an API that may be down: while it is closed, one request at a time knocks."""

from __future__ import annotations

from math import inf

FIRST_PROBE_S = 1.0
SLOWEST_PROBE_S = 30.0


class Gate:
    """Open: everybody passes. Closed: one probe after 1 s, then after 2, 4, ... at most 30 s.

    One success opens it. Times are seconds of a monotonic clock. A probe that is still out when the
    gate opens has nothing more to say: it is known by its number, which is never 0.
    """

    def __init__(self) -> None:
        self._delay_s = 0.0
        self._probe_at = inf
        self._probe = 0
        self._probes = 0

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
            self._probe = 0

    def next_pass(self, now: float) -> float:
        """When the next request may pass; infinity while a probe is out."""
        if self.is_open:
            return now
        return inf if self._probe else max(now, self._probe_at)

    def enter(self, now: float) -> int:
        """A request passes: its number as a probe, or 0. Call it only when `next_pass` allows it."""
        if self.next_pass(now) > now:
            raise ValueError("the gate is closed")
        if not self.is_open:
            self._probes += 1
            self._probe = self._probes
        return self._probe

    def succeed(self) -> None:
        """The other side answered: open."""
        self._delay_s = 0.0
        self._probe_at = inf
        self._probe = 0

    def fail(self, now: float, probe: int) -> bool:
        """The probe failed: wait twice as long. False where the gate didn't wait for this one."""
        if not probe or probe != self._probe:
            return False
        self._delay_s = min(SLOWEST_PROBE_S, self._delay_s * 2)
        self._probe_at = now + self._delay_s
        self._probe = 0
        return True

    def withdraw(self, now: float, probe: int) -> None:
        """The probe ended without saying anything; the next one may go at once."""
        if probe and probe == self._probe:
            self._probe = 0
            self._probe_at = now
