"""How many requests to have in flight at once: additive increase, multiplicative decrease.

One D1 database runs one query at a time, so more in flight hides latency only. What tells that
there are too many is the time an answer takes, compared with the best time of like requests. Until
that happens for the first time the number doubles with each round, as TCP's slow start does
(RFC 5681, 3.1): a short run to a distant D1 would else be over before it has enough in flight. It doesn't
beyond what hides the latency: each request more that a near D1 holds costs it time (1.5 % of a run
with five rather than three).
"""

from __future__ import annotations

from math import inf, log2
from typing import Protocol

from streamer.frozen import frozen

START = 3
CAP = 16
FLOOR = 1
LATENCY_FLOOR = (
    3  # slow answers alone are no reason for fewer: one is worked on, two are on their ways
)
LATENCY_RATIO = 2.2
LATENCY_SLACK_S = 0.005
# 4 MB over a fresh connection need so many: TCP begins with ten packets, and doubles (RFC 6928).
ROUND_TRIPS = 8
LATENCY_CUT = 0.85
OVERLOAD_CUT = 0.5
PATIENCE = 8  # answers below a number that was too much, before it is tried again
MOST_PATIENCE = 256
CALIBRATE_EVERY_S = 60.0


@frozen
class Sample:
    """A request that was answered: `sent_at` on the monotonic clock, `seconds` it took.

    `body_bytes` is its size; `in_flight` counts the requests under way when it left, itself
    included; `alone`: none other was under way from its beginning to its end.
    """

    sent_at: float
    seconds: float
    body_bytes: int
    in_flight: int
    alone: bool


class Concurrency(Protocol):
    """Says how many requests may be in flight, and learns from how they fare."""

    @property
    def level(self) -> int:
        """The number found best so far; at least 1."""
        ...

    def limit(self, now: float) -> int:
        """How many may be in flight at `now`: `level`, or 1 while it is measured anew."""
        ...

    def succeeded(self, sample: Sample) -> None:
        """A request was answered well."""
        ...

    def overloaded(self, sent_at: float, now: float) -> None:
        """A request sent at `sent_at` was turned away, or reset, for overload."""
        ...


@frozen
class FixedConcurrency:
    """Always the same number, as the user said."""

    requests: int

    @property
    def level(self) -> int:
        """The fixed number."""
        return self.requests

    def limit(self, now: float) -> int:
        """The fixed number."""
        del now
        return self.requests

    def succeeded(self, sample: Sample) -> None:
        """Nothing to learn."""

    def overloaded(self, sent_at: float, now: float) -> None:
        """Nothing to learn."""


class AdaptiveConcurrency:
    """Finds the number by itself, between 1 and 16, starting from 3.

    The best time is kept for each class of body sizes (each about 1.4 times the one below it),
    so that a big body isn't taken for a slow server. Under load even the best time is one of
    waiting in line; so once a minute one request travels alone, and its time becomes the measure.

    A number at which D1 was overloaded comes again after `PATIENCE` answers, then after twice as many,
    and so on, until it goes well for as long.
    """

    def __init__(self) -> None:
        self._limit = float(START)
        self._best: dict[int, float] = {}
        self._cut_at = -inf
        self._doubling = True
        self._too_many = CAP + 1
        self._patience = PATIENCE
        self._answers = 0
        self._calibrated_at: float | None = None
        self._answered_at = -inf
        self._alone_s = inf  # what the last request that travelled alone took
        self._worked: dict[int, float] = {}

    @property
    def level(self) -> int:
        """The number found best so far."""
        return int(self._limit)

    def limit(self, now: float) -> int:
        """How many may be in flight at `now`; 1 once a minute, until one has travelled alone."""
        if self._calibrated_at is None:
            self._calibrated_at = now
        return 1 if now - self._calibrated_at >= CALIBRATE_EVERY_S else self.level

    def succeeded(self, sample: Sample) -> None:
        """Grow while answers come quickly, by one a round once they came slowly; shrink when they do."""
        now = sample.sent_at + sample.seconds
        size = int(2 * log2(max(1, sample.body_bytes)))
        worked_s = self._worked[size] = min(self._worked.get(size, inf), self._worked_on(sample))
        best = min(
            self._best.get(size, inf),
            sample.seconds,
            self._as_smaller_ones_say(sample),
            ROUND_TRIPS * self._alone_s + worked_s,
        )
        if sample.alone:
            best = self._alone_s = sample.seconds
            self._calibrated_at = now
        self._best[size] = best
        self._answered_at = now
        if sample.seconds > best * LATENCY_RATIO + LATENCY_SLACK_S:
            least = min(self._limit, float(LATENCY_FLOOR))
            self._cut(LATENCY_CUT, sample.sent_at, now, least)
        elif self._doubling:
            is_enough = worked_s < inf and (self._limit - LATENCY_FLOOR + 1) * worked_s >= best
            # Twice: what was sent before the number grew counts too.
            if 2 * sample.in_flight >= self.level and not is_enough:
                self._limit = min(float(CAP), self._limit + 1)
        elif sample.in_flight >= self.level:
            self._grow()

    def _grow(self) -> None:
        """By one a round; to a number that was too much only once enough went well right below it."""
        grown = min(float(CAP), self._limit + 1 / self._limit)
        if grown >= self._too_many:
            self._answers += 1
            if self._answers < self._patience:
                return
            if self.level >= self._too_many:
                self._too_many = CAP + 1
            self._answers = 0
        self._limit = grown

    def _as_smaller_ones_say(self, sample: Sample) -> float:
        """What the body would take alone, if time grew with size from the best smaller ones.

        The first bodies of a new size travel among others: their own best is one of waiting.
        """
        size = int(2 * log2(max(1, sample.body_bytes)))
        smaller = [
            seconds * 2 ** ((size - known) / 2)
            for known, seconds in self._best.items()
            if known < size
        ]
        return min(smaller, default=inf)

    def _worked_on(self, sample: Sample) -> float:
        """At most so long D1 worked on the body: since the answer before it, where it was sent before that.

        One query runs at a time. Answers that come together, as from a distance they may, say less than it was; there
        their way is so long that it doesn't matter.
        """
        waited_s = self._answered_at - sample.sent_at
        return sample.seconds - waited_s if waited_s > 0 else inf

    def overloaded(self, sent_at: float, now: float) -> None:
        """Halve, once for all requests of one round, and be slow to come back to this number."""
        if sent_at >= self._cut_at:
            known = self._too_many <= CAP
            self._patience = min(MOST_PATIENCE, 2 * self._patience) if known else PATIENCE
            self._too_many = max(FLOOR + 1, self.level)
            self._answers = 0
        self._cut(OVERLOAD_CUT, sent_at, now, float(FLOOR))

    def _cut(self, factor: float, sent_at: float, now: float, least: float) -> None:
        self._doubling = False
        # Requests sent before the last cut tell of the number before it.
        if sent_at >= self._cut_at:
            self._limit = max(least, self._limit * factor)
            self._cut_at = now
