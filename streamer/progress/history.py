"""A run's past, in bounded memory: how far it was when, how long answers took, what was said last."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

from streamer.frozen import frozen

MOST_SAMPLES = 240
FIRST_GAP_S = 1.0
# Upper bounds in seconds; an answer may take D1's whole 30 s.
LATENCY_BOUNDS_S = (0.025, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 30.0)


@frozen
class Sample:
    """How far a run was `at_s` seconds after its start.

    `rows`, `bytes`, `requests` and `retries` count from the start; `window_used` and `concurrency`
    are what they were then.
    """

    at_s: float
    rows: int
    bytes: int
    requests: int
    retries: int
    window_used: int
    concurrency: int


class History:
    """Samples of a run; where there are too many, every second one goes, and the gap doubles.

    Since samples hold counts, and not speeds, what lies between two of them stays true.
    """

    def __init__(self) -> None:
        self._samples: list[Sample] = []
        self._gap_s = FIRST_GAP_S

    @property
    def samples(self) -> Sequence[Sample]:
        """The samples so far, oldest first; at most MOST_SAMPLES."""
        return tuple(self._samples)

    def is_due(self, at_s: float) -> bool:
        """Whether a sample at this second would be kept."""
        return not self._samples or at_s - self._samples[-1].at_s >= self._gap_s

    def add(self, sample: Sample) -> None:
        """Keep a sample, unless the one before is too near."""
        if not self.is_due(sample.at_s):
            return
        self._samples.append(sample)
        if len(self._samples) > MOST_SAMPLES:
            del self._samples[1::2]
            self._gap_s *= 2


class Latencies:
    """How long the answers to requests took: counts by upper bound, and the sum in seconds."""

    def __init__(self) -> None:
        self._counts = [0] * (len(LATENCY_BOUNDS_S) + 1)
        self.sum_s = 0.0

    def add(self, seconds: float) -> None:
        """Count an answer."""
        self._counts[bisect_left(LATENCY_BOUNDS_S, seconds)] += 1
        self.sum_s += seconds

    @property
    def counts(self) -> Sequence[int]:
        """Answers up to each of LATENCY_BOUNDS_S (and beyond the one before), and the rest."""
        return tuple(self._counts)
