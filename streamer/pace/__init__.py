"""How fast and how often to send: pure decisions, the time and the dice are passed in."""

from streamer.pace.backoff import full_jitter
from streamer.pace.budget import RetryBudget
from streamer.pace.concurrency import CAP as CONCURRENCY_CAP
from streamer.pace.concurrency import AdaptiveConcurrency, Concurrency, FixedConcurrency, Sample
from streamer.pace.gate import Gate
from streamer.pace.window import SlidingWindow

__all__ = [
    "CONCURRENCY_CAP",
    "AdaptiveConcurrency",
    "Concurrency",
    "FixedConcurrency",
    "Gate",
    "RetryBudget",
    "Sample",
    "SlidingWindow",
    "full_jitter",
]
