"""Targets: each makes batches durable, and writing one twice leaves what writing it once leaves."""

from streamer.sinks.ahead import Ahead, lacks_parents
from streamer.sinks.bad_rows import BadRow, FoundBadRowsError
from streamer.sinks.d1 import D1Sink
from streamer.sinks.diagnosing import Diagnosing
from streamer.sinks.moved import MovedValues, Untying
from streamer.sinks.ownership import Ownership
from streamer.sinks.parents import ParentsFirst
from streamer.sinks.references import Carried
from streamer.sinks.refresh import Leaving
from streamer.sinks.rejecting import Rejecting
from streamer.sinks.staged import complete

__all__ = [
    "Ahead",
    "BadRow",
    "Carried",
    "D1Sink",
    "Diagnosing",
    "FoundBadRowsError",
    "Leaving",
    "MovedValues",
    "Ownership",
    "ParentsFirst",
    "Rejecting",
    "Untying",
    "complete",
    "lacks_parents",
]
