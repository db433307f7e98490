"""Targets: each makes batches durable, and writing one twice leaves what writing it once leaves."""

from streamer.sinks.ahead import Ahead
from streamer.sinks.bad_rows import BadRow, FoundBadRowsError
from streamer.sinks.d1 import D1Sink
from streamer.sinks.diagnosing import Diagnosing
from streamer.sinks.duplicates import Duplicates
from streamer.sinks.moved import MovedValues
from streamer.sinks.ownership import Ownership
from streamer.sinks.parents import ParentsFirst
from streamer.sinks.references import Carried
from streamer.sinks.refresh import Leaving
from streamer.sinks.rejecting import Rejecting
from streamer.sinks.renewing import Renewing
from streamer.sinks.staged import Stages
from streamer.sinks.taking_out import FixedPlacesError
from streamer.sinks.untying import Untying

__all__ = [
    "Ahead",
    "BadRow",
    "Carried",
    "D1Sink",
    "Diagnosing",
    "Duplicates",
    "FixedPlacesError",
    "FoundBadRowsError",
    "Leaving",
    "MovedValues",
    "Ownership",
    "ParentsFirst",
    "Rejecting",
    "Renewing",
    "Stages",
    "Untying",
]
